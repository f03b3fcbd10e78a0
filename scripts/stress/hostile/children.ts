/** Children that run programs: how one is started, watched, and what became of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Report, Task } from './child.ts';

/** Few enough that a program can use them up. */
const DESCRIPTORS = 512;
/** Without a sign of life. */
const SILENT_MS = 30_000;
const OUTPUT_CHARACTERS = 6000;
/** What a dying process says that tells one death from another. */
const LAST_WORDS =
  /Check failed|Assertion|FATAL|Fatal error|ERROR: AddressSanitizer|runtime error|free\(\)|malloc|corrupt|double free|Unhandled|Error:/;

export interface ChildOptions {
  readonly node: string;
  readonly addon: boolean;
  /** Of child.js: another copy of the product has another. */
  readonly script?: string | undefined;
  /** How long it may say nothing. */
  readonly silentMs?: number | undefined;
}

/** How a child ended. */
export interface Ended {
  readonly steps: number;
  /** Where it was: a program's number. */
  readonly at: number;
  /** The first program that it had not looked at everything after. */
  readonly since: number;
  readonly wrong: string | undefined;
  readonly output: string;
  readonly noDirect: string | undefined;
  readonly release: string | undefined;
}

/** Children, and the folders that their files are in: one that dies cannot remove its own. */
const running = new Map<ChildProcess, string>();
process.on('exit', () => {
  for (const [child, folder] of running) {
    child.kill('SIGKILL');
    removeFolder(folder);
  }
});

function removeFolder(folder: string): void {
  // A child that was killed a moment ago may still make a file.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}

export function runChild(
  task: Task,
  { node, addon, script, silentMs = SILENT_MS }: ChildOptions,
): Promise<Ended> {
  const path = script ?? fileURLToPath(new URL('./child.js', import.meta.url));
  const directory = mkdtempSync(join(task.directory, 'kaio-hostile-'));
  const child = spawn(
    'sh',
    [
      '-c',
      `ulimit -c 0; ulimit -n ${DESCRIPTORS}; exec "$@"`,
      'sh',
      node,
      '--expose-gc',
      // They are looked at all the same.
      '--no-warnings',
      path,
      JSON.stringify({
        ...task,
        directory,
        source: 'from' in task.source ? task.source : { programs: [], times: 0 },
      }),
    ],
    {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, KAIO_BACKEND: task.backend, ...(addon ? {} : { KAIO_ADDON: '0' }) },
    },
  );
  running.set(child, directory);
  // Programs are too long for an argument.
  child.stdin!.on('error', () => {});
  child.stdin!.end('from' in task.source ? '' : JSON.stringify(task.source));
  let output = '';
  let at = -1;
  let since = 0;
  let steps = 0;
  let wrong: string | undefined;
  let isSilent = false;
  let ready: { noDirect: string | undefined; release: string } | undefined;
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS);
  };
  child.stdout!.on('data', keep);
  child.stderr!.on('data', keep);
  const kill = (): void => {
    isSilent = true;
    child.kill('SIGKILL');
  };
  const timer = setTimeout(kill, silentMs);
  const lines = createInterface({ input: child.stdio[3] as Readable });
  lines.on('line', (line) => {
    timer.refresh();
    const report = JSON.parse(line) as Report;
    if ('wrong' in report) ({ wrong } = report);
    else if ('ready' in report) ready = report;
    else {
      steps += report.steps;
      if ('at' in report) ({ at } = report);
      else since = report.checked + 1;
    }
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      lines.close();
      running.delete(child);
      removeFolder(directory);
      if (wrong === undefined && (code !== 0 || signal !== null)) {
        const words = output.split('\n').find((line) => LAST_WORDS.test(line)) ?? '';
        wrong = isSilent
          ? 'the event loop is held: no sign of life'
          : `the process died: ${signal ?? `exit code ${code}`} ${words.trim()}`;
      }
      resolve({ steps, at, since, wrong, output, noDirect: ready?.noDirect, release: ready?.release });
    });
  });
}

/** What makes two findings the same. */
export function kindOf(wrong: string): string {
  return wrong
    .replace(/0x[0-9a-f]+/gi, '0x#')
    .replace(/\d+/g, '#')
    .replace(/ \([^)]*\)/g, '')
    .replace(/^(file )?(read|write)(v|Fully)? of/, 'a transfer of')
    .replace(/structuredClone|postMessage|transferToFixedLength|transfer\b/g, 'a hand-over')
    .slice(0, 90);
}
