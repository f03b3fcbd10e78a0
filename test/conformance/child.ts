/** Running part of a case in a process of its own: what may hang, or is meant to die. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EnvironmentBroken } from './outcome.ts';
import { SyscallWatch } from './syscall-watch.ts';

/** After this long a child is taken for hanging. Generous: machines may be busy. */
let deadlineMs = 30_000;

/** Children get a third of what a case has, so that the case can tell what its child waited for. @param caseMs - The deadline of a case. */
export function setDeadline(caseMs: number): void {
  deadlineMs = Math.ceil(caseMs / 3);
}

/** A child of a case. Disposed of, it ends. */
export interface Child extends Disposable {
  readonly pid: number;
  /** Waits until its main thread is inside that system call. */
  insideSyscall(number: number): Promise<void>;
  /** Waits until its main thread is in that state, such as `'T'` for stopped. */
  inState(state: string): Promise<void>;
  /** Waits for a line that it prints. */
  line(): Promise<string>;
  /** Writes to its standard input. */
  write(text: string): void;
  kill(signal: NodeJS.Signals): void;
  /** How it ended, and what it printed last, as JSON. */
  ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null; answer: unknown; errors: string }>;
}

/** Children are JavaScript: under a runner that reads TypeScript they come from the build. */
function moduleOf(program: string): string {
  const built = import.meta.url.endsWith('.js')
    ? `./children/${program}.js`
    : `../../dist/test/conformance/children/${program}.js`;
  return fileURLToPath(new URL(built, import.meta.url));
}

/** Starts a scenario of a program in `children/`. It is killed at the deadline. */
export function start(program: string, scenario: string, nodeOptions: readonly string[] = []): Child {
  const child: ChildProcess = spawn(process.execPath, [...nodeOptions, moduleOf(program), scenario], {
    stdio: 'pipe',
  });
  const { pid } = child;
  if (pid === undefined) {
    // Why comes as an event, which nobody has to wait for.
    child.once('error', () => {});
    throw new EnvironmentBroken('no child process can be started');
  }
  // It may have ended.
  child.stdin!.on('error', () => {});
  let output = '';
  let errors = '';
  let late = false;
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const deadline = globalThis.setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, deadlineMs);
  const end = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(deadline);
      resolve({ code, signal });
    });
  });
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    while (!holds()) {
      if (late || child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the child ended before ${what}: ${output}${errors}`);
      await setTimeout(1);
    }
  };
  return {
    pid,
    insideSyscall(number) {
      const watch = new SyscallWatch(`/proc/${pid}`, number);
      return until(`it was in system call ${number}`, () => watch.inside());
    },
    inState: (state) =>
      until(`its state was ${state}`, () =>
        // After the name, which may have anything in it.
        readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)!.startsWith(state),
      ),
    async line() {
      await until('it printed a line', () => output.includes('\n'));
      const [first, ...rest] = output.split('\n');
      output = rest.join('\n');
      return first!;
    },
    write: (text) => void child.stdin!.write(text),
    kill: (signal) => process.kill(pid, signal),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
    async ended() {
      const { code, signal } = await end;
      if (late) throw new Error(`the child did not end within ${deadlineMs} ms: ${output}${errors}`);
      const last = output.trim().split('\n').at(-1)!;
      return { code, signal, answer: last === '' ? undefined : (JSON.parse(last) as unknown), errors };
    },
  };
}

/** Runs a scenario to its end, which must be a good one. @returns What it answered. */
export async function answerOf(
  program: string,
  scenario: string,
  nodeOptions: readonly string[] = [],
): Promise<unknown> {
  const { code, signal, answer, errors } = await start(program, scenario, nodeOptions).ended();
  if (code !== 0) throw new Error(`the child ended with ${signal ?? code}: ${errors}`);
  return answer;
}
