/** An emulated kernel in virtual time whose files are on a simulated disk. */
import type { PathLike, Stats } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import type { DirectAlignment, Word } from '../../common/kernel/aio-kernel.ts';
import type { KernelFiles } from '../../common/kernel/kernel-files.ts';
import { outOfRange } from '../../common/validate.ts';
import type { KernelState } from '../aio/kernel-state.ts';
import { EmulatedKernel, type EmulatedKernelOptions, type Machine } from '../emulated-kernel.ts';
import type { FileTable } from '../files/file-table.ts';
import { SimulatedCalls } from '../simulated/descriptor-calls.ts';
import type { Disk } from '../simulated/disk.ts';
import { FileCalls } from '../simulated/file-calls.ts';
import { drawNs } from '../simulated/latency.ts';
import type { PathCalls } from '../simulated/path-calls.ts';
import { pathOf } from '../simulated/paths.ts';
import type { Random } from '../simulated/random.ts';
import { SimulatedFile } from '../simulated/simulated-file.ts';
import { statsOf } from '../simulated/stats.ts';
import { promised } from '../simulated/steps.ts';
import { simulatedExecutor } from '../simulated/virtual-executor.ts';

/** What an emulated kernel is made with, as far as it makes sense in a simulation. */
export interface SimulatedKernelOptions
  extends Pick<EmulatedKernelOptions, 'aio_max_nr' | 'possibleCpus' | 'profile' | 'debug'> {
  /** Descriptors that a process can have, those of its contexts too; one more file is EMFILE. Default: no limit. */
  readonly maxDescriptors?: number;
}

/** Not this machine's, or the same seed would make another history on another machine. */
const POSSIBLE_CPUS = 4;
/** The disk has room for every request; how long each takes is the disk's business. */
const CONCURRENCY = 1 << 20;

/** A machine with a disk, and hold of the kernel that is built upon it. */
class SimulatedMachine implements Machine {
  readonly clock;
  readonly executor;
  readonly concurrency = CONCURRENCY;
  readonly hostFiles = false;
  state: KernelState | undefined;

  constructor(disk: Disk, times: Random) {
    this.clock = disk.clock;
    this.executor = simulatedExecutor(disk.clock, (kind) => drawNs(disk.options.latency[kind], times));
  }

  boot(state: KernelState): void {
    this.state = state;
  }
}

export class SimulatedKernel extends EmulatedKernel {
  /** Those of the simulated disk. */
  readonly files: KernelFiles;
  /** @internal */
  readonly calls: FileCalls;
  readonly #disk: Disk;
  readonly #machine: SimulatedMachine;
  readonly #luck: Random;

  constructor(
    disk: Disk,
    paths: PathCalls,
    random: { readonly times: Random; readonly luck: Random; readonly names: Random },
    { maxDescriptors = Number.POSITIVE_INFINITY, ...options }: SimulatedKernelOptions,
  ) {
    if (!(maxDescriptors >= 0)) throw outOfRange('options.kernel.maxDescriptors', '>= 0', maxDescriptors);
    const machine = new SimulatedMachine(disk, random.times);
    super({ possibleCpus: POSSIBLE_CPUS, ...options }, machine);
    this.#disk = disk;
    this.#machine = machine;
    this.#luck = random.luck;
    const state = machine.state!;
    this.calls = new FileCalls(state, disk, paths, maxDescriptors);
    this.files = {
      calls: new SimulatedCalls(state, this.calls),
      names: {
        stat: async (path: PathLike) =>
          statsOf(await promised(paths.stat(pathOf(path), true)), false) as Stats,
        rename: async (oldPath: PathLike, newPath: PathLike) =>
          promised(paths.rename(pathOf(oldPath), pathOf(newPath))),
        unlink: async (path: PathLike) => promised(paths.unlink(pathOf(path))),
        randomBytes: (count: number) => random.names.bytes(count),
      },
      open: async (path: PathLike, flags: number, mode: number, direct: boolean): Promise<number> => {
        const file = await promised(this.calls.open(pathOf(path), flags, mode, direct));
        return this.calls.install(file);
      },
    };
  }

  /** @internal */
  get fileTable(): FileTable {
    return this.#machine.state!.files;
  }

  /** @internal The process is gone, and what it had open is closed. Its descriptors stay what they are, for a process that is no more. */
  closeAll(): void {
    for (const file of this.calls.opened) this.#disk.closed(file.inode, file);
  }

  override io_submit(ctx_id: Word, nr: Word, iocbpp: Word): number {
    this.#disk.clock.touch();
    const wanted = Number(nr);
    if (this.#disk.isDead || !(wanted > 0) || !this.#luck.chance(this.#disk.options.faults.EAGAIN)) {
      return super.io_submit(ctx_id, nr, iocbpp);
    }
    const accepted = this.#luck.below(Math.min(wanted, 2 ** 31));
    this.#disk.note(`io_submit takes ${accepted} of ${wanted}`);
    return accepted === 0 ? -ERRNO.EAGAIN : super.io_submit(ctx_id, accepted, iocbpp);
  }

  override directAlignment(fd: number): DirectAlignment | undefined {
    const file = this.#machine.state!.files.fget(fd);
    if (!(file instanceof SimulatedFile)) return undefined;
    const { sectorBytes } = this.#disk.options;
    return { memory: sectorBytes, offset: sectorBytes };
  }
}
