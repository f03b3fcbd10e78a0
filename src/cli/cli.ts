#!/usr/bin/env node
/** The `kaio` command. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addBench } from './bench.ts';
import { addConformance } from './conformance.ts';
import { addCp } from './cp.ts';
import { addDoctor } from './doctor.ts';
import { addFuzz } from './fuzz.ts';
import { errorLine, printableLines } from '../command/printable.ts';

// Built to dist/src/cli: the package lies three folders up.
const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };

/** What was typed, as commander may tell it again: words, and the values of `--option=value`. */
const typed = process.argv.slice(2).flatMap((word) => [word, word.slice(word.indexOf('=') + 1)]);

const program = new Command('kaio')
  .description('Linux kernel AIO for Node.js')
  .version(version)
  // A file's name may have anything in it. Before the commands, which inherit this.
  .configureOutput({ writeErr: (text) => process.stderr.write(printableLines(text, typed)) });
addCp(program);
addDoctor(program);
addConformance(program);
addFuzz(program);
addBench(program);

try {
  await program.parseAsync();
} catch (error) {
  console.error(`kaio: ${errorLine(error)}`);
  process.exitCode = 1;
}
