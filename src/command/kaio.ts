#!/usr/bin/env node
/**
 * The `kaio` command of the library: `doctor` and `trace`, without a dependency. The others are the package kaio-cli, which is started
 * where it is installed beside this one.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { doctor } from './doctor.ts';
import { errorLine } from './printable.ts';
import { trace } from './trace.ts';

const USAGE = `Usage: kaio <command>

  doctor [--json] [--directory <dir>]   which kernel would be used and why, what works here, and what cures the rest
  trace [--output <file>] -- <program>  runs a program, and writes what kaio does in it for Perfetto and Chrome

cp, conformance, fuzz and bench are in the package kaio-cli:
  npm install --save-dev kaio-cli       then they are commands of kaio, too
  npx kaio-cli <command>                without installing it`;

/** The program of the other commands: beside this one in the repository, else that of kaio-cli, if it is installed where this package can see it. */
function otherCommands(): string | undefined {
  const beside = new URL('../cli/cli.js', import.meta.url);
  if (existsSync(beside)) return beside.href;
  try {
    // Never from the working directory, which may be anybody's.
    const manifest = createRequire(import.meta.url).resolve('kaio-cli/package.json');
    return pathToFileURL(join(dirname(manifest), 'dist/src/cli/cli.js')).href;
  } catch {
    return undefined;
  }
}

async function main([command, ...args]: readonly string[]): Promise<void> {
  if (command === 'doctor') {
    const options = { json: { type: 'boolean' }, directory: { type: 'string', default: tmpdir() } } as const;
    const { values } = parseArgs({ args, options });
    return doctor(values);
  }
  if (command === 'trace') {
    const options = { output: { type: 'string', short: 'o', default: 'kaio-trace.json' } } as const;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    process.exitCode = await trace(positionals, values);
    return;
  }
  const others = otherCommands();
  if (others !== undefined) {
    await import(others);
    return;
  }
  const asked = command === undefined || command === '--help' || command === '-h' || command === 'help';
  if (!asked) console.error(`kaio: there is no command '${command}' in this package`);
  (asked ? console.log : console.error)(USAGE);
  process.exitCode = asked ? 0 : 1;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`kaio: ${errorLine(error)}`);
  process.exitCode = 1;
}
