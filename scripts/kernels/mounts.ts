/** File systems on loop devices, or over other folders, in a folder of their own: whatever happens, all is unmounted and detached. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { FILE_SYSTEMS, type FileSystem } from './file-system-targets.ts';

const DISK_BYTES = 256 << 20;
/** How long the processes of a test run that was ended may take to let go of their files. */
const BUSY_TRIES = 20;
const BUSY_MS = 250;

/** A path with what administers a machine: mkfs, mount, losetup and modprobe are not in everybody's. */
export function systemPath(): string {
  return [process.env.PATH, '/usr/sbin', '/sbin'].join(delimiter);
}

/** Something cannot be had on this machine. */
export class Missing extends Error {}

/** What is mounted, to be taken away in the opposite order. */
export class Mounts implements Disposable {
  readonly home = mkdtempSync(join(tmpdir(), 'kaio-file-systems-'));
  readonly #undo: (() => void)[] = [];

  /** @returns Where it is. @throws Missing. */
  mount(kind: FileSystem): string {
    const point = join(this.home, kind.name);
    mkdirSync(point);
    if (kind.mounted !== undefined) this.#mountByProgram(point, kind);
    else if (kind.on !== undefined) this.#mountOverlay(point, kind);
    else if (kind.mkfs === undefined) this.#mount(point, ['-t', kind.type, kind.name]);
    else this.#mountImage(point, kind);
    return point;
  }

  #below({ type, on }: FileSystem): string {
    return this.mount({ ...FILE_SYSTEMS.find(({ name }) => name === on)!, name: `below-${type}-${on}` });
  }

  #mountByProgram(point: string, kind: FileSystem): void {
    const below = this.#below(kind);
    const [program, ...args] = kind.mounted!;
    tried(program!, [...args, below, point]);
    this.#unmountLater(point);
  }

  #mountOverlay(point: string, kind: FileSystem): void {
    const { type } = kind;
    const below = this.#below(kind);
    const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(below, name));
    for (const folder of [lower!, upper!, work!]) mkdirSync(folder);
    this.#mount(point, ['-t', type, type, '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`]);
  }

  #mountImage(point: string, kind: FileSystem): void {
    const { type, mkfs, options = [], imageBytes = DISK_BYTES, sectorBytes = 512 } = kind;
    const image = `${point}.img`;
    writeFileSync(image, '');
    truncateSync(image, imageBytes);
    const [command, ...args] = mkfs!;
    const device = tried('losetup', ['-b', String(sectorBytes), '-f', '--show', image]).trim();
    try {
      tried(command!, [...args, device]);
      this.#mount(point, ['-t', type, ...(options.length > 0 ? ['-o', options.join(',')] : []), device]);
    } finally {
      // While it is mounted this is a promise: the kernel detaches it when the last one lets go of it, whatever becomes of this program.
      run('losetup', ['-d', device]);
    }
  }

  #mount(point: string, args: readonly string[]): void {
    tried('mount', [...args, point]);
    this.#unmountLater(point);
  }

  #unmountLater(point: string): void {
    this.#undo.push(() => {
      const nobody = new Int32Array(new SharedArrayBuffer(4));
      for (let tries = 0; tries < BUSY_TRIES; tries++) {
        if (run('umount', [point]).status === 0) return;
        Atomics.wait(nobody, 0, 0, BUSY_MS);
      }
      console.error(`${point} is busy: it is unmounted when it is not`);
      run('umount', ['-l', point]);
      process.exitCode = 1;
    });
  }

  [Symbol.dispose](): void {
    for (const step of this.#undo.reverse()) step();
    // What is still mounted somewhere below must not be emptied.
    const mounted = readFileSync('/proc/self/mountinfo', 'latin1').includes(` ${this.home}/`);
    if (!mounted) rmSync(this.home, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[]): ReturnType<typeof spawnSync> {
  return spawnSync(command, args, { env: { ...process.env, PATH: systemPath() }, encoding: 'utf8' });
}

/** @throws Missing with what it said. */
function tried(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = run(command, args);
  if (error !== undefined) throw new Missing(`${command}: ${error.message}`);
  if (status !== 0) throw new Missing(`${command}: ${String(stderr).trim().split('\n')[0]}`);
  return String(stdout);
}

/** Whether the kernel knows it, perhaps after a module was loaded. */
export function requireKernel(type: string): void {
  const known = (): boolean =>
    readFileSync('/proc/filesystems', 'latin1')
      .split('\n')
      .some((line) => line.split('\t')[1] === type);
  if (known()) return;
  run('modprobe', [type]);
  if (!known()) throw new Missing(`the kernel has no ${type}`);
}
