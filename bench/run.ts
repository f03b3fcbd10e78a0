/** Engines in turns, round by round; what fails is told and left out, and the rest goes on. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BusyPrograms } from './busy.ts';
import { messageOf } from './errors.ts';
import {
  type Answer,
  caseTitle,
  ENGINES,
  type EngineName,
  FLOOR,
  isMixed,
  isOpen,
  isWrite,
  type Job,
  type Length,
  MOST_SMALL_FILES,
  PERCENTILES,
  UNLIMITED,
} from './job.ts';
import { describeMachine } from './machine.ts';
import { fioVersion, runFio } from './outside/fio.ts';
import { compileFloor, type Floor, runFloor } from './outside/floor.ts';
import type { Plan, PlannedCase } from './plan.ts';
import { runProgram } from './process.ts';
import { type BenchReport, type Failure, type Row, rowsOf, type Turn } from './report.ts';
import { impossible, makeSmallFiles, makeTestFile, settle } from './test-file.ts';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));
/** Blocks that are checked before anything is timed. */
const CHECKED_BLOCKS = 256;
const WARM_UP_PART = 0.5;
/** V8 is done with compiling what runs by then, if it has had that long (seen on Node.js 20 and 24); short stretches are no measurements anyway. */
const WARM_UP_MS = 1500;
const WARM_UP_MOST = 5;
const LATENCY_PART = 0.5;
const NOTHING: Length = { ms: 0, operations: 0 };

export interface BenchOptions {
  readonly plan: Plan;
  /** Where the files are made, in a directory of their own that is removed at the end. */
  readonly directory: string;
  /** The command that asked for this, for the report. */
  readonly command: string;
  /** Before each turn. @param done - Of `total` turns. */
  readonly onProgress?: (done: number, total: number, title: string) => void;
  readonly onFailure?: (failure: Failure) => void;
  readonly onRows?: (rows: readonly Row[]) => void;
  /** Ends it: whatever runs is ended, the files are removed, and the reason is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * Measures what the plan says.
 *
 * @throws What making the directory and the files throws: without them there is nothing to measure.
 */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const home = mkdtempSync(join(options.directory, 'kaio-bench-'));
  try {
    return await new Bench(home, options).run();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

function isFio(engine: EngineName): boolean {
  return engine === 'fio-libaio' || engine === 'fio-io_uring';
}

class Bench {
  readonly #home: string;
  readonly #options: BenchOptions;
  readonly #plan: Plan;
  readonly #failures: Failure[] = [];
  readonly #missing = new Set<EngineName>();
  #floor: Floor | undefined;
  #done = 0;

  constructor(home: string, options: BenchOptions) {
    this.#home = home;
    this.#options = options;
    this.#plan = options.plan;
  }

  async run(): Promise<BenchReport> {
    const { directory, command, onRows } = this.#options;
    const found = await this.#lookAround();
    const machine = describeMachine(directory, found);
    const rows: Row[] = [];
    using _beside = await BusyPrograms.start(this.#plan.busy ?? 0);
    for (const one of this.#plan.cases) {
      const added = await this.#case(one);
      rows.push(...added);
      onRows?.(added);
    }
    const { rounds } = this.#plan;
    return { machine, command, rounds, percentiles: PERCENTILES, rows, failures: this.#failures };
  }

  get #total(): number {
    return this.#plan.rounds * this.#plan.cases.reduce((sum, { engines }) => sum + engines.length, 0);
  }

  #fail(failure: Failure): void {
    // An interruption is no failure of an engine.
    this.#options.signal?.throwIfAborted();
    this.#failures.push(failure);
    this.#options.onFailure?.(failure);
  }

  /** Finds fio and the compiler, as far as they are needed. */
  async #lookAround(): Promise<{ fio: string; compiler: string }> {
    const { signal } = this.#options;
    const wanted = new Set(this.#plan.cases.flatMap(({ engines }) => engines));
    const found = { fio: 'not asked for', compiler: 'not asked for' };
    if (wanted.has(FLOOR)) {
      try {
        this.#floor = await compileFloor(this.#home, signal);
        const { stdout } = await runProgram(process.env.CC || 'cc', ['--version'], {
          limitMs: this.#patienceMs,
          signal,
        });
        found.compiler = stdout.split('\n')[0]!;
      } catch (error) {
        this.#leaveOut([FLOOR], error);
        found.compiler = 'none';
      }
    }
    const fios = (['fio-libaio', 'fio-io_uring'] as const).filter((engine) => wanted.has(engine));
    if (fios.length > 0) {
      try {
        found.fio = await fioVersion(signal);
      } catch (error) {
        this.#leaveOut(fios, error);
        found.fio = 'none';
      }
    }
    return found;
  }

  #leaveOut(engines: readonly EngineName[], error: unknown): void {
    for (const engine of engines) {
      this.#missing.add(engine);
      this.#fail({ engine, reason: messageOf(error) });
    }
  }

  get #patienceMs(): number {
    return this.#plan.patience * 1000;
  }

  #files = new Map<string, string>();

  /** One file for reads, whose blocks stay as they were stamped, and others for writes. */
  async #fileFor(one: PlannedCase): Promise<string> {
    if (isOpen(one)) return this.#smallFilesFor(one);
    // What is read of a mixed one was never written: which blocks, depends on their size.
    return this.#blocksFile(isMixed(one) ? `mixed-${one.blockSize}` : isWrite(one) ? 'written' : 'read');
  }

  async #blocksFile(name: string): Promise<string> {
    let path = this.#files.get(name);
    if (path === undefined) {
      path = join(this.#home, name);
      const { signal, onProgress } = this.#options;
      const { size } = this.#plan;
      await makeTestFile(path, size, {
        signal,
        onProgress: (bytes) =>
          onProgress?.(this.#done, this.#total, `writing a file, ${Math.floor((bytes * 100) / size)}%`),
      });
      this.#files.set(name, path);
    }
    return path;
  }

  /** One directory for each size of files. */
  async #smallFilesFor(one: PlannedCase): Promise<string> {
    const { blockSize } = one;
    const name = `files-${blockSize}`;
    let path = this.#files.get(name);
    if (path === undefined) {
      path = join(this.#home, name);
      this.#options.onProgress?.(this.#done, this.#total, 'writing small files');
      await makeSmallFiles(path, this.#bytesFor(one) / blockSize, blockSize);
      this.#files.set(name, path);
    }
    return path;
  }

  #bytesFor(one: PlannedCase): number {
    const { size } = this.#plan;
    const { blockSize } = one;
    return isOpen(one) ? Math.min(MOST_SMALL_FILES, Math.floor(size / blockSize)) * blockSize : size;
  }

  async #case(one: PlannedCase): Promise<Row[]> {
    const { rw, mode, blockSize, queueDepth } = one;
    const about = { rw, mode, blockSize, queueDepth };
    const { rounds } = this.#plan;
    const path = await this.#fileFor(one);
    const reason = await impossible(path, one, this.#patienceMs);
    if (reason !== undefined) {
      this.#fail({ engine: null, ...about, reason });
      this.#done += one.engines.length * rounds;
      return [];
    }
    const job = this.#jobFor(one, path);
    const engines = ENGINES.filter((engine) => one.engines.includes(engine) && !this.#missing.has(engine));
    // fio writes whichever blocks it likes.
    const isApart = isMixed(one) && engines.some(isFio);
    const fioJob = isApart ? { ...job, path: await this.#blocksFile('mixed-fio') } : job;
    this.#done += (one.engines.length - engines.length) * rounds;
    const turns = new Map<EngineName, Turn[]>(engines.map((engine) => [engine, []]));
    const failed = new Set<EngineName>();
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < engines.length; turn++) {
        // Somebody else begins each time: what follows a particular engine is not always the same one.
        const engine = engines[(turn + round) % engines.length]!;
        this.#options.onProgress?.(this.#done++, this.#total, `${caseTitle(one)}: ${engine}`);
        if (failed.has(engine)) continue;
        const answer = await this.#turn(engine, isFio(engine) ? fioJob : job);
        if ('measurement' in answer) turns.get(engine)!.push({ round, measurement: answer.measurement });
        else {
          failed.add(engine);
          this.#fail({ engine, ...about, reason: answer.failure });
        }
      }
    }
    return rowsOf(about, turns, rounds);
  }

  #jobFor(one: PlannedCase, path: string): Job {
    const { operations, seconds, seed, verify } = this.#plan;
    const { rw, mode, blockSize, queueDepth } = one;
    const size = this.#bytesFor(one);
    const blocks = Math.floor(size / blockSize);
    const part = (fraction: number): Length => ({
      ms: operations === undefined ? seconds * 1000 * fraction : UNLIMITED,
      operations: operations ?? UNLIMITED,
    });
    return {
      rw,
      mode,
      blockSize,
      queueDepth,
      path,
      size,
      seed,
      verify,
      checked: Math.min(CHECKED_BLOCKS, blocks),
      // Cold reads cannot be repeated without dropping the cache again, and the code is warm from the checked blocks.
      warmUp: mode === 'cold' ? NOTHING : part(WARM_UP_PART),
      throughput: part(1),
      latency: part(LATENCY_PART),
    };
  }

  /** JavaScript takes longer to get warm than C does, and longer the fewer transfers there are in a second. */
  #warmUp({ warmUp, throughput }: Job): Length {
    if (warmUp.ms === 0 || warmUp.ms === UNLIMITED) return warmUp;
    return { ...warmUp, ms: Math.max(warmUp.ms, Math.min(WARM_UP_MS, throughput.ms * WARM_UP_MOST)) };
  }

  async #turn(engine: EngineName, job: Job): Promise<Answer> {
    const { signal } = this.#options;
    const { seconds, operations } = this.#plan;
    const limitMs = this.#patienceMs + (operations === undefined ? seconds * 1000 * 4 + WARM_UP_MS : 0);
    try {
      const answer = await this.#launch(engine, job, limitMs);
      if (isWrite(job) || isMixed(job)) await settle(job.path, this.#patienceMs);
      return answer;
    } catch (error) {
      signal?.throwIfAborted();
      return { failure: messageOf(error) };
    }
  }

  async #launch(engine: EngineName, job: Job, limitMs: number): Promise<Answer> {
    const { signal } = this.#options;
    switch (engine) {
      case 'c':
        return runFloor(this.#floor!, job, limitMs, signal);
      case 'fio-libaio':
      case 'fio-io_uring':
        if (job.verify) return { failure: "fio cannot check kaio's blocks: left out of a verified run" };
        return runFio(engine === 'fio-libaio' ? 'libaio' : 'io_uring', job, limitMs, signal);
      default: {
        const { stdout, stderr, status } = await runProgram(
          process.execPath,
          [CHILD, engine, JSON.stringify({ ...job, warmUp: this.#warmUp(job) })],
          { limitMs, signal, isComplete: (text) => text.endsWith('\n') },
        );
        if (stdout === '') throw new Error(stderr.trim().split('\n')[0] || `it ended with code ${status}`);
        return JSON.parse(stdout) as Answer;
      }
    }
  }
}
