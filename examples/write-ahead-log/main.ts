/** Crashes the log many times, and shows that the ones that forget something are caught. */
import { Command } from 'commander';
import { SimulationError } from 'kaio/emulated';
import { crashTest } from './crash-test.ts';
import { everyCrashTest } from './every-crash.ts';
import { FLAWS, type Flaw } from './flaws.ts';
import type { Promised } from './storage.ts';

const FORGETTABLE: readonly Promised[] = ['batch', 'content', 'segment', 'name'];
/** Seeds within which a log that forgets something must be caught. */
const CAUGHT_WITHIN = 1000;

const program = new Command('write-ahead-log')
  .option('--crashes <count>', 'how many times the power is lost', '10000')
  .option('--seed <seed>', 'the first seed; alone with --once, one history is shown', '1')
  .option('--forget <what>', `run one that forgets: ${FORGETTABLE.join(', ')}`)
  .option('--once', 'run one seed only')
  .parse();
const { crashes, seed, forget, once } = program.opts<{
  crashes: string;
  seed: string;
  forget?: string;
  once?: boolean;
}>();
if (forget !== undefined && !FORGETTABLE.includes(forget as Promised)) program.error(`unknown: ${forget}`);
if (!/^\d+$/.test(crashes) || !/^\d+$/.test(seed)) program.error('crashes and seed are decimal numbers');

async function soundLog(): Promise<void> {
  const began = performance.now();
  const total = { seeds: 0, crashes: 0, inRecovery: 0, acknowledged: 0 };
  while (total.crashes < Number(crashes) && !(once === true && total.seeds > 0)) {
    const result = await crashTest({ seed: BigInt(seed) + BigInt(total.seeds) });
    total.seeds++;
    total.crashes += result.crashes;
    total.inRecovery += result.inRecovery;
    total.acknowledged += result.acknowledged;
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    `${total.crashes} crashes (${total.inRecovery} during recovery) over ${total.seeds} seeds: ` +
      `${total.acknowledged} acknowledged records, none lost, none invented, ${seconds} s`,
  );
}

/** @returns Whether it was caught. */
async function forgetfulLog(forgotten: Promised, shows: boolean): Promise<boolean> {
  for (let seeds = 0; seeds < CAUGHT_WITHIN && !(once === true && seeds > 0); seeds++) {
    try {
      await crashTest({ seed: BigInt(seed) + BigInt(seeds), forgotten });
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      console.log(`forgets '${forgotten}': caught by seed ${error.seed}, number ${seeds + 1}`);
      if (shows) console.log(error.message);
      return true;
    }
  }
  console.log(`forgets '${forgotten}': not caught`);
  return false;
}

/** @returns Whether the log is sound, or its flaw was found. */
async function everyMoment(flaw: Flaw | undefined): Promise<boolean> {
  const name = flaw === undefined ? 'the sound log' : `broken '${flaw}'`;
  try {
    const { points, outcomes, again } = await everyCrashTest({ seed, flaw });
    console.log(`${name}: ${points} moments, ${outcomes} disks, ${again} crashes in recovery: nothing found`);
    return flaw === undefined;
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    const where = error.message.split('\n').find((line) => line.includes('only: {'));
    console.log(`${name}: found at seed ${error.seed}, ${where}`);
    if (flaw === undefined) console.log(error.message);
    return flaw !== undefined;
  }
}

if (forget !== undefined) {
  process.exitCode = (await forgetfulLog(forget as Promised, true)) ? 0 : 1;
} else {
  try {
    await soundLog();
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    console.log(error.message);
    process.exitCode = 1;
  }
  for (const forgotten of FORGETTABLE) {
    if (!(await forgetfulLog(forgotten, false))) process.exitCode = 1;
  }
  for (const flaw of [undefined, ...FLAWS]) {
    if (!(await everyMoment(flaw))) process.exitCode = 1;
  }
}
