/** Running a program to its end, or to the end of everybody's patience. */
import { spawn } from 'node:child_process';

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number | null;
}

/**
 * @param limitMs - After this the program is killed.
 * @param isComplete - Whether its standard output is all that was wanted: then it is ended, with status `null`. For a Node.js that
 * has answered, and may wait for itself for ever on its way out (https://github.com/nodejs/node/issues/54918).
 * @throws Error if it can't be started, takes too long, or dies of a signal; whatever `signal` was aborted with.
 */
export function runProgram(
  command: string,
  args: readonly string[],
  {
    limitMs,
    signal,
    env = process.env,
    isComplete = () => false,
  }: {
    limitMs: number;
    signal?: AbortSignal | undefined;
    env?: NodeJS.ProcessEnv;
    isComplete?: (stdout: string) => boolean;
  },
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const output = { stdout: '', stderr: '' };
    let complete = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
      if (isComplete(output.stdout)) {
        complete = true;
        child.kill('SIGKILL');
      }
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    const leave = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    // A process that waits for a dead device does not die of SIGKILL either: it is not waited for.
    const abandon = (reason: unknown): void => {
      leave();
      child.kill('SIGKILL');
      child.unref();
      child.stdout.destroy();
      child.stderr.destroy();
      if (complete) resolve({ ...output, status: null });
      else reject(reason);
    };
    const onAbort = (): void => abandon(signal!.reason);
    const timer = setTimeout(
      () => abandon(new Error(`no answer in ${Math.round(limitMs / 1000)} seconds: it was ended`)),
      limitMs,
    );
    signal?.addEventListener('abort', onAbort);
    child.on('error', (error) => {
      leave();
      reject(error);
    });
    child.on('close', (status, died) => {
      leave();
      if (complete || died === null) resolve({ ...output, status });
      else reject(new Error(`it died of ${died}${lastLine(output.stderr)}`));
    });
  });
}

function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1);
  return line ? `: ${line}` : '';
}
