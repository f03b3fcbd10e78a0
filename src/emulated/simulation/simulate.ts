/** A simulation: a machine with a disk that can lose power, from a seed. */
import { outOfRange, validateInteger } from '../../common/validate.ts';
import { Disk, type DiskOptions, usedBytes } from '../simulated/disk.ts';
import { DiskImage } from '../simulated/disk-image.ts';
import { DEFAULT_FAULTS, type Faults, validateFaults } from '../simulated/faults.ts';
import { Inode } from '../simulated/inode.ts';
import { DEFAULT_LATENCIES, type Latencies, type Latency, validateLatency } from '../simulated/latency.ts';
import { Namespace } from '../simulated/namespace.ts';
import { PathCalls } from '../simulated/path-calls.ts';
import { Random, type Seed, seedOf } from '../simulated/random.ts';
import { Trace } from '../simulated/trace.ts';
import { VirtualClock } from '../simulated/virtual-clock.ts';
import { type SimulatedFileSystem, simulatedFs } from '../simulated-fs/simulated-fs.ts';
import { exportImage } from './export-folder.ts';
import { hostPath, type ImportOptions, importFolder } from './import-folder.ts';
import { SimulatedKernel, type SimulatedKernelOptions } from './simulated-kernel.ts';
import { SimulationError } from './simulation-error.ts';

/** How a simulation is made. */
export interface SimulateOptions {
  /** Everything that chance decides follows from it: an integer, or its decimal digits. */
  readonly seed: Seed;
  /** What may go wrong. Default: nothing but crashes. */
  readonly faults?: Partial<Faults>;
  /** How long operations take; one for all kinds, or some of them. Default: like an NVMe drive. */
  readonly latency?: Latency | Partial<Latencies>;
  /** What reaches the disk as a whole or not at all, and what O_DIRECT is aligned to: a power of two. Default 512. */
  readonly sectorBytes?: number;
  /** Room for the content of files, used up in pages of 4096. Default: no limit. */
  readonly capacityBytes?: number;
  /**
   * Whether a new name is durable only when its directory was synced, as POSIX has it. By default the sync of the file itself
   * covers its name too, and those of the directories above, as on ext4, XFS and btrfs. Default false.
   */
  readonly strictNames?: boolean;
  /** Entries of the trace that are kept at least. Default 10,000. */
  readonly traceEntries?: number;
  /** How the kernel is made. */
  readonly kernel?: SimulatedKernelOptions;
}

/** When the power is lost, or what else happens. */
export interface CrashOptions {
  /** It is lost within so many operations on the disk, each as likely as the others. Default 100. */
  readonly withinEvents?: number;
  /** It is lost when this operation from now on would have ended, 1 being the next; chance has no part in when. */
  readonly atEvent?: number;
  /** Whether only the process ends, by {@link Simulation.kill}, and the power stays on. Default false. */
  readonly kill?: boolean;
}

const SECTOR_BYTES = 512;
const MOST_SECTOR_BYTES = 65536;
const TRACE_ENTRIES = 10_000;
const WITHIN_EVENTS = 100;
const ROOT_INO = 2;
const ROOT_MODE = 0o755;

/** What machines that follow each other share. */
interface Shared {
  readonly seed: bigint;
  readonly disk: DiskOptions;
  readonly kernel: SimulatedKernelOptions;
  readonly trace: Trace;
}

/** Where a machine takes over. */
interface Start {
  readonly generation: number;
  readonly names: Namespace;
  readonly clock: VirtualClock;
  readonly nextId: number;
}

/**
 * A machine in virtual time whose files are on a simulated disk.
 *
 * @remarks
 * The same seed and the same program make the same history, byte for byte, on every host, as long as the program waits for
 * nothing but the simulation: no timers, files or sockets of the host. {@link sleep} is the timer to use.
 *
 * *Blocking*: time passes when the program has nothing to do any more; a call of `io_getevents` that waits makes it pass itself.
 */
export class Simulation {
  readonly seed: bigint;
  /** For `new AioContext({ kernel })`, and through `context` for `open()`. */
  readonly kernel: SimulatedKernel;
  /** The files on the disk, shaped like `node:fs`. */
  readonly fs: SimulatedFileSystem;
  /** The history so far, with that before the crashes. */
  readonly trace: Trace;
  /** Chance for the program's own use. */
  readonly random: Random;
  /** How many times the power was lost before. */
  readonly generation: number;
  readonly #shared: Shared;
  readonly #disk: Disk;
  readonly #fate: Random;

  /** @internal Use {@link simulate}. */
  constructor(shared: Shared, start: Start) {
    const { seed, trace } = shared;
    const { generation } = start;
    const stream = (name: string): Random => new Random(seed, `${generation}/${name}`);
    const random = { times: stream('times'), luck: stream('luck'), names: stream('names') };
    this.seed = seed;
    this.trace = trace;
    this.generation = generation;
    this.random = stream('program');
    this.#fate = stream('crash');
    this.#shared = shared;
    this.#disk = new Disk(start.names, start.clock, shared.disk, random, trace, start.nextId);
    const paths = new PathCalls(this.#disk);
    this.kernel = new SimulatedKernel(this.#disk, paths, random, shared.kernel);
    const { kernel } = this;
    const { names } = random;
    this.fs = simulatedFs({ kernel, paths, files: kernel.calls, names, usedBytes: () => this.usedBytes });
  }

  /** Virtual nanoseconds since the first machine was switched on. */
  get nowNs(): number {
    return this.#disk.clock.nowNs();
  }

  /** Operations on the disk that have ended. */
  get events(): number {
    return this.#disk.events;
  }

  /** Operations on the disk that have begun and not ended. */
  get inFlight(): number {
    return this.#disk.inFlight;
  }

  /** Bytes of storage in use by files that have a name. */
  get usedBytes(): number {
    return usedBytes(this.#disk.names.root);
  }

  /** Whether this machine has lost its power, or its process was killed. */
  get isCrashed(): boolean {
    return this.#disk.isDead;
  }

  /** @internal */
  get clock(): VirtualClock {
    return this.#disk.clock;
  }

  /** Waits in virtual time. */
  sleep(ms: number): Promise<void> {
    if (!(ms >= 0)) throw outOfRange('ms', '>= 0', ms);
    return new Promise((resolve) => {
      this.clock.after(ms * 1e6, resolve);
    });
  }

  /** Writes a line of your own into the trace, such as what the program has promised to somebody. */
  note(text: string): void {
    this.#disk.note(text);
  }

  /**
   * Everything that has a name on the disk, as programs see it now: a value to compare and to print.
   *
   * @remarks After a crash it is what a machine has lost or kept: `before.image.differences(after.image)`.
   */
  get image(): DiskImage {
    return new DiskImage(this.#disk.names.root);
  }

  /**
   * Puts all that is in a folder of the host on the disk: files, directories and symbolic links, with their permissions and times.
   *
   * @remarks It is durable, as if it had been there before the machine was switched on; no virtual time passes, and chance has no
   * part in it. What is pending in the directory that it goes into becomes durable first. Everything belongs to the one user of the
   * machine. Files with several names stay one file. Either all is put there or nothing.
   *
   * *Blocking*: the thread, while the host reads: nothing else must happen meanwhile, or the history would depend on the host.
   *
   * @param folder - Of the host; not the folder itself is put there, but what is in it.
   * @throws AioError `EEXIST` for a name that is there already, `ENOSPC`, `ENOENT` and `ENOTDIR` for `to`; `EOPNOTSUPP` for what is
   * none of these, `EILSEQ` for a name that is not UTF-8; what `node:fs` throws; SimulationError after a crash.
   */
  import(folder: string | URL, options?: ImportOptions): void {
    if (this.isCrashed) throw new SimulationError('This machine has crashed already', this);
    const count = importFolder(hostPath(folder), this.#disk, options);
    this.note(`-- imported ${count} names`);
  }

  /**
   * Writes all that is on the disk, as programs see it now, into a folder of the host: for `git fsck`, or a hex editor.
   *
   * @remarks No virtual time passes. Permissions and times are set, the latter as precisely as `fs.utimes` can; holes stay holes.
   *
   * *Blocking*: the thread, while the host writes.
   *
   * @param folder - Of the host. It is made where it is missing, and must be empty.
   * @throws AioError `ENOTEMPTY`; `EINVAL` for a name that the host cannot have; what `node:fs` throws.
   */
  export(folder: string | URL): void {
    exportImage(this.image, hostPath(folder));
  }

  /**
   * Loses the power now.
   *
   * Each change that was not synced has reached the disk, or has not, or in part, or elsewhere, as `faults` says; so has each
   * write that was in flight.
   *
   * @remarks What was under way on this machine ends with ENODEV, and so does everything asked of it later.
   *
   * @returns The machine after it was switched on again. Its disk holds what is durable, and nothing else.
   * @throws SimulationError if the power was lost before.
   */
  crash(): Simulation {
    if (this.isCrashed) throw new SimulationError('This machine has crashed already', this);
    return this.#next(this.#disk.crash(this.#fate), 'switched on again');
  }

  /**
   * Kills the process now. The machine goes on: all that was written is there, synced or not, and what is not synced can still be
   * lost when the power is.
   *
   * @remarks What was under way has its effect, as Linux waits for it, but the process does not hear of it: for the old machine
   * everything ends with ENODEV, as after {@link crash}.
   *
   * @returns The machine for the process that comes after.
   * @throws SimulationError if it was killed, or the power was lost, before.
   */
  kill(): Simulation {
    if (this.isCrashed) throw new SimulationError('This machine has crashed already', this);
    this.#disk.kill();
    return this.#next(this.#disk.names, 'started again');
  }

  #next(names: Namespace, how: string): Simulation {
    const clock = new VirtualClock();
    clock.passUntil(this.nowNs);
    const generation = this.generation + 1;
    this.trace.note(this.nowNs, `-- ${how}, crash ${generation}`);
    return new Simulation(this.#shared, { generation, names, clock, nextId: this.#disk.nextId });
  }

  /**
   * Runs a program and loses the power at some moment of it, or at its end if that comes first.
   *
   * @remarks Whatever the program does after that is of no consequence, and how it ends is not waited for: its machine is
   * gone. It should let errors end it.
   *
   * @returns The machine after it was switched on again.
   * @throws What the program throws while there is power.
   */
  async crashDuring(
    program: (simulation: this) => Promise<unknown>,
    { withinEvents = WITHIN_EVENTS, atEvent, kill = false }: CrashOptions = {},
  ): Promise<Simulation> {
    validateInteger('options.withinEvents', withinEvents, 1, Number.MAX_SAFE_INTEGER);
    if (atEvent !== undefined) validateInteger('options.atEvent', atEvent, 1, Number.MAX_SAFE_INTEGER);
    let found: Simulation | undefined;
    const lost = new Promise<void>((resolve) => {
      this.#disk.losePowerAt(atEvent ?? 1 + this.#fate.below(withinEvents), () => {
        found = this.#end(kill);
        resolve();
      });
    });
    const ended = program(this).then(
      () => undefined,
      (error: unknown) => {
        // An error of a program without power says nothing.
        if (found === undefined) throw error;
      },
    );
    try {
      await Promise.race([lost, ended]);
    } finally {
      this.#disk.keepPower();
    }
    return found ?? this.#end(kill);
  }

  #end(kill: boolean): Simulation {
    return kill ? this.kill() : this.crash();
  }
}

/**
 * Makes a simulation.
 *
 * @throws TypeError `ERR_INVALID_ARG_VALUE` for what is no seed; RangeError `ERR_OUT_OF_RANGE` for other options.
 *
 * @example
 * ```ts
 * import { AioContext, open } from 'kaio';
 * import { simulate } from 'kaio/emulated';
 *
 * let simulation = simulate({ seed: 42 });
 * const context = new AioContext({ kernel: simulation.kernel });
 * const file = await open('/log', 'w', 0o666, { context });
 * await file.write(Buffer.from('promised'));
 * await file.datasync();
 * await file.write(Buffer.from(' perhaps'));
 * simulation = simulation.crash();
 * console.log((await simulation.fs.promises.stat('/log')).size); // 8 or more
 * ```
 */
export function simulate(options: SimulateOptions): Simulation {
  const {
    sectorBytes = SECTOR_BYTES,
    capacityBytes = Number.POSITIVE_INFINITY,
    strictNames = false,
    traceEntries = TRACE_ENTRIES,
    kernel = {},
  } = options;
  const seed = seedOf(options.seed);
  const faults = { ...DEFAULT_FAULTS, ...options.faults };
  validateFaults(faults);
  validateInteger('options.sectorBytes', sectorBytes, 1, MOST_SECTOR_BYTES);
  if ((sectorBytes & (sectorBytes - 1)) !== 0)
    throw outOfRange('options.sectorBytes', 'a power of two', sectorBytes);
  if (!(capacityBytes >= 0)) throw outOfRange('options.capacityBytes', '>= 0', capacityBytes);
  validateInteger('options.traceEntries', traceEntries, 1, Number.MAX_SAFE_INTEGER);
  const latency = latenciesOf(options.latency);
  const disk: DiskOptions = { faults, latency, sectorBytes, capacityBytes, strictNames };
  const clock = new VirtualClock();
  const attributes = { mode: ROOT_MODE, uid: 0, gid: 0, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
  const names = new Namespace(new Inode(ROOT_INO, 'directory', attributes), ROOT_INO + 1);
  const trace = new Trace(traceEntries);
  return new Simulation({ seed, disk, kernel, trace }, { generation: 0, names, clock, nextId: 1 });
}

function latenciesOf(latency: SimulateOptions['latency']): Latencies {
  if (latency === undefined) return DEFAULT_LATENCIES;
  const latencies: Latencies =
    'kind' in latency
      ? { read: latency, write: latency, sync: latency, metadata: latency }
      : { ...DEFAULT_LATENCIES, ...latency };
  for (const [name, one] of Object.entries(latencies) as [string, Latency][]) {
    validateLatency(`options.latency.${name}`, one);
  }
  return latencies;
}
