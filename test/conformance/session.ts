/** Runs cases in a child process with a deadline for each: whatever a kernel does, the suite goes on. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Case } from './case.ts';
import { type CaseReport, EnvironmentBroken } from './outcome.ts';
import { type Report, type Selection, selectCases, summarize } from './runner.ts';
import type { FromWorker, ToWorker } from './worker.ts';

/** Beyond the deadline that cases have for their own children, so that those tell what they waited for. */
const DEADLINE_MS = 90_000;
const OUTPUT_CHARACTERS = 4000;
const LAST_OUTPUT_MS = 500;

/** Options of a {@link ConformanceSession}. */
export interface SessionOptions {
  /**
   * A module (a `file:` URL) that makes the kernel to ask.
   *
   * Its default export is a function, given {@link options}, that answers an `AioKernel`, or a promise of one; it is called for each
   * case. It may also export `divergences` and `host`, a function from the kernel to its {@link Host}.
   */
  readonly module: string | URL;
  /** What the module's function is called with. It must be fit for JSON. */
  readonly options?: unknown;
  /** Where cases make their files. */
  readonly directory: string;
  /** How long a case may take before it counts as hanging, in milliseconds. Default: 90 seconds. */
  readonly deadlineMs?: number;
  /** A process of its own for each case, rather than one for all until one hangs or crashes. */
  readonly isolated?: boolean;
}

interface Worker {
  readonly child: ChildProcess;
  readonly identity: {
    /** As {@link AioKernel.name}. */
    readonly name: string;
    /** As {@link AioKernel.release}. */
    readonly release: string;
  };
  /** What it printed last: of use when it crashes. */
  output(): string;
  /** Settles when it has ended; says how. */
  readonly ended: Promise<string>;
}

/**
 * A child process that runs cases one at a time.
 *
 * A case that is not over at its deadline has `failed`, as has one in which the process dies; the next case runs in a new process.
 */
export class ConformanceSession implements AsyncDisposable {
  readonly #options: SessionOptions;
  #worker: Worker | undefined;

  /** Starts nothing yet: the first question does. */
  constructor(options: SessionOptions) {
    this.#options = options;
  }

  /**
   * Name and release of the kernel.
   *
   * @throws EnvironmentBroken With the reason, where the module cannot make one.
   */
  async identity(): Promise<Worker['identity']> {
    return (await this.#ready()).identity;
  }

  /**
   * Runs one case.
   *
   * @throws EnvironmentBroken Where no kernel can be made at all.
   */
  async run(one: Case): Promise<CaseReport> {
    const worker = await this.#ready();
    const { deadlineMs = DEADLINE_MS, isolated = false } = this.#options;
    const failed = (detail: string): CaseReport => ({
      id: one.id,
      title: one.title,
      rule: one.rule,
      outcome: 'failed',
      detail,
    });
    const { child } = worker;
    let hangs = false;
    return new Promise<CaseReport>((resolve) => {
      const over = (report: CaseReport): void => {
        clearTimeout(deadline);
        child.off('message', onMessage);
        resolve(report);
      };
      const onMessage = (message: FromWorker): void => {
        if (message.kind === 'report') over(message.report);
      };
      const deadline = setTimeout(() => {
        hangs = true;
        over(failed(`not over after ${deadlineMs / 1000} s: some call does not return`));
      }, deadlineMs);
      child.on('message', onMessage);
      void worker.ended.then((how) => {
        if (this.#worker === worker) this.#worker = undefined;
        over(failed(`the process that ran the case ended with ${how}\n${worker.output()}`.trimEnd()));
      });
      child.send({ id: one.id } satisfies ToWorker);
    }).finally(() => (isolated || hangs ? this.close() : undefined));
  }

  /** Runs the suite, or the part of it that is selected. */
  async runAll(selection: Selection & { readonly onCase?: (report: CaseReport) => void }): Promise<Report> {
    const identity = await this.identity();
    const cases: CaseReport[] = [];
    for (const one of selectCases(selection)) {
      const report = await this.run(one);
      cases.push(report);
      selection.onCase?.(report);
    }
    return summarize(identity, cases);
  }

  /** Ends the child process, and with it every process that a case may have left. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    this.#worker = undefined;
    kill(worker.child);
    await worker.ended;
  }

  /** {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #ready(): Promise<Worker> {
    this.#worker ??= await start(this.#options);
    return this.#worker;
  }
}

/** The program of the child, as JavaScript: under a runner that reads TypeScript it comes from the build. */
function program(): string {
  const built = import.meta.url.endsWith('.js') ? './worker.js' : '../../dist/test/conformance/worker.js';
  return fileURLToPath(new URL(built, import.meta.url));
}

function kill(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  // A process group of its own, where there are such, takes the children of cases along.
  if (process.platform === 'win32') child.kill('SIGKILL');
  else process.kill(-child.pid, 'SIGKILL');
}

async function start({
  module,
  options,
  directory,
  deadlineMs = DEADLINE_MS,
}: SessionOptions): Promise<Worker> {
  const child = spawn(
    process.execPath,
    [program(), String(module), directory, JSON.stringify(options ?? null), String(deadlineMs)],
    {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: process.platform !== 'win32',
    },
  );
  let output = '';
  for (const stream of [child.stdout!, child.stderr!])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS);
    });
  const killWithUs = (): void => kill(child);
  process.once('exit', killWithUs);
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      // What it printed is complete at `close`, which a process that it left behind can put off.
      child.once('close', () => resolve(how));
      setTimeout(() => resolve(how), LAST_OUTPUT_MS);
    });
  });
  void ended.then(() => process.off('exit', killWithUs));
  const identity = new Promise<Worker['identity']>((resolve, reject) => {
    child.once('message', (message: FromWorker) => {
      if (message.kind === 'ready') resolve(message.identity);
      else reject(new EnvironmentBroken(message.kind === 'broken' ? message.reason : 'it spoke too early'));
    });
    void ended.then((how) => reject(new EnvironmentBroken(`the process for the cases: ${how}\n${output}`)));
  });
  return { child, identity: await identity, output: () => output, ended };
}
