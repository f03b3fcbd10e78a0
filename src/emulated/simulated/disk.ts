/** The disk: operations begin, take virtual time, and have their effect when they end. */
import { crc32 } from 'node:zlib';
import { ERRNO } from '../../common/abi/errno.ts';
import { crash, type InFlightWrite, sectorsOf, someOf } from './crash.ts';
import type { Faults } from './faults.ts';
import { type Change, describeChange, type Inode } from './inode.ts';
import type { Mark } from './history.ts';
import { drawNs, type Latencies } from './latency.ts';
import type { NameChange, Namespace } from './namespace.ts';
import type { Random } from './random.ts';
import type { Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How a disk is made. */
export interface DiskOptions {
  readonly faults: Faults;
  readonly latency: Latencies;
  readonly sectorBytes: number;
  readonly capacityBytes: number;
  readonly strictNames: boolean;
}

/** What an operation needs to know of the descriptor that it comes through. */
export interface Opened {
  readonly inode: Inode;
  readonly path: string;
  readonly direct: boolean;
  readonly append: boolean;
}

/** What a write does beyond writing. */
export type WriteSync = 'none' | 'data' | 'all';

/** What fallocate(2) is asked for. */
export type Room =
  | {
      readonly kind: 'allocate';
      readonly position: number;
      readonly length: number;
      readonly keepSize: boolean;
    }
  | { readonly kind: 'punch'; readonly position: number; readonly length: number };

/** Receives a count or a negative errno, never from inside the call that asked. */
export type Done = (result: number) => void;

interface InFlight {
  /** When it ends. */
  readonly at: number;
  readonly cancel: () => void;
  readonly end: () => void;
  readonly done: Done;
  readonly write: (() => InFlightWrite) | undefined;
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
  readonly #inFlight = new Map<number, InFlight>();
  #nextId: number;
  #events = 0;
  #powerLoss: { readonly at: number; readonly callback: () => void } | undefined;
  #isDead = false;
  #isKilled = false;

  constructor(
    names: Namespace,
    clock: VirtualClock,
    options: DiskOptions,
    random: { readonly times: Random; readonly luck: Random },
    trace: Trace,
    nextId: number,
  ) {
    this.names = names;
    this.clock = clock;
    this.options = options;
    this.#times = random.times;
    this.#luck = random.luck;
    this.#trace = trace;
    this.#nextId = nextId;
  }

  /** Operations that have ended. */
  get events(): number {
    return this.#events;
  }

  /** Operations that have begun and not ended. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get nextId(): number {
    return this.#nextId;
  }

  /** A line of the program's own. */
  note(text: string): void {
    this.#mark('note', text);
  }

  #mark(kind: Mark['kind'], text: string): void {
    if (!this.#isDead) this.#trace.mark(this.clock.nowNs(), kind, text);
  }

  /** Calls back instead of letting the operation with this number end, counted from now; 1 is the next. */
  losePowerAt(event: number, callback: () => void): void {
    this.#powerLoss = { at: this.#events + event, callback };
  }

  keepPower(): void {
    this.#powerLoss = undefined;
  }

  /** @param place - Where, asked when the read ends. */
  read(file: Opened, place: () => number, length: number, done: (result: number, bytes: Uint8Array) => void) {
    const { inode } = file;
    let bytes: Uint8Array = NOTHING;
    const perform = (): number => {
      if (this.#luck.chance(this.options.faults.EIO)) return -ERRNO.EIO;
      bytes = inode.content.read(place(), length);
      if (this.#luck.chance(this.options.faults.shortRead))
        bytes = bytes.subarray(0, this.#shortened(file, bytes.length));
      return bytes.length;
    };
    const what = `read ${file.path} at ${place()}, ${length} bytes`;
    this.#begin(
      what,
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
    const id = this.#nextId;
    const perform = (): number => this.#write(file, id, where(), bytes, sync);
    const ns = drawNs(latency.write, this.#times) + (sync === 'none' ? 0 : drawNs(latency.sync, this.#times));
    const synced = { none: '', data: ', O_DSYNC', all: ', O_SYNC' }[sync];
    const what = `write ${file.path} at ${file.append ? 'its end' : place()}, ${bytes.length} bytes (${crc(bytes)})${synced}`;
    this.#begin(what, ns, perform, done, {
      write: () => ({ inode, change: { kind: 'write', id, position: where(), bytes } }),
    });
  }

  /** Makes durable what has ended by now, and nothing that ends later. */
  sync({ inode, path }: Opened, datasync: boolean, done: Done): void {
    const changes = [...inode.unsynced];
    const names = this.names.covered(inode, this.options.strictNames);
    const { attributes } = inode;
    const id = this.#nextId;
    const perform = (): number => {
      if (this.#luck.chance(this.options.faults.EIO)) return this.#failSync(id, inode, changes);
      this.#harden(id, inode, changes, names);
      if (!datasync) inode.durableAttributes = attributes;
      return 0;
    };
    const what = `${datasync ? 'fdatasync' : 'fsync'} ${path}`;
    this.#begin(what, drawNs(this.options.latency.sync, this.#times), perform, done);
  }

  /** Makes room, or gives it back: all of it or nothing. */
  fallocate({ inode, path }: Opened, wanted: Room, done: Done): void {
    const change = { id: this.#nextId, ...wanted };
    const { position, length } = wanted;
    const perform = (): number => {
      if (wanted.kind === 'allocate') {
        if (this.#luck.chance(this.options.faults.ENOSPC)) return -ERRNO.ENOSPC;
        if (inode.content.growth(position, length) > this.#room()) return -ERRNO.ENOSPC;
      }
      inode.allocated(change, this.clock.nowNs());
      return 0;
    };
    this.metadata(`fallocate ${path}: ${describeChange(change)}`, perform, done);
  }

  /** Anything that is about names and attributes. */
  metadata(what: string, perform: (id: number) => number, done: Done): void {
    const id = this.#nextId;
    this.#begin(what, drawNs(this.options.latency.metadata, this.#times), () => perform(id), done);
  }

  /** Ends all life on this disk. @returns The names and files that are found after it. */
  crash(random: Random): Namespace {
    const inFlight = [...this.#inFlight.values()];
    const writes = inFlight.flatMap(({ write }) => (write === undefined ? [] : [write()]));
    this.#mark('power', `-- power lost, ${inFlight.length} operations in flight`);
    const found = crash({
      names: this.names,
      inFlight: writes,
      faults: this.options.faults,
      sectorBytes: this.options.sectorBytes,
      random,
      note: (text) => this.#trace.decided(this.clock.nowNs(), `   ${text}`),
    });
    this.#isDead = true;
    this.#powerLoss = undefined;
    this.#inFlight.clear();
    for (const { cancel, done } of inFlight) {
      cancel();
      done(GONE);
    }
    return found;
  }

  /**
   * The process is gone, and the machine is not: what is in flight has its effect, in the order of its times, as Linux waits for
   * the requests of a process that ends.
   */
  kill(): void {
    this.#mark('kill', `-- process killed, ${this.#inFlight.size} operations in flight`);
    this.#powerLoss = undefined;
    this.#isKilled = true;
    for (const { cancel, end } of [...this.#inFlight.values()].sort((one, other) => one.at - other.at)) {
      cancel();
      end();
    }
    this.#isDead = true;
  }

  #begin(
    what: string,
    ns: number,
    perform: () => number,
    done: Done,
    { write, bytes }: { readonly write?: () => InFlightWrite; readonly bytes?: () => Uint8Array } = {},
  ): void {
    if (this.#isKilled || this.#isDead) {
      this.clock.after(0, () => done(GONE));
      return;
    }
    const id = this.#nextId++;
    this.#trace.began(this.clock.nowNs(), id, what);
    const end = (): void => {
      this.#inFlight.delete(id);
      const result = perform();
      const read = bytes === undefined || result <= 0 ? '' : ` (${crc(bytes())})`;
      this.#trace.ended(this.clock.nowNs(), id, outcome(result), result < 0, read);
      done(this.#isKilled ? GONE : result);
    };
    const cancel = this.clock.after(ns, () => {
      this.#events++;
      if (this.#powerLoss?.at === this.#events) this.#powerLoss.callback();
      else end();
    });
    this.#inFlight.set(id, { at: this.clock.nowNs() + ns, cancel, end, done, write });
  }

  #write(file: Opened, id: number, position: number, bytes: Uint8Array, sync: WriteSync): number {
    const { faults, sectorBytes } = this.options;
    const { inode } = file;
    const now = this.clock.nowNs();
    if (this.#luck.chance(faults.EIO)) {
      const sectors = sectorsOf({ kind: 'write', id, position, bytes }, sectorBytes);
      const kept = someOf(sectors, this.#luck);
      sectors.forEach((sector, index) => {
        if (kept[index]!) inode.write(id, sector.position, sector.bytes, now);
      });
      return -ERRNO.EIO;
    }
    if (this.#luck.chance(faults.ENOSPC)) return -ERRNO.ENOSPC;
    let length = this.#fitting(inode, position, bytes.length);
    if (length === 0 && bytes.length > 0) return -ERRNO.ENOSPC;
    if (this.#luck.chance(faults.shortWrite)) length = this.#shortened(file, length);
    const change = inode.write(id, position, bytes.subarray(0, length), now);
    if (sync === 'data')
      this.#harden(id, inode, inode.beneath(change), this.names.covered(inode, this.options.strictNames));
    if (sync === 'all') {
      this.#harden(id, inode, inode.beneath(change), this.names.covered(inode, this.options.strictNames));
      inode.durableAttributes = inode.attributes;
    }
    return length;
  }

  /** @param id - Of the sync, or of the write that is one. */
  #harden(id: number, inode: Inode, changes: readonly Change[], names: readonly NameChange[]): void {
    this.#trace.covered(id, [...names, ...changes]);
    this.names.harden(names);
    inode.harden(changes);
  }

  /**
   * As Linux has it, a change that an fsync failed to write is not tried again: a later fsync that succeeds says nothing
   * about it. Which of them have reached the disk all the same is open.
   */
  #failSync(id: number, inode: Inode, changes: readonly Change[]): number {
    for (const change of changes) {
      if (this.#luck.chance(0.5)) {
        this.#trace.covered(id, [change]);
        inode.harden([change]);
        continue;
      }
      this.#trace.gaveUp(id, change.id);
      inode.abandon([change]);
    }
    return -ERRNO.EIO;
  }

  /** A length that is less; direct transfers end between sectors. What cannot be less stays. */
  #shortened({ direct }: Opened, length: number): number {
    const unit = direct ? this.options.sectorBytes : 1;
    const units = Math.ceil(length / unit);
    return units > 1 ? (1 + this.#luck.below(units - 1)) * unit : length;
  }

  /** Storage that is left. */
  #room(): number {
    const { capacityBytes } = this.options;
    return capacityBytes === Number.POSITIVE_INFINITY
      ? capacityBytes
      : capacityBytes - usedBytes(this.names.root);
  }

  /** How many bytes there is room for. */
  #fitting(inode: Inode, position: number, length: number): number {
    const room = this.#room();
    if (inode.content.growth(position, length) <= room) return length;
    let least = 0;
    let most = length;
    while (most - least > 1) {
      const middle = Math.floor((least + most) / 2);
      if (inode.content.growth(position, middle) <= room) least = middle;
      else most = middle;
    }
    return least;
  }
}

/** Storage that the files with names use, each counted once. */
export function usedBytes(root: Inode): number {
  const seen = new Set([root]);
  let used = 0;
  for (const inode of seen) {
    used += inode.content.allocated;
    for (const entry of inode.entries.values()) seen.add(entry);
  }
  return used;
}

function outcome(result: number): string {
  if (result >= 0) return String(result);
  const name = Object.entries(ERRNO).find(([, number]) => number === -result)?.[0];
  return name ?? String(result);
}

function crc(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}
