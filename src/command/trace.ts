/** `kaio trace`: a program with kaio's diagnostics written down, for Perfetto and Chrome. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TraceOptions {
  /** Where the trace goes. */
  readonly output: string;
}

/** Signals that end the program, which then ends this. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SIGNALLED = 128;

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** Lines that are whole: a process that is killed may leave half of its last one. */
function eventsIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) =>
    readFileSync(join(directory, name), 'utf8').split('\n').filter(isWhole),
  );
}

function nodeOptions(): string {
  const preload = new URL('./trace-preload.js', import.meta.url).href;
  return `${process.env.NODE_OPTIONS ?? ''} --import=${preload}`.trim();
}

function run(program: string, args: readonly string[], directory: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, NODE_OPTIONS: nodeOptions(), KAIO_TRACE_DIRECTORY: directory };
    const child = spawn(program, args, { stdio: 'inherit', env });
    const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of PASSED_ON) process.on(signal, pass);
    const forget = (): void => {
      for (const one of PASSED_ON) process.off(one, pass);
    };
    child.once('error', (error) => {
      forget();
      reject(error);
    });
    child.once('close', (status, signal) => {
      forget();
      resolve(status ?? SIGNALLED + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

/**
 * Runs a program and writes the trace, whichever way the program ends.
 *
 * @param command - The program and its arguments: `['node', 'app.js']`. Node.js children of it are traced, too.
 * @returns The program's exit status; 128 and the signal's number where one ended it.
 * @throws Error with `code` when the program cannot be started, or the trace not be written.
 */
export async function trace(command: readonly string[], { output }: TraceOptions): Promise<number> {
  const [program, ...args] = command;
  if (program === undefined) throw new Error('say which program to trace: kaio trace -- node app.js');
  const directory = mkdtempSync(join(tmpdir(), 'kaio-trace-'));
  try {
    const status = await run(program, args, directory);
    const events = eventsIn(directory);
    const head = JSON.stringify({ displayTimeUnit: 'ms', otherData: { command: command.join(' ') } }).slice(
      0,
      -1,
    );
    writeFileSync(output, `${head},"traceEvents":[\n${events.join(',\n')}\n]}\n`);
    console.error(
      `kaio trace: ${events.length} events in ${output}: open it in ui.perfetto.dev or chrome://tracing`,
    );
    return status;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
