/** Tasks that programs do whole, each engine in turns: streams, a directory tree, several threads. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from './errors.ts';
import { type Answer, type Job, UNLIMITED } from './job.ts';
import { describeMachine, type Machine } from './machine.ts';
import { compileFloor, type Floor, runFloor } from './outside/floor.ts';
import type { Plan } from './plan.ts';
import { runProgram } from './process.ts';
import { ratios } from './report.ts';
import { spread } from './statistics.ts';
import { result, type TargetResult } from './target-result.ts';
import { type Task, type TaskAnswer, type TaskEngine, type TaskJob, taskTitle } from './task-job.ts';
import { makeTestFile } from './test-file.ts';

const CHILD = fileURLToPath(new URL('./task-child.js', import.meta.url));
const LIMIT_MS = 120_000;
/** The file that is streamed, as many times as large as the one that is read at random: 1 GiB, where nothing else is asked for. */
const STREAM_TIMES = 4;
const FOLDERS = 48;
const FILES = 48;
/** Of a file in the tree, the first one; they grow from one to the next, up to 64 times as much. */
const FILE_BYTES = 1024;
const LARGEST = 64;
const THREAD_DEPTH = 32;

/** A ratio of two engines in one task. */
export interface TaskTarget extends Task {
  readonly of: TaskEngine;
  readonly to: TaskEngine;
  readonly bound: number;
}

const stream = (mode: Task['mode'], atOnce: number, bound: number): TaskTarget => ({
  name: 'stream',
  mode,
  atOnce,
  of: 'file',
  to: 'fs.callbacks',
  bound,
});

export const TASK_TARGETS: readonly TaskTarget[] = [
  stream('direct', 1, 1.5),
  stream('direct', 4, 1.5),
  stream('cached', 1, 1),
  stream('cached', 4, 1),
  { name: 'tree', mode: 'cached', atOnce: 16, of: 'file', to: 'fs.promises', bound: 1 },
  { name: 'threads', mode: 'direct', atOnce: 2, of: 'context', to: 'c', bound: 0.95 },
  { name: 'threads', mode: 'direct', atOnce: 4, of: 'context', to: 'c', bound: 0.95 },
];

/** What tasks need beside a plan. */
export interface TaskSetting {
  readonly directory: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (title: string) => void;
}

export interface TasksReport {
  readonly machine: Machine;
  readonly command: string;
  readonly rounds: number;
  readonly targets: readonly TargetResult[];
}

/** The tasks alone, as a report. */
export async function taskReport(plan: Plan, command: string, setting: TaskSetting): Promise<TasksReport> {
  const machine = describeMachine(setting.directory, { fio: 'not asked for', compiler: 'not asked for' });
  return { machine, command, rounds: plan.rounds, targets: await runTasks(plan, setting) };
}

/** Measures all of them. What cannot be measured is a result without a number, with its reason. */
export async function runTasks(plan: Plan, setting: TaskSetting): Promise<TargetResult[]> {
  const home = mkdtempSync(join(setting.directory, 'kaio-tasks-'));
  try {
    return await new Tasks(home, plan, setting).run();
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

class Tasks {
  readonly #home: string;
  readonly #plan: Plan;
  readonly #setting: TaskSetting;
  readonly #paths = new Map<Task['name'], string>();
  #floor: Floor | undefined;

  constructor(home: string, plan: Plan, setting: TaskSetting) {
    this.#home = home;
    this.#plan = plan;
    this.#setting = setting;
  }

  async run(): Promise<TargetResult[]> {
    const results: TargetResult[] = [];
    for (const target of TASK_TARGETS) results.push(await this.#measure(target));
    return results;
  }

  async #measure(target: TaskTarget): Promise<TargetResult> {
    const { of, to, bound } = target;
    const title = taskTitle(target);
    const measure = `${of} / ${to === 'fs.callbacks' ? 'fs' : to}: ${title}`;
    try {
      const path = await this.#pathFor(target.name);
      const rates: Record<'of' | 'to', number[]> = { of: [], to: [] };
      for (let round = 0; round < this.#plan.rounds; round++) {
        // Somebody else begins each time.
        const sides = round % 2 === 0 ? (['of', 'to'] as const) : (['to', 'of'] as const);
        for (const side of sides) {
          const engine = target[side];
          this.#setting.onProgress?.(`${title}: ${engine}`);
          rates[side].push(await this.#rate(engine, target, path));
        }
      }
      return result(measure, 'at least', bound, spread(ratios(rates.of, rates.to)), 'nothing was measured');
    } catch (error) {
      this.#setting.signal?.throwIfAborted();
      return result(measure, 'at least', bound, undefined, messageOf(error));
    }
  }

  /** Units in a second. */
  async #rate(engine: TaskEngine, { name, mode, atOnce }: Task, path: string): Promise<number> {
    const { seconds } = this.#plan;
    const job: TaskJob = { name, mode, atOnce, engine, path, size: this.#sizeFor(name), seconds };
    if (engine === 'c') return this.#floorRate(job);
    const { stdout, stderr, status } = await runProgram(process.execPath, [CHILD, JSON.stringify(job)], {
      limitMs: LIMIT_MS,
      signal: this.#setting.signal,
      isComplete: (text) => text.endsWith('\n'),
    });
    if (stdout === '') throw new Error(stderr.trim().split('\n')[0] || `it ended with code ${status}`);
    const answer = JSON.parse(stdout) as TaskAnswer;
    return answer.units / answer.seconds;
  }

  /** As many processes, each with a context of its own: what threads share, they do not need. */
  async #floorRate({ path, size, atOnce, seconds }: TaskJob): Promise<number> {
    const { signal } = this.#setting;
    this.#floor ??= await compileFloor(this.#home, signal);
    const floor = this.#floor;
    const length = (ms: number): Job['warmUp'] => ({ ms, operations: UNLIMITED });
    const jobOf = (seed: number): Job => ({
      ...{ rw: 'randread', mode: 'direct', blockSize: 4096, queueDepth: THREAD_DEPTH },
      ...{ path, size, seed, verify: false, checked: 0, latency: null },
      warmUp: length(300),
      throughput: length(seconds * 1000),
    });
    const answers: Answer[] = await Promise.all(
      Array.from({ length: atOnce }, (_, index) =>
        runFloor({ ...floor, samples: `${floor.samples}-${index}` }, jobOf(index + 1), LIMIT_MS, signal),
      ),
    );
    return answers.reduce((sum, answer) => {
      if ('failure' in answer) throw new Error(answer.failure);
      return sum + answer.measurement.operations / answer.measurement.seconds;
    }, 0);
  }

  #sizeFor(name: Task['name']): number {
    return name === 'stream' ? STREAM_TIMES * this.#plan.size : this.#plan.size;
  }

  async #pathFor(name: Task['name']): Promise<string> {
    const known = this.#paths.get(name);
    if (known !== undefined) return known;
    const path = join(this.#home, name);
    this.#setting.onProgress?.('writing files');
    if (name === 'tree') makeTree(path);
    else await makeTestFile(path, this.#sizeFor(name), { signal: this.#setting.signal });
    this.#paths.set(name, path);
    return path;
  }
}

/** Folders of files of 1 to 64 KiB. */
function makeTree(path: string): void {
  for (let folder = 0; folder < FOLDERS; folder++) {
    const home = join(path, String(folder));
    mkdirSync(home, { recursive: true });
    for (let file = 0; file < FILES; file++) {
      const bytes = FILE_BYTES * (1 + ((folder * FILES + file) % LARGEST));
      writeFileSync(join(home, String(file)), Buffer.alloc(bytes, file));
    }
  }
}
