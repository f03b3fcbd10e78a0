/** The processes that programs run in: started, asked, and replaced when they die or cannot go on. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentBroken } from '../fuzz/environment.ts';
import type { Surroundings } from './program.ts';
import { LIMIT_BYTES, SMALL_BYTES } from './scope.ts';
import type { Report, Request } from './worker.ts';

/** Without a sign of life. */
const SILENT_MS = 60_000;
const OUTPUT_CHARACTERS = 4000;
const LAST_WORDS = /Assertion|FATAL|Fatal error|Check failed|Error:|failed/;

/** A command that is put before another, and that makes room or takes it. */
interface Wrapper {
  readonly command: readonly string[];
  readonly works: boolean;
}

function wrapper(command: readonly string[], probe: readonly string[] = ['true']): Wrapper {
  const [program, ...args] = [...command, ...probe] as [string, ...string[]];
  return { command, works: spawnSync(program, args, { stdio: 'ignore' }).status === 0 };
}

const MOUNT = `mount -t tmpfs -o size=${SMALL_BYTES} kaio-small "$0" && exec "$@"`;

/** How each kind of process is started, and what cannot be had here. */
export interface Wrappers {
  /** A file system with little room, which vanishes with the process: it has mounts of its own. */
  readonly small: readonly string[] | undefined;
  readonly limit: readonly string[] | undefined;
}

export function wrappersHere(directory: string): Wrappers {
  const place = mkdtempSync(join(directory, 'mount-'));
  try {
    // Whoever is not root may be it in a namespace of users.
    const small = [
      ['unshare', '-m'],
      ['unshare', '-r', '-m'],
    ]
      .map((unshare) => wrapper([...unshare, 'sh', '-c', MOUNT], [place, 'true']))
      .find(({ works }) => works);
    const limit = wrapper(['prlimit', `--fsize=${LIMIT_BYTES}`]);
    return { small: small?.command, limit: limit.works ? limit.command : undefined };
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Died, and of what. */
export interface Death {
  readonly died: string;
  /** The program that it ran. */
  readonly at: number;
}

/** One process at a time, of one kind. */
export class Worker {
  readonly #directory: string;
  readonly #command: readonly string[];
  readonly #hasSmall: boolean;
  readonly #script: URL;
  #child: ChildProcess | undefined;
  #folder = '';
  #output = '';
  #at = -1;
  #heard: ((report: Report | Death) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isSilent = false;

  /** @param script - The worker's. */
  constructor(directory: string, surroundings: Surroundings, { small, limit }: Wrappers, script: URL) {
    this.#directory = directory;
    this.#script = script;
    this.#hasSmall = surroundings === 'plain' && small !== undefined;
    this.#command = (surroundings === 'plain' ? small : limit) ?? [];
  }

  /** @returns What it says, or how it died. */
  async ask(request: Request): Promise<Report | Death> {
    if (this.#child === undefined) {
      const ready = await this.#start();
      if ('died' in ready) throw new EnvironmentBroken(`programs cannot run here: ${ready.died}`);
    }
    const answer = this.#next();
    this.#child!.send(request);
    const report = await answer;
    if ('stained' in report && report.stained) this.stop();
    return report;
  }

  /** Ends the process, and removes its files. */
  stop(): void {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    child.removeAllListeners();
    child.kill('SIGKILL');
    clearTimeout(this.#timer);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }

  #next(): Promise<Report | Death> {
    this.#isSilent = false;
    // Only while something is expected: a process of one kind rests while the other works.
    this.#timer = setTimeout(() => {
      this.#isSilent = true;
      this.#child?.kill('SIGKILL');
    }, SILENT_MS);
    return new Promise((resolve) => {
      this.#heard = resolve;
    });
  }

  #start(): Promise<Report | Death> {
    this.#folder = mkdtempSync(join(this.#directory, 'worker-'));
    const small = join(this.#folder, 'small');
    mkdirSync(small);
    const [program, ...args] = [
      ...this.#command,
      ...(this.#hasSmall ? [small] : []),
      process.execPath,
      '--no-warnings',
      fileURLToPath(this.#script),
      this.#folder,
      ...(this.#hasSmall ? [small] : []),
    ] as [string, ...string[]];
    this.#output = '';
    this.#at = -1;
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
      // One thread: what FileHandle does at the same time it then does in one order.
      env: { ...process.env, UV_THREADPOOL_SIZE: '1', KAIO_BACKEND: '' },
    });
    this.#child = child;
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARACTERS);
    };
    child.stdout!.on('data', keep);
    child.stderr!.on('data', keep);
    child.on('message', (report: Report) => {
      this.#timer?.refresh();
      if ('at' in report) this.#at = report.at;
      else this.#hear(report);
    });
    child.on('error', (error) => this.#hear({ died: error.message, at: -1 }));
    child.on('close', (code, signal) => {
      const words = this.#output.split('\n').find((line) => LAST_WORDS.test(line)) ?? this.#output;
      const died = this.#isSilent
        ? 'the event loop is held: no sign of life'
        : `the process died: ${signal ?? `exit code ${code}`} ${words.trim()}`;
      this.stop();
      this.#hear({ died, at: this.#at });
    });
    return this.#next();
  }

  #hear(report: Report | Death): void {
    clearTimeout(this.#timer);
    const heard = this.#heard;
    this.#heard = undefined;
    heard?.(report);
  }
}
