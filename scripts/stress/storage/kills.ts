/** Children that are killed at random moments, and what must be in their files then. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '../../../src/fuzz/random.ts';
import { findingsOf } from './check.ts';
import type { Change, Finding, History, Look } from './history.ts';
import { ENDED, FAILED, type Life } from './kill-life.ts';
import { type Plan, type PlanOptions, planOf } from './plan.ts';
import { changeOf, makeFile, numbered } from './round.ts';

/** Children that wait for their turn, so that none has to be waited for. */
const WARM = 3;
const MOST_WORKING_MS = 400;
/** So that it is not always just after something was logged. */
const MOST_LATER_MS = 3;
/** Bytes of a log's entry. */
const ENTRY_BYTES = 4;
const STUCK_MS = 30_000;
/** Which stream of the seed's the moments come from. */
const MOMENTS = 1 << 24;

interface Child {
  readonly process: ChildProcess;
  readonly ready: Promise<unknown>;
  output: string;
}

export class KillRounds {
  readonly #directory: string;
  readonly #options: Omit<PlanOptions, 'round'>;
  readonly #warm: Child[] = [];
  readonly #running = new Set<ChildProcess>();
  #interrupted = 0;

  constructor(directory: string, options: Omit<PlanOptions, 'round'>) {
    this.#directory = directory;
    this.#options = options;
    process.on('exit', () => this.end());
  }

  end(): void {
    for (const child of this.#running) child.kill('SIGKILL');
  }

  /** How many were killed in the middle. */
  told(): string {
    return `${this.#interrupted} in the middle of something; `;
  }

  #child(): Child {
    const script = fileURLToPath(new URL('./kill-child.js', import.meta.url));
    const child = fork(script, [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    const one: Child = { process: child, ready: once(child, 'message'), output: '' };
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      one.output = (one.output + text).slice(-2000);
    });
    return one;
  }

  async run(number: number): Promise<{ history: History; findings: readonly Finding[] }> {
    while (this.#warm.length < WARM) this.#warm.push(this.#child());
    const child = this.#warm.shift()!;
    this.#warm.push(this.#child());
    await child.ready;
    const path = join(this.#directory, `life-${number}-${child.process.pid}`);
    const log = `${path}.log`;
    const { without, ...rest } = this.#options;
    const options = { ...rest, round: number };
    const plan = planOf({ ...options, without });
    makeFile(path, plan);
    const exited = once(child.process, 'exit') as Promise<[number | null, string | null]>;
    const life: Life = { path, log, options: { ...options, without: [...without] } };
    const messages: unknown[] = [];
    child.process.on('message', (message) => messages.push(message));
    const working = once(child.process, 'message');
    child.process.send(life);
    const began = await Promise.race([working, exited, sleep(STUCK_MS, 'stuck', { ref: false })]);
    if (began === 'stuck') throw new Error(`a child has not begun its work:\n${child.output}`);
    const random = new Random(this.#options.seed, MOMENTS + number);
    await progress(log, ENTRY_BYTES * random.below(2 * numbered(plan).length));
    await sleep(random.below(MOST_LATER_MS * 10) / 10);
    child.process.kill('SIGKILL');
    const [code, signal] = await exited;
    if (!messages.includes('done')) this.#interrupted++;
    const { history, refused } = judged(plan, path, log);
    rmSync(path);
    rmSync(log);
    const findings = [...refused, ...findingsOf(history)];
    if (signal !== 'SIGKILL')
      findings.push(odd('stuck', `the child ended by itself, with ${code ?? signal}:\n${child.output}`));
    return { history, findings };
  }
}

/** Until so much has been logged, or for a while. */
async function progress(log: string, bytes: number): Promise<void> {
  const endMs = performance.now() + MOST_WORKING_MS;
  while (statSync(log).size < bytes && performance.now() < endMs) await sleep(1);
}

function odd(kind: Finding['kind'], what: string): Finding {
  return { kind, what, look: undefined, from: 0, to: 0, involved: [] };
}

/** What the log says was done, and what is in the file. */
function judged(plan: Plan, path: string, log: string): { history: History; refused: Finding[] } {
  const bytes = readFileSync(log);
  const entries = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const operations = numbered(plan);
  const changes = new Map<number, { -readonly [K in keyof Change]: Change[K] }>();
  const refused: Finding[] = [];
  const last = new Map<number, number>();
  for (const [moment, entry] of entries.entries()) {
    const number = entry % ENDED;
    const { handle, operation } = operations[number]!;
    if (entry < ENDED) {
      const change = changeOf(plan, handle, operation);
      if (change === undefined) continue;
      const after = change.kind === 'append' ? { after: last.get(handle) } : {};
      if (change.kind === 'append') last.set(handle, change.id);
      changes.set(number, { ...change, ...after, begin: moment });
    } else if (entry >= FAILED) {
      refused.push(
        odd(
          'refused',
          `handle ${handle} (${plan.openings[handle]!.kind}) ${JSON.stringify(operation)} was rejected`,
        ),
      );
    } else {
      const change = changes.get(number);
      if (change !== undefined) change.end = moment;
    }
  }
  const at = {
    begin: entries.length,
    end: entries.length + 1,
    by: 'fs.readFileSync after the kill',
    from: 0,
  };
  const looks: Look[] = [
    { ...at, bytes: new Uint8Array(0), extent: 'some', size: statSync(path).size },
    { ...at, bytes: readFileSync(path), extent: 'to the end' },
  ];
  return {
    history: { initialSize: plan.initialSize, changes: [...changes.values()] as Change[], looks },
    refused,
  };
}
