/** One process of a simulated machine: its kernel with its descriptors, and its locks, on the disk that all share. */
import type { Disk } from '../simulated/disk.ts';
import { PathCalls } from '../simulated/path-calls.ts';
import type { Random } from '../simulated/random.ts';
import { usedBytes } from '../simulated/storage.ts';
import { type SimulatedFileSystem, simulatedFs } from '../simulated-fs/simulated-fs.ts';
import { FileLocks } from './file-locks.ts';
import { SimulatedKernel, type SimulatedKernelOptions } from './simulated-kernel.ts';

/** Chance for the kernel of a process. */
export interface Chances {
  readonly times: Random;
  readonly luck: Random;
  readonly names: Random;
}

/**
 * A process on a simulated machine.
 *
 * @remarks It shares disk, time and power with the others of its machine. Descriptors mean something to its own kernel only.
 */
export class SimulatedProcess {
  /** For `new AioContext({ kernel })`, and through `context` for `open()`. */
  readonly kernel: SimulatedKernel;
  /** The files on the disk, shaped like `node:fs`. */
  readonly fs: SimulatedFileSystem;
  /** flock(2), and locks of ranges. */
  readonly locks: FileLocks;
  readonly #disk: Disk;

  /** @internal Use `simulation.process()`. */
  constructor(disk: Disk, chances: Chances, options: SimulatedKernelOptions) {
    this.#disk = disk;
    const paths = new PathCalls(disk);
    this.kernel = new SimulatedKernel(disk, paths, chances, options);
    this.fs = simulatedFs({
      kernel: this.kernel,
      paths,
      files: this.kernel.calls,
      names: chances.names,
      usedBytes: () => usedBytes(disk.names.root),
    });
    this.locks = new FileLocks(disk, this.kernel.fileTable);
  }

  /** Whether it was killed, or its machine is gone. */
  get isDead(): boolean {
    return this.#disk.isDead;
  }

  /**
   * Kills the process, and nothing else: its descriptors are closed, its locks go, and files and what was written to them stay.
   *
   * @remarks What it had under way has its effect, but it does not hear of it: that ends with ENODEV, and so does everything that it
   * asks for later. To kill it again does nothing.
   */
  kill(): void {
    if (this.isDead) return;
    this.#disk.kill();
    this.kernel.closeAll();
  }
}
