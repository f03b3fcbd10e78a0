/** What a write-ahead log promises, held against a disk that loses power. */
import { deepStrictEqual, strictEqual } from 'node:assert';
import { AioContext, open } from 'kaio';
import { check, type Simulation, simulate } from 'kaio/emulated';
import { storageWith } from './flaws.ts';
import type { Promised } from './storage.ts';
import { type Recovered, WriteAheadLog } from './write-ahead-log.ts';

const DIRECTORY = '/log';
/** Small, so that a short life has several. */
const SEGMENT_BYTES = 1500;
const LIVES = 4;
const MOST_RECORDS = 40;
/** Most records are short, some lie in several sectors. */
const SHORT_PAYLOAD_BYTES = 100;
const MOST_PAYLOAD_BYTES = 1500;
const OPEN_ATTEMPTS = 1000;

/** What the program knows about the log: what it was told, and what it has tried. */
class Expected {
  /** What `open()` has reported last: it is so for good. */
  settled: string[] = [];
  /** Payloads that were appended since, in their order. */
  attempted: string[] = [];
  /** How many of those were acknowledged. They are the first, because a log acknowledges in order. */
  acknowledged = 0;

  /**
   * Compares what was found with what may be there.
   *
   * @param mayLose - The disk destroys what is durable: records may be missing at the end.
   */
  verify(found: readonly string[], mayLose: boolean): void {
    const must = mayLose ? [] : [...this.settled, ...this.attempted.slice(0, this.acknowledged)];
    const may = [...this.settled, ...this.attempted];
    deepStrictEqual(
      found.slice(0, must.length),
      must,
      `a record that was acknowledged is missing or changed: ${must.length} were, ${found.length} are there`,
    );
    deepStrictEqual(
      found,
      may.slice(0, found.length),
      'there are records that were not appended, or not in this order',
    );
    this.settled = [...found];
    this.attempted = [];
    this.acknowledged = 0;
  }
}

/** The payloads of all records, of the checkpoint and after it. The checkpoint of this program is the list of them. */
function payloadsOf({ checkpoint, records, firstNumber }: Recovered): string[] {
  const saved = checkpoint === undefined ? [] : (JSON.parse(checkpoint.toString()) as string[]);
  strictEqual(saved.length, firstNumber - 1, 'the checkpoint stands for other records than it says');
  return [...saved, ...records.map(String)];
}

/** Opens the log, again if reading fails, for that may happen and does not mean anything. */
async function recover(simulation: Simulation, forgotten: Promised | undefined): Promise<Recovered> {
  const context = new AioContext({ kernel: simulation.kernel, queueDepth: 8 });
  const options = {
    directory: DIRECTORY,
    names: simulation.fs.promises,
    open: (path: string, flags: string) => open(path, flags, 0o666, { context }),
  };
  const storage = storageWith(forgotten, options);
  for (let attempts = 1; ; attempts++) {
    try {
      return await WriteAheadLog.openOn(storage, SEGMENT_BYTES);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EIO' || attempts === OPEN_ATTEMPTS) throw error;
      simulation.note('the log could not be opened: EIO; again');
    }
  }
}

/** Recovers, checks what is there, and appends until the power is lost or enough is done. */
async function live(simulation: Simulation, expected: Expected, trial: Trial): Promise<void> {
  const recovered = await recover(simulation, trial.forgotten);
  expected.verify(payloadsOf(recovered), trial.misdirects);
  simulation.note(`recovered ${expected.settled.length} records`);
  const { log } = recovered;
  const { random } = simulation;
  for (let written = 0; written < MOST_RECORDS; ) {
    const writers = 1 + random.below(5);
    const acknowledgements = Array.from({ length: writers }, async (_, writer) => {
      const name = `${simulation.generation}.${written + writer} `;
      const bytes = random.below(random.chance(0.2) ? MOST_PAYLOAD_BYTES : SHORT_PAYLOAD_BYTES);
      const payload = name.padEnd(bytes, `${writer}`);
      expected.attempted.push(payload);
      const number = await log.append(Buffer.from(payload));
      // After the power was lost nobody hears it any more.
      if (simulation.isCrashed) return;
      expected.acknowledged++;
      simulation.note(`acknowledged ${number}: ${name}`);
      strictEqual(number, expected.settled.length + expected.acknowledged, 'a record has a wrong number');
    });
    written += writers;
    const outcomes = await Promise.allSettled(acknowledgements);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) {
      const { code } = failed.reason as NodeJS.ErrnoException;
      if (code !== 'EIO') throw failed.reason;
      // The log is of no more use. Perhaps the process is started again before the power is lost.
      await log.close();
      if (random.chance(0.5)) await live(simulation, expected, trial);
      return;
    }
    if (random.chance(0.2)) {
      const all = [...expected.settled, ...expected.attempted.slice(0, expected.acknowledged)];
      await log
        .checkpoint(Buffer.from(JSON.stringify(all)), all.length)
        .catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EIO') throw error;
        });
    }
    if (random.chance(0.1)) await simulation.sleep(random.below(5));
  }
  await log.close();
}

/** What a life is tried with. */
interface Trial {
  readonly forgotten: Promised | undefined;
  readonly misdirects: boolean;
}

/** What is run for a seed. */
export interface CrashTestOptions {
  readonly seed: number | bigint | string;
  /** What is not made durable. Default: nothing is forgotten. */
  readonly forgotten?: Promised | undefined;
  /**
   * Whether writes that were on their way in a crash may land elsewhere, and destroy what was durable. No log on one disk can keep
   * its word then: it may lose records at the end, or refuse to open. It must not make any up. Default false.
   */
  readonly misdirects?: boolean;
}

/** What happened. */
export interface CrashTestResult {
  readonly crashes: number;
  /** Crashes while the log was being recovered. */
  readonly inRecovery: number;
  readonly acknowledged: number;
  /** The log has noticed that what was durable is damaged, and refused to open. Only where writes are misdirected. */
  readonly refused: boolean;
}

/**
 * A log in several lives. Each ends with a crash, most by loss of power and some by the end of the process, at any moment,
 * recovery included.
 *
 * @throws SimulationError with the seed and the trace when the log breaks its word.
 */
export async function crashTest({
  seed,
  forgotten,
  misdirects = false,
}: CrashTestOptions): Promise<CrashTestResult> {
  // One disk in two is only slow and forgetful. On the others operations fail too.
  const faulty = BigInt(seed) % 2n === 1n;
  const first = simulate({
    seed,
    strictNames: true,
    traceEntries: 2000,
    faults: {
      ...(faulty ? { EIO: 0.003, EAGAIN: 0.05, shortRead: 0.1, shortWrite: 0.1 } : {}),
      ...(misdirects ? { misdirected: 0.3 } : {}),
    },
  });
  const trial: Trial = { forgotten, misdirects };
  const total = { crashes: 0, inRecovery: 0, acknowledged: 0, refused: false };
  return check(first, async () => {
    const expected = new Expected();
    let simulation = first;
    await simulation.fs.promises.mkdir(DIRECTORY);
    const context = new AioContext({ kernel: simulation.kernel, queueDepth: 1 });
    for (;;) {
      await using root = await open('/', 'r', 0o666, { context });
      if (await root.sync().then(() => true, isEIO)) break;
    }
    try {
      for (let life = 1; life <= LIVES; life++) {
        const before = expected.settled;
        const machine = simulation;
        // One life in three is so short that it often ends in recovery.
        const withinEvents = machine.random.chance(1 / 3) ? 30 : 300;
        // One in four ends with the process only. What was not synced is there then, and nobody may build on that.
        const kill = machine.random.chance(1 / 4);
        simulation = await machine.crashDuring(() => live(machine, expected, trial), { withinEvents, kill });
        total.crashes++;
        if (expected.settled === before) total.inRecovery++;
        total.acknowledged += expected.acknowledged;
      }
      const once = await recover(simulation, forgotten);
      const payloads = payloadsOf(once);
      expected.verify(payloads, misdirects);
      await once.log.close();
      const twice = await recover(simulation, forgotten);
      deepStrictEqual(payloadsOf(twice), payloads, 'recovery is not idempotent');
      await twice.log.close();
    } catch (error) {
      if (!misdirects || (error as NodeJS.ErrnoException).code !== 'ERR_LOG_DAMAGED') throw error;
      total.refused = true;
    }
    return total;
  });
}

function isEIO(error: NodeJS.ErrnoException): boolean {
  if (error.code !== 'EIO') throw error;
  return false;
}
