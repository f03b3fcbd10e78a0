/** A machine with a disk that can lose power. */
import { ERRNO } from '../../common/abi/errno.ts';
import { errnoException } from '../../common/errors.ts';
import { invalidArgType, outOfRange, validateInteger } from '../../common/validate.ts';
import { Disk } from '../simulated/disk.ts';
import { DiskImage } from '../simulated/disk-image.ts';
import type { Namespace } from '../simulated/namespace.ts';
import type { Operation, Watch } from '../simulated/operation.ts';
import { Random } from '../simulated/random.ts';
import { Station } from '../simulated/station.ts';
import { usedBytes } from '../simulated/storage.ts';
import type { Trace } from '../simulated/trace.ts';
import { VirtualClock } from '../simulated/virtual-clock.ts';
import type { SimulatedFileSystem } from '../simulated-fs/simulated-fs.ts';
import { crashDuring } from './crash-during.ts';
import { exportImage } from './export-folder.ts';
import type { FileLocks } from './file-locks.ts';
import { hostPath, type ImportOptions, importFolder } from './import-folder.ts';
import { type Ending, faultsOf, type Shared, type Start } from './life.ts';
import type { CrashOptions } from './moment.ts';
import { SimulatedProcess } from './process.ts';
import type { SimulatedKernel } from './simulated-kernel.ts';
import { SimulationError } from './simulation-error.ts';

const MOST_SLOWDOWN = 1e6;

/** What a machine was at one moment, to be gone on from as often as one likes. */
export interface Snapshot {
  /** The machine that is found after the power was lost then. @param outcome - As in {@link CrashOptions}. */
  crashed(outcome: number): Simulation;
  /** The machine for the process that comes after, when this one was killed then. */
  killed(): Simulation;
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
  /** Of all its chance, as 64 bits without a sign: `simulate({ seed })` makes the same machine of it. */
  readonly seed: bigint;
  /** For `new AioContext({ kernel })`, and through `context` for `open()`. */
  readonly kernel: SimulatedKernel;
  /** The files on the disk, shaped like `node:fs`. */
  readonly fs: SimulatedFileSystem;
  /** flock(2), and locks of ranges, for the process that uses {@link kernel}. */
  readonly locks: FileLocks;
  /** The history so far, with that before the crashes. */
  readonly trace: Trace;
  /** Chance for the program's own use. */
  readonly random: Random;
  /** How many times the power was lost before. */
  readonly generation: number;
  /** How the machine before this one has ended; `undefined` for the first. */
  readonly ending: Ending | undefined;
  readonly #shared: Shared;
  readonly #disk: Disk;
  readonly #process: SimulatedProcess;
  readonly #others: SimulatedProcess[] = [];
  readonly #fate: Random;

  /** @internal Use `simulate()`. */
  constructor(shared: Shared, start: Start) {
    const { seed, trace } = shared;
    const { generation, ending } = start;
    const stream = (name: string): Random => new Random(seed, `${generation}/${name}`);
    const random = { times: stream('times'), luck: stream('luck'), names: stream('names') };
    this.seed = seed;
    this.trace = trace;
    this.generation = generation;
    this.ending = ending;
    this.random = stream('program');
    this.#fate = stream('crash');
    this.#shared = shared;
    const station = new Station(shared.drive, start.nextId);
    this.#disk = new Disk(start.names, start.clock, shared.disk, random, trace, station);
    this.#process = new SimulatedProcess(this.#disk, random, shared.kernel);
    this.fs = this.#process.fs;
    this.kernel = this.#process.kernel;
    this.locks = this.#process.locks;
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

  /** Room for the content of files. To set it makes the disk full, or gives it room again. It outlives crashes. */
  get capacityBytes(): number {
    return this.#disk.drive.capacityBytes;
  }

  /** @throws RangeError `ERR_OUT_OF_RANGE`. */
  set capacityBytes(capacityBytes: number) {
    if (!(capacityBytes >= 0)) throw outOfRange('capacityBytes', '>= 0', capacityBytes);
    this.#disk.drive.capacityBytes = capacityBytes;
  }

  /** How many times as long everything takes that begins from now on. Default 1. It outlives crashes. */
  get slowdown(): number {
    return this.#disk.drive.slowdown;
  }

  /** @throws RangeError `ERR_OUT_OF_RANGE`. */
  set slowdown(factor: number) {
    if (!(factor > 0 && factor <= MOST_SLOWDOWN))
      throw outOfRange('slowdown', `> 0 && <= ${MOST_SLOWDOWN}`, factor);
    this.#disk.drive.slowdown = factor;
  }

  /**
   * Has operations stick: those for which `when` answers `true` as they begin do not end.
   *
   * @returns Lets them go on, each with the time that it takes, and no more stick.
   */
  stick(when: (operation: Operation) => boolean): () => void {
    if (typeof when !== 'function') throw invalidArgType('when', 'of type function', when);
    return this.#disk.stick(when);
  }

  /**
   * Makes the sectors of a range of a file unreadable: to read there is EIO, and so is to write a part of a sector, until all of it is
   * written. It outlives crashes.
   *
   * @throws AioError `ENOENT` where there is no such file, `EISDIR`.
   */
  makeUnreadable(path: string, position: number, length: number): void {
    validateInteger('position', position, 0, Number.MAX_SAFE_INTEGER);
    validateInteger('length', length, 1, Number.MAX_SAFE_INTEGER - position);
    const place = this.#disk.names.find(path);
    const inode = typeof place === 'number' ? undefined : place.inode;
    if (inode === undefined) throw errnoException(-ERRNO.ENOENT, 'open', { path });
    if (inode.kind === 'directory') throw errnoException(-ERRNO.EISDIR, 'open', { path });
    for (const image of [inode.content, inode.durable])
      image.spoil(position, Math.min(length, image.size - position));
  }

  /**
   * One more process on this machine, with descriptors and locks of its own. It dies with the machine, and when this one is killed
   * by {@link kill}; to kill it alone, call its own `kill()`.
   *
   * @throws SimulationError if the power was lost before.
   */
  process(): SimulatedProcess {
    if (this.isCrashed) throw new SimulationError('This machine has crashed already', this);
    const number = this.#others.length + 1;
    const stream = (name: string): Random =>
      new Random(this.seed, `${this.generation}/process ${number}/${name}`);
    const chances = { times: stream('times'), luck: stream('luck'), names: stream('names') };
    const other = new SimulatedProcess(this.#disk.forProcess(), chances, this.#shared.kernel);
    this.#others.push(other);
    return other;
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
    return this.#end({ how: 'crash', operation: undefined, isOver: false, program: undefined });
  }

  /**
   * Kills the process now, with those of {@link process}. The machine goes on: all that was written is there, synced or not, and what is not synced can still be
   * lost when the power is.
   *
   * @remarks What was under way has its effect, as Linux waits for it, but the process does not hear of it: for the old machine
   * everything ends with ENODEV, as after {@link crash}.
   *
   * @returns The machine for the process that comes after.
   * @throws SimulationError if it was killed, or the power was lost, before.
   */
  kill(): Simulation {
    return this.#end({ how: 'kill', operation: undefined, isOver: false, program: undefined });
  }

  #end(ending: Ending, outcome?: number, untouched?: Operation): Simulation {
    if (this.isCrashed) throw new SimulationError('This machine has crashed already', this);
    const disk = this.#disk;
    let { names } = disk;
    disk.watch(undefined);
    if (ending.how === 'kill') {
      this.#process.kill();
      for (const other of this.#others) other.kill();
    }
    if (ending.how === 'crash') {
      const fate = outcome === undefined ? this.#fate : this.#fateOf(this.events, outcome);
      names = disk.crash(fate, faultsOf(this.#shared.disk.faults, outcome), untouched);
    }
    return this.#after(names, ending, this.#shared, this.nowNs, disk.nextId);
  }

  #after(names: Namespace, ending: Ending, shared: Shared, nowNs: number, nextId: number): Simulation {
    const clock = new VirtualClock();
    clock.passUntil(nowNs);
    const generation = this.generation + 1;
    const how = ending.how === 'kill' ? 'started again' : 'switched on again';
    shared.trace.note(nowNs, `-- ${how}, crash ${generation}`);
    return new Simulation(shared, { generation, names, clock, nextId, ending });
  }

  #fateOf(event: number, outcome: number): Random {
    return new Random(this.seed, `${this.generation}/crash/${event}/${outcome}`);
  }

  /** @internal What this machine is now; it goes on. */
  snapshot(operation: Operation | undefined): Snapshot {
    const { events, nowNs, inFlight } = this;
    const { nextId } = this.#disk;
    const photograph = this.#disk.photograph();
    const before = this.trace.fork();
    const start = (how: Ending['how'], event: string, find: (trace: Trace) => Namespace) => {
      const trace = before.fork();
      trace.mark(nowNs, how === 'crash' ? 'power' : 'kill', `-- ${event}, ${inFlight} operations in flight`);
      const names = find(trace);
      const shared = { ...this.#shared, trace, drive: { ...this.#shared.drive } };
      return this.#after(names, { how, operation, isOver: false, program: undefined }, shared, nowNs, nextId);
    };
    return {
      crashed: (outcome) =>
        start('crash', 'power lost', (trace) =>
          photograph.crashed({
            ...this.#shared.disk,
            faults: faultsOf(this.#shared.disk.faults, outcome),
            nowNs,
            random: this.#fateOf(events, outcome),
            note: (text) => trace.decided(nowNs, `   ${text}`),
            wasDurable: (changes) => trace.covered(undefined, changes),
          }),
        ),
      killed: () => start('kill', 'process killed', () => photograph.killed(this.#fateOf(events, 0), nowNs)),
    };
  }

  /** @internal Has the operations of this machine looked at. */
  watch(watch: Watch | undefined): void {
    this.#disk.watch(watch);
  }

  /** @internal Tells all that is found on the disk now from other disks. */
  digest(): string {
    return `${this.#disk.names.root.attributes.mode}-${this.image.digest}`;
  }

  /**
   * Runs a program and loses the power at some moment of it, or at its end if that comes first.
   *
   * @remarks Whatever the program does after that is of no consequence, and how it ends is not waited for: its machine is
   * gone. It should let errors end it. {@link ending} of what is answered tells what came of it.
   *
   * @returns The machine after it was switched on again.
   * @throws What the program throws while there is power; RangeError `ERR_OUT_OF_RANGE`, TypeError `ERR_INVALID_ARG_VALUE` for
   * options that mean nothing.
   */
  async crashDuring(
    program: (simulation: this) => Promise<unknown>,
    options: CrashOptions = {},
  ): Promise<Simulation> {
    const below = (limit: number): number => this.#fate.below(limit);
    return await crashDuring(
      this.#disk,
      below,
      () => program(this),
      options,
      (ending, untouched) => this.#end(ending, options.outcome, untouched),
    );
  }

  /**
   * Runs a program and loses the power at an operation that is named: `crashDuring` with `when`.
   *
   * @param when - Asked for each operation as it begins; the first for which it answers `true` is the one.
   */
  crashWhen(
    program: (simulation: this) => Promise<unknown>,
    when: (operation: Operation) => boolean,
    options: Pick<CrashOptions, 'side' | 'outcome' | 'kill'> = {},
  ): Promise<Simulation> {
    return this.crashDuring(program, { ...options, when });
  }
}
