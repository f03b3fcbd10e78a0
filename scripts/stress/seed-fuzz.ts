/**
 * The fuzzer for the kernel of 2007: programs made up by a seed run on the emulation in its profile linux-2.6.20 and on a model of
 * that kernel's rules, which shares no code with it, and both must agree call by call.
 *
 *     npm run fuzz:seed -- --operations 1000000 --seed 7
 *
 * Exit code 1: they differ, and the program is printed, made small.
 */
import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { fuzzSeed } from '../../test/fuzz/seed/fuzz.ts';

const DEFAULT_OPERATIONS = 100_000;
const MAX_SEED = 2 ** 31;
const LINE_MS = 10_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    operations: { type: 'string' },
    json: { type: 'boolean', default: false },
    'as-it-is': { type: 'boolean', default: false },
  },
});

function whole(name: string, text: string | undefined, fallback: number): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new Error(`--${name} takes a whole number, not ${text}`);
  return value;
}

const seed = whole('seed', values.seed, randomInt(MAX_SEED));
const operations = whole('operations', values.operations, DEFAULT_OPERATIONS);
console.error(`seed ${seed}; again: npm run fuzz:seed -- --operations ${operations} --seed ${seed}`);
let told = performance.now();
const onProgress = (done: number): void => {
  const now = performance.now();
  if (now - told < LINE_MS) return;
  told = now;
  console.error(`${done} operations`);
};
const report = fuzzSeed(seed, operations, onProgress, !values['as-it-is']);
if (values.json) console.log(JSON.stringify(report));
else {
  if (report.divergence !== undefined) console.log(report.divergence.text);
  const outcome = report.divergence === undefined ? 'no divergence' : 'a divergence';
  console.log(`seed ${seed}: ${report.operations} operations in ${report.programs} programs, ${outcome}`);
}
if (report.divergence !== undefined) process.exitCode = 1;
