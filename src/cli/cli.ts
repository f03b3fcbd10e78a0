#!/usr/bin/env node
/** The `kaio` command. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addBench } from './bench.ts';
import { addConformance } from './conformance.ts';
import { addCp } from './cp.ts';
import { addDoctor } from './doctor.ts';
import { addFuzz } from './fuzz.ts';

// Built to dist/src/cli: the package lies three folders up.
const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
const { version } = JSON.parse(manifest) as { version: string };

const program = new Command('kaio').description('Linux kernel AIO for Node.js').version(version);
addCp(program);
addDoctor(program);
addConformance(program);
addFuzz(program);
addBench(program);

try {
  await program.parseAsync();
} catch (error) {
  const { message } = error instanceof Error ? error : { message: String(error) };
  console.error(`kaio: ${message.split('\n')[0]}`);
  process.exitCode = 1;
}
