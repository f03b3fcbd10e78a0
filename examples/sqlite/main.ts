/** Crashes SQLite at each moment of its histories, and shows that each sync that is left out is caught. */
import { Command, Option } from 'commander';
import { SimulationError } from 'kaio/emulated';
import { type CrashTestResult, crashTest } from './crash-test.ts';
import type { JournalMode } from './database.ts';
import type { Promised } from 'kaio/sqlite-vfs';

const JOURNALS: readonly JournalMode[] = ['delete', 'truncate', 'persist', 'wal'];
/** Crashes within which a database that leaves out a sync must be caught. */
const CAUGHT_WITHIN = 2000;
/** Multiples of it, without what is before the point, are spread evenly however many there are: the golden ratio. */
const SPREAD = (Math.sqrt(5) - 1) / 2;

const program = new Command('sqlite')
  .option('--crashes <count>', 'how many times the power is lost', '1000')
  .option('--seed <seed>', 'the first seed', '1')
  .addOption(new Option('--journal <mode>', 'this one alone').choices(JOURNALS))
  .option('--at <event>', 'one crash alone: at this operation of the first seed')
  .option('--leave-out <sync>', 'one sync alone that is left out')
  .parse();
const options = program.opts<{
  crashes: string;
  seed: string;
  journal?: JournalMode;
  at?: string;
  leaveOut?: Promised;
}>();
for (const number of [options.crashes, options.seed, options.at ?? '1'])
  if (!/^\d{1,15}$/.test(number)) program.error(`no decimal number: ${number}`);
const firstSeed = Number(options.seed);
const journals = options.journal === undefined ? JOURNALS : [options.journal];

/** A crash at an operation of the history of a seed, or at its end where that comes first. */
interface Point {
  readonly seed: number;
  readonly atEvent: number;
}

/** For the command that makes the same crash again. */
function told({ seed, atEvent }: Point): string {
  return `--seed ${seed} --at ${atEvent}`;
}

/**
 * Crashes all over a history, a few or each of its moments, each time with another seed: another history, and other luck for what was not
 * durable. With one seed for all, what the first few changes' luck is would be so in every crash.
 *
 * @returns The first crash that was survived by less than was promised, or undefined.
 */
async function crashes(
  journal: JournalMode,
  count: number,
  crash: (point: Point, number: number) => Promise<CrashTestResult>,
): Promise<Point | undefined> {
  const { events } = await crashTest({ seed: firstSeed, journal });
  for (let done = 0; done < count; done++) {
    const point = { seed: firstSeed + done, atEvent: 1 + Math.floor(((done * SPREAD) % 1) * events) };
    try {
      await crash(point, done);
    } catch (error) {
      if (!(error instanceof SimulationError)) throw error;
      console.log(error.message.split('\n')[0]);
      if (error.page !== undefined) console.log(`to look at: ${error.page}`);
      return point;
    }
  }
  return undefined;
}

async function sound(journal: JournalMode, count: number): Promise<void> {
  const began = performance.now();
  const total = { commits: 0, inRecovery: 0, version: '' };
  const broken = await crashes(journal, count, async (point, number) => {
    const inRecovery = number % 3 === 0;
    const result = await crashTest({ ...point, journal, inRecovery, pages: true });
    total.commits += result.commits;
    total.inRecovery += inRecovery ? 1 : 0;
    total.version = result.version;
    return result;
  });
  if (broken !== undefined) {
    console.log(`journal ${journal}: BROKEN by --journal ${journal} ${told(broken)}`);
    process.exitCode = 1;
    return;
  }
  console.log(
    `SQLite ${total.version}, journal ${journal}: ${count} crashes (${total.inRecovery} again during recovery), ` +
      `${total.commits} commits acknowledged, none lost, no database corrupt, ${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
}

/** It must be caught. */
async function leaveOut(journal: JournalMode, left: Promised): Promise<void> {
  let tried = 0;
  const caught = await crashes(journal, CAUGHT_WITHIN, (point, number) => {
    tried = number + 1;
    return crashTest({ ...point, journal, leavesOut: [left] });
  });
  if (caught === undefined) process.exitCode = 1;
  console.log(
    `journal ${journal} without the sync '${left}': ${caught === undefined ? 'NOT caught' : 'caught'} by ${tried} crashes` +
      `${caught === undefined ? '' : `: --journal ${journal} --leave-out ${left} ${told(caught)}`}`,
  );
}

if (options.at !== undefined) {
  const [journal = 'delete'] = journals;
  const leavesOut = options.leaveOut === undefined ? [] : [options.leaveOut];
  try {
    console.log(
      await crashTest({ seed: firstSeed, journal, atEvent: Number(options.at), leavesOut, pages: true }),
    );
  } catch (error) {
    if (!(error instanceof SimulationError)) throw error;
    console.log(error.message);
    process.exitCode = 1;
  }
} else {
  for (const journal of journals) {
    if (options.leaveOut === undefined)
      await sound(journal, Math.ceil(Number(options.crashes) / journals.length));
    const { promised } = await crashTest({ seed: firstSeed, journal });
    const left = options.leaveOut === undefined ? [...promised] : [options.leaveOut];
    for (const one of left) await leaveOut(journal, one);
  }
}
