/** What SQLite promises, held against a disk that loses power at each moment of a history. */
import { deepStrictEqual, fail } from 'node:assert';
import { check, type Pages, type Simulation, simulate } from 'kaio/emulated';
import { Database, type JournalMode } from './database.ts';
import { type Promised, simulated } from 'kaio/sqlite-vfs';

const PATH = '/test.db';
const TRANSACTIONS = 6;
const KEYS = 8;
/** Some rows lie in several pages. */
const LONGEST_VALUE = 9000;
const LONG_CHANCE = 0.2;
/** Operations within which recovery is crashed too. */
const RECOVERY_EVENTS = 20;

/** What is in the table: values by key. */
type Content = ReadonlyMap<number, string>;

/** What the program was told, and what it has tried since. */
interface Known {
  readonly acknowledged: Content;
  readonly attempted: Content;
}

export interface CrashTestOptions {
  readonly seed: number | bigint;
  readonly journal: JournalMode;
  /** Which operation on the disk the power is lost instead of, 1 being the first. Default: none, and the power is lost at the end. */
  readonly atEvent?: number;
  /** Whether the power is lost during recovery too, at a moment that the seed decides. Default false. */
  readonly inRecovery?: boolean;
  /** What is never made durable. Default: nothing is left out. */
  readonly leavesOut?: readonly Promised[];
  /** Where a page is put that shows a history that fails. Default: nowhere. */
  readonly pages?: Pages;
}

export interface CrashTestResult {
  /** Transactions whose `COMMIT` had returned. */
  readonly commits: number;
  /** Operations on the disk before the crash. */
  readonly events: number;
  /** What was made durable, and why. */
  readonly promised: ReadonlySet<Promised>;
  /** What SQLite calls itself. */
  readonly version: string;
}

/** Changes a few rows in one transaction. @returns What is there after it. */
async function transact(
  database: Database,
  before: Content,
  simulation: Simulation,
  known: (next: Content) => void,
) {
  const { random } = simulation;
  const next = new Map(before);
  await database.run('BEGIN');
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const key = random.below(KEYS);
    if (next.has(key) && random.chance(0.3)) {
      next.delete(key);
      await database.run('DELETE FROM entries WHERE key = ?', [key]);
      continue;
    }
    const length = random.chance(LONG_CHANCE) ? random.below(LONGEST_VALUE) : random.below(100);
    const value = `${random.uint32()} `.padEnd(length, '.');
    next.set(key, value);
    await database.run('INSERT OR REPLACE INTO entries VALUES (?, ?)', [key, value]);
  }
  known(next);
  await database.run('COMMIT');
  return next;
}

/** Writes until the power is lost or enough is done. */
async function live(
  simulation: Simulation,
  { journal, leavesOut = [] }: CrashTestOptions,
  tell: (known: Known | undefined, why?: Promised) => void,
): Promise<void> {
  const promises = (why: Promised): boolean => {
    tell(undefined, why);
    return !leavesOut.includes(why);
  };
  const database = await Database.open({ machine: simulated(simulation), path: PATH, journal, promises });
  await database.run('CREATE TABLE entries (key INTEGER PRIMARY KEY, value TEXT)');
  let content: Content = new Map();
  tell({ acknowledged: content, attempted: content });
  for (let done = 0; done < TRANSACTIONS; done++) {
    const before = content;
    content = await transact(database, before, simulation, (attempted) =>
      tell({ acknowledged: before, attempted }),
    );
    tell({ acknowledged: content, attempted: content });
    if (!simulation.isCrashed) simulation.note(`acknowledged transaction ${done + 1}`);
    // The log goes into the database, and begins anew.
    if (journal === 'wal' && done % 2 === 1) await database.run('PRAGMA wal_checkpoint(TRUNCATE)');
  }
  await database.close();
}

/**
 * Opens what a crash has left, and compares.
 *
 * @param known - Is undefined as long as there is no table for certain.
 * @returns What SQLite calls itself.
 */
async function verify(
  simulation: Simulation,
  { journal }: CrashTestOptions,
  known: Known | undefined,
): Promise<string> {
  await using database = await Database.open({ machine: simulated(simulation), path: PATH, journal });
  deepStrictEqual(await database.run('PRAGMA integrity_check'), [['ok']], 'the database is corrupt');
  const tables = await database.run('SELECT name FROM sqlite_schema WHERE type = ?', ['table']);
  if (known === undefined && tables.length === 0) return database.version;
  deepStrictEqual(tables, [['entries']], 'the table is gone, which was committed');
  const rows = await database.run('SELECT key, value FROM entries ORDER BY key');
  const found = new Map(rows as [number, string][]);
  const { acknowledged, attempted } = known ?? { acknowledged: new Map(), attempted: new Map() };
  if (same(found, acknowledged) || same(found, attempted)) return database.version;
  fail(
    `neither what was committed is there, nor what was being committed: ${described(found)}, not ${described(acknowledged)}`,
  );
}

function same(one: Content, other: Content): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}

function described(content: Content): string {
  return `{${[...content].map(([key, value]) => `${key}: ${value.slice(0, 12)}`).join(', ')}}`;
}

/**
 * One history of a database, one crash, and what is found after it.
 *
 * @throws SimulationError with the seed and the trace when the database breaks its word.
 */
export function crashTest(options: CrashTestOptions): Promise<CrashTestResult> {
  const { seed, atEvent = Number.MAX_SAFE_INTEGER, inRecovery = false, pages = false } = options;
  const first = simulate({ seed, strictNames: true });
  return check(
    first,
    async () => {
      let known: Known | undefined;
      let commits = 0;
      const promised = new Set<Promised>();
      const after = await first.crashDuring(
        async () => {
          await live(first, options, (told, why) => {
            // After the power was lost nobody hears anything any more.
            if (first.isCrashed) return;
            if (why !== undefined) promised.add(why);
            if (told === undefined) return;
            if (told.acknowledged === told.attempted && told.acknowledged !== known?.acknowledged) commits++;
            known = told;
          });
        },
        { atEvent },
      );
      const { events } = first;
      let found = after;
      if (inRecovery) {
        found = await after.crashDuring(() => verify(after, options, known), {
          withinEvents: RECOVERY_EVENTS,
        });
      }
      const version = await verify(found, options, known);
      return { commits, events, promised, version };
    },
    { pages },
  );
}
