/** The disk: operations begin, take virtual time, and have their effect when they end. */
import { crc32 } from 'node:zlib';
import { ERRNO } from '../../common/abi/errno.ts';
import { crash } from './crash.ts';
import type { Done, Opened, Room, WriteSync } from './disk-request.ts';
import { Durability, type DurabilityOptions } from './durability.ts';
import { type InFlightWrite, sectorsOf, someOf } from './fates.ts';
import type { Faults } from './faults.ts';
import type { Mark } from './history.ts';
import { describeChange, type Inode } from './inode.ts';
import { drawNs, type Latencies } from './latency.ts';
import type { LockTable } from './lock-table.ts';
import type { Namespace } from './namespace.ts';
import { type Asked, asked, type Operation, type Watch } from './operation.ts';
import { Photograph } from './photograph.ts';
import type { Random } from './random.ts';
import type { Drive, InFlight, Station, Stuck } from './station.ts';
import { fitting, usedBytes } from './storage.ts';
import type { Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How a disk is made. */
export interface DiskOptions extends DurabilityOptions {
  readonly faults: Faults;
  readonly latency: Latencies;
  /** What O_DIRECT is aligned to. */
  readonly sectorBytes: number;
  /** What reaches the disk as a whole or not at all. */
  readonly tornBytes: number;
}

const NOTHING = new Uint8Array(0);
/** There is no machine, or no process, any more: what is asked of it ends so. */
const GONE = -ERRNO.ENODEV;

export class Disk {
  readonly names: Namespace;
  readonly clock: VirtualClock;
  readonly options: DiskOptions;
  readonly #times: Random;
  readonly #luck: Random;
  readonly #trace: Trace;
  readonly #random: { readonly times: Random; readonly luck: Random };
  readonly #station: Station;
  readonly #durability: Durability;
  #isKilled = false;

  constructor(
    names: Namespace,
    clock: VirtualClock,
    options: DiskOptions,
    random: { readonly times: Random; readonly luck: Random },
    trace: Trace,
    station: Station,
  ) {
    this.names = names;
    names.carriesData = options.model.renameCarriesData;
    this.clock = clock;
    this.options = options;
    this.#times = random.times;
    this.#luck = random.luck;
    this.#random = random;
    this.#trace = trace;
    this.#station = station;
    this.#durability = new Durability(names, clock, options, random.luck, trace);
  }

  /** The same disk, for one more process: it can be killed without the others. */
  forProcess(): Disk {
    return new Disk(this.names, this.clock, this.options, this.#random, this.#trace, this.#station);
  }

  /** Operations that have ended. */
  get events(): number {
    return this.#station.events;
  }

  /** Operations that have begun and not ended. */
  get inFlight(): number {
    return this.#station.inFlight.size;
  }

  /** There is no machine, or no process, any more. */
  get isDead(): boolean {
    return this.#station.isOff || this.#isKilled;
  }

  get isOff(): boolean {
    return this.#station.isOff;
  }

  get nextId(): number {
    return this.#station.nextId;
  }

  get locks(): LockTable {
    return this.#station.locks;
  }

  get drive(): Drive {
    return this.#station.drive;
  }

  /** A line of the program's own. */
  note(text: string): void {
    this.#mark('note', text);
  }

  #mark(kind: Mark['kind'], text: string): void {
    if (!this.isDead) this.#trace.mark(this.clock.nowNs(), kind, text);
  }

  /** Has operations looked at from now on, instead of by whoever did it before. */
  watch(watch: Watch | undefined): void {
    this.#station.watch = watch;
  }

  /** What begins from now on, and is meant, does not end before the answer was called. */
  stick(sticks: (operation: Operation) => boolean): () => void {
    const stuck: Stuck = { sticks, waiting: [] };
    this.#station.stuck.add(stuck);
    return () => {
      this.#station.stuck.delete(stuck);
      for (const start of stuck.waiting.splice(0)) start();
    };
  }

  /** @param place - Where, asked when the read ends. */
  read(file: Opened, place: () => number, length: number, done: (result: number, bytes: Uint8Array) => void) {
    const { inode } = file;
    let bytes: Uint8Array = NOTHING;
    const perform = (): number => {
      if (this.#luck.chance(this.options.faults.EIO)) return -ERRNO.EIO;
      if (inode.content.isSpoiled(place(), length)) return -ERRNO.EIO;
      bytes = inode.content.read(place(), length);
      if (this.#luck.chance(this.options.faults.shortRead))
        bytes = bytes.subarray(0, this.#shortened(file, bytes.length));
      return bytes.length;
    };
    const position = place();
    const text = `read ${file.path} at ${position}, ${length} bytes`;
    this.#begin(
      { syscall: 'read', path: file.path, dest: undefined, position, length, text },
      drawNs(this.options.latency.read, this.#times),
      perform,
      (result) => done(result, bytes),
      {
        bytes: () => bytes,
      },
    );
  }

  /** @param place - Where, asked when the write ends; files that append know better. */
  write(file: Opened, place: () => number, bytes: Uint8Array, sync: WriteSync, done: Done): void {
    const { latency } = this.options;
    const { inode } = file;
    const where = (): number => (file.append ? inode.content.size : place());
    const id = this.nextId;
    const perform = (): number => this.#write(file, id, where(), bytes, sync);
    const ns = drawNs(latency.write, this.#times) + (sync === 'none' ? 0 : drawNs(latency.sync, this.#times));
    const synced = { none: '', data: ', O_DSYNC', all: ', O_SYNC' }[sync];
    const position = where();
    const { length } = bytes;
    const text = `write ${file.path} at ${file.append ? 'its end' : position}, ${length} bytes (${crc(bytes)})${synced}`;
    const { path } = file;
    this.#begin({ syscall: 'write', path, dest: undefined, position, length, text }, ns, perform, done, {
      write: () => ({ inode, change: { kind: 'write', id, position: where(), bytes } }),
    });
  }

  /** Makes durable what has ended by now, and nothing that ends later. */
  sync({ inode, path }: Opened, datasync: boolean, done: Done): void {
    const changes = [...inode.unsynced];
    const { attributes } = inode;
    const id = this.nextId;
    const harden = this.#durability.hardening(id, inode, changes, datasync);
    const perform = (): number => {
      if (inode.kind === 'directory' && !this.options.model.syncsDirectories) return -ERRNO.EPERM;
      if (this.#luck.chance(this.options.faults.EIO)) return this.#durability.failSync(id, inode, changes);
      if (this.#luck.chance(this.options.faults.ignoredFlush)) {
        this.note('the drive ignores it');
        return 0;
      }
      harden();
      if (!datasync) inode.durableAttributes = attributes;
      return 0;
    };
    this.#begin(
      asked(datasync ? 'fdatasync' : 'fsync', path),
      drawNs(this.options.latency.sync, this.#times),
      perform,
      done,
    );
  }

  /** A file was closed for good. @param file - What has its locks. */
  closed(inode: Inode, file?: object): void {
    if (file !== undefined) this.locks.closed(inode, file, this);
    const { closeAfterTruncate } = this.options.model;
    if (inode.isEmptied && closeAfterTruncate !== 'nothing')
      inode.flush(closeAfterTruncate === 'ordered', this.clock.nowNs());
  }

  /** Makes a directory durable, and what is pending in it; with all before that where metadata are ordered. */
  settleNames(directory: Inode): void {
    this.#durability.settleNames(directory);
  }

  /** Makes room, or gives it back: all of it or nothing. */
  fallocate({ inode, path }: Opened, wanted: Room, done: Done): void {
    const change = { id: this.nextId, ...wanted };
    const { position, length } = wanted;
    const perform = (): number => {
      if (wanted.kind === 'allocate') {
        if (this.#luck.chance(this.options.faults.ENOSPC)) return -ERRNO.ENOSPC;
        if (inode.content.growth(position, length) > this.#room()) return -ERRNO.ENOSPC;
      }
      inode.allocated(change, this.clock.nowNs());
      this.names.watches.changed(inode, 'modified');
      return 0;
    };
    this.metadata(asked('fallocate', path, { detail: describeChange(change) }), perform, done);
  }

  /** Anything that is about names and attributes. */
  metadata(what: Asked, perform: (id: number) => number, done: Done): void {
    const id = this.nextId;
    this.#begin(what, drawNs(this.options.latency.metadata, this.#times), () => perform(id), done);
  }

  /**
   * Ends all life on this disk.
   *
   * @param faults - What chance decides by.
   * @param untouched - An operation that has only just begun.
   * @returns The names and files that are found after it.
   */
  crash(random: Random, faults: Faults, untouched?: Operation): Namespace {
    const { inFlight } = this.#station;
    const ends = [...inFlight.values()];
    const writes = ends.flatMap(({ write, operation }) =>
      write === undefined || operation === untouched ? [] : [write()],
    );
    this.#mark('power', `-- power lost, ${ends.length} operations in flight`);
    const note = (text: string): void => this.#trace.decided(this.clock.nowNs(), `   ${text}`);
    if (untouched?.syscall === 'write') note(`lost: #${untouched.id} ${untouched.text}: it had only begun`);
    const found = crash({
      names: this.names,
      inFlight: writes,
      ...this.options,
      faults,
      nowNs: this.clock.nowNs(),
      random,
      note,
      wasDurable: (changes) => this.#trace.covered(undefined, changes),
    });
    this.#station.isOff = true;
    this.#station.watch = undefined;
    inFlight.clear();
    for (const { cancel, gone } of ends) {
      cancel();
      gone();
    }
    this.locks.clear();
    return found;
  }

  /** What a crash would start from, as it is now; the disk goes on. */
  photograph(): Photograph {
    const writes = [...this.#station.inFlight.values()].flatMap(({ write }) =>
      write === undefined ? [] : [write()],
    );
    return new Photograph(this.names, writes);
  }

  /**
   * The process is gone, and the machine is not: what is in flight has its effect, in the order of its times, as Linux waits for
   * the requests of a process that ends.
   */
  kill(): void {
    const mine = [...this.#station.inFlight.values()].filter(({ owner }) => owner === this);
    this.#mark('kill', `-- process killed, ${mine.length} operations in flight`);
    this.#isKilled = true;
    for (const { cancel, end } of mine.sort((one, other) => one.at - other.at)) {
      cancel();
      end();
    }
    this.locks.ended(this);
  }

  #begin(
    what: Asked,
    ns: number,
    perform: () => number,
    done: Done,
    { write, bytes }: { readonly write?: () => InFlightWrite; readonly bytes?: () => Uint8Array } = {},
  ): void {
    const station = this.#station;
    if (this.isDead) {
      this.clock.after(0, () => done(GONE));
      return;
    }
    const id = station.nextId++;
    const operation: Operation = { id, ...what };
    this.#trace.began(this.clock.nowNs(), operation);
    const end = (): void => {
      station.inFlight.delete(id);
      const result = perform();
      const read = bytes === undefined || result <= 0 ? '' : ` (${crc(bytes())})`;
      this.#trace.ended(this.clock.nowNs(), id, outcome(result), result < 0, read);
      done(this.#isKilled ? GONE : result);
      station.watch?.ended?.(operation);
    };
    let cancel = (): void => {};
    const entry: InFlight = {
      operation,
      owner: this,
      at: Number.POSITIVE_INFINITY,
      cancel: () => cancel(),
      end,
      gone: () => done(GONE),
      write,
    };
    const start = (): void => {
      // A machine, or a process, may have gone while the operation was stuck.
      if (station.inFlight.get(id) !== entry) return;
      const takes = Math.max(1, Math.round(ns * station.drive.slowdown));
      entry.at = this.clock.nowNs() + takes;
      cancel = this.clock.after(takes, () => {
        station.events++;
        if (station.watch?.ends?.(operation, end) !== true) end();
      });
    };
    station.inFlight.set(id, entry);
    const held = [...station.stuck].find(({ sticks }) => sticks(operation));
    if (held === undefined) start();
    else {
      held.waiting.push(start);
      this.note(`#${id} is stuck`);
    }
    station.watch?.began?.(operation);
  }

  #write(file: Opened, id: number, position: number, bytes: Uint8Array, sync: WriteSync): number {
    const { faults, tornBytes } = this.options;
    const { inode } = file;
    const now = this.clock.nowNs();
    if (this.#luck.chance(faults.EIO)) {
      const sectors = sectorsOf({ kind: 'write', id, position, bytes }, tornBytes);
      const kept = someOf(sectors, this.#luck);
      sectors.forEach((sector, index) => {
        if (kept[index]!) inode.write(id, sector.position, sector.bytes, now);
      });
      return -ERRNO.EIO;
    }
    // The rest of a sector has to be read before a part of it can be written.
    if (inode.content.isSpoiled(position, bytes.length, 'at the edges')) return -ERRNO.EIO;
    if (this.#luck.chance(faults.ENOSPC)) return -ERRNO.ENOSPC;
    let length = fitting(inode, position, bytes.length, this.#room());
    if (length === 0 && bytes.length > 0) return -ERRNO.ENOSPC;
    if (this.#luck.chance(faults.shortWrite)) length = this.#shortened(file, length);
    const change = inode.write(id, position, bytes.subarray(0, length), now);
    if (length > 0) this.names.watches.changed(inode, 'modified');
    if (sync === 'none') return length;
    if (this.#luck.chance(faults.ignoredFlush)) this.note('the drive ignores it');
    else {
      this.#durability.hardening(id, inode, inode.beneath(change), sync === 'data')();
      if (sync === 'all') inode.durableAttributes = inode.attributes;
    }
    return length;
  }

  /** A length that is less; direct transfers end between sectors. What cannot be less stays. */
  #shortened({ direct }: Opened, length: number): number {
    const unit = direct ? this.options.sectorBytes : 1;
    const units = Math.ceil(length / unit);
    return units > 1 ? (1 + this.#luck.below(units - 1)) * unit : length;
  }

  /** Storage that is left. */
  #room(): number {
    const { capacityBytes } = this.drive;
    return capacityBytes === Number.POSITIVE_INFINITY
      ? capacityBytes
      : Math.max(0, capacityBytes - usedBytes(this.names.root));
  }
}

function outcome(result: number): string {
  if (result >= 0) return String(result);
  const name = Object.entries(ERRNO).find(([, number]) => number === -result)?.[0];
  return name ?? String(result);
}

function crc(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}
