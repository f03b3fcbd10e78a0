#!/usr/bin/env node
/** The `kaio` command. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { errorLine, printableLines } from '../command/printable.ts';

// Built to dist/src/cli: the package lies three folders up.
const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };

/** Each loads what it needs, which is much: nobody waits for what others need. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  cp: async () => (await import('./cp.ts')).addCp,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
  conformance: async () => (await import('./conformance.ts')).addConformance,
  fuzz: async () => (await import('./fuzz.ts')).addFuzz,
  bench: async () => (await import('./bench.ts')).addBench,
};

/** Those that the command line can be about: one that it begins with, or else all, for the help and for names that are none. */
function commandsOf([first = '']: readonly string[]): string[] {
  return Object.hasOwn(COMMANDS, first) ? [first] : Object.keys(COMMANDS);
}

/** What was typed, as commander may tell it again: words, and the values of `--option=value`. */
const typed = process.argv.slice(2).flatMap((word) => [word, word.slice(word.indexOf('=') + 1)]);

const program = new Command('kaio')
  .description('Linux kernel AIO for Node.js')
  .version(version)
  // A file's name may have anything in it. Before the commands, which inherit this.
  .configureOutput({ writeErr: (text) => process.stderr.write(printableLines(text, typed)) });
for (const name of commandsOf(process.argv.slice(2))) (await COMMANDS[name]!())(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`kaio: ${errorLine(error)}`);
  process.exitCode = 1;
}
