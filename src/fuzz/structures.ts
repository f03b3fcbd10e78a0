/** Structures for the kernel, written into the arena of one side. */
import { HIGH_HALF_BYTES, LITTLE_ENDIAN, LOW_HALF_BYTES } from '../common/abi/byte-order.ts';
import { IO_EVENT_BYTES, IOCB_BYTES, IOVEC_BYTES } from '../common/abi/layout.ts';
import { type Arena, DATA_BYTES, type Region } from './arena.ts';
import {
  type FileRef,
  IOCB_SLOTS,
  type IocbPlace,
  isTransfer,
  isVectored,
  type Place,
  type Request,
  type Sigset,
  type Spot,
  type Timeout,
  type Value,
} from './program.ts';

/** Beyond every user address. */
const KERNEL_ADDRESS = -4096;
/** First address above user space on x86-64 with 4 levels of page tables. */
const TASK_SIZE = 0x7ffffffff000;
const POINTER_BYTES = 8;
const ODD = 4;
/** In the page that can only be read: zeros, an iocb, zeros. */
const READONLY_IOCB = 512;
const READONLY_DATA = 1024;
const ODD_IOCB = IOCB_SLOTS * IOCB_BYTES + ODD;
/** Half of it is there. */
const STRADDLING_BYTES = IOCB_BYTES / 2;
const KEY = 8 + LOW_HALF_BYTES;
const RW_FLAGS = 8 + HIGH_HALF_BYTES;
const WORD = 4;
const KEY_WORDS = (IOCB_SLOTS * IOCB_BYTES) / WORD;
const ODD_KEY_WORD = (ODD_IOCB + KEY) / WORD;

// Places in the region for words.
const TIMESPEC = 64;
const SIGSET = 128;
const SIGMASK = 192;

export class Structures {
  readonly arena: Arena;
  /** What the iocbs must look like: as written, but for `aio_key`. */
  readonly shadow: Uint32Array;
  readonly #fd: (ref: FileRef) => number;
  readonly #iocbs: DataView;
  /** Bytes in use, of arrays of iovecs and of pointers. */
  #iovecs = 0;
  #oddIovecs = 0;
  #pointers = 0;

  /** @param fd - What descriptor a file has. */
  constructor(arena: Arena, fd: (ref: FileRef) => number) {
    this.arena = arena;
    this.#fd = fd;
    this.#iocbs = viewOf(arena.regions.iocbs);
    this.shadow = new Uint32Array(arena.regions.iocbs.size / WORD);
    arena.writeReadonly(this.#readonlyContent());
  }

  /** Forgets what an earlier program left. */
  reset(): void {
    const { iocbs, words, events } = this.arena.regions;
    iocbs.words.fill(0);
    this.shadow.fill(0);
    words.words.fill(0);
    events.words.fill(0);
    this.poke(0, DATA_BYTES, 0x90);
    this.begin();
  }

  /** Begins a call: no array of an earlier one is left for the kernel to read on in. */
  begin(): void {
    const { iovecs, oddIovecs, pointers, oddPointers } = this.arena.regions;
    if (this.#iovecs > 0) iovecs.bytes.fill(0);
    if (this.#oddIovecs > 0) oddIovecs.bytes.fill(0);
    if (this.#pointers > 0) {
      pointers.bytes.fill(0);
      oddPointers.bytes.fill(0);
    }
    this.#iovecs = this.#oddIovecs = this.#pointers = 0;
  }

  address(place: Place): number {
    const { data, readonly, nowhere } = this.arena.regions;
    switch (place.in) {
      case 'data':
        return data.address + (place.at % DATA_BYTES);
      case 'readonly':
        return readonly.address + READONLY_DATA + (place.at % (readonly.size - READONLY_DATA));
      case 'nowhere':
        return nowhere.address + place.at;
      case 'null':
        return 0;
      case 'kernel':
        return KERNEL_ADDRESS;
      case 'limit':
        return TASK_SIZE;
    }
  }

  /** Where `bytes` bytes lie if they lie at `spot`. */
  spot({ address, size }: Region, spot: Spot, bytes: number): number {
    switch (spot) {
      case 'readonly':
        return this.arena.regions.readonly.address;
      case 'start':
        return address;
      case 'odd':
        return address + ODD;
      case 'straddle':
        return address + size - bytes;
      default:
        return this.address({ in: spot, at: 0 });
    }
  }

  iocb(place: IocbPlace): number {
    const { address, size } = this.arena.regions.iocbs;
    if (typeof place === 'number') return address + (place % IOCB_SLOTS) * IOCB_BYTES;
    if (place === 'odd') return address + ODD_IOCB;
    if (place === 'straddle') return address + size - STRADDLING_BYTES;
    if (place === 'readonly') return this.arena.regions.readonly.address + READONLY_IOCB;
    return this.spot(this.arena.regions.iocbs, place, 0);
  }

  /** A user address as a number that means the same on both sides. */
  placeOf(address: number): number {
    const { iocbs, readonly } = this.arena.regions;
    for (const region of [iocbs, readonly]) {
      const inside = address - region.address;
      if (inside >= 0 && inside < region.size) return inside;
    }
    return address;
  }

  /** Writes an iocb, and its iovecs. @param serial - What `aio_data` is made from. */
  writeIocb(request: Request, serial: number): void {
    const { at } = request;
    if (at === 'nowhere' || at === 'null' || at === 'kernel' || at === 'readonly') return;
    const { iocbs } = this.arena.regions;
    const start = this.iocb(at) - iocbs.address;
    if (at === 'straddle') {
      const whole = new DataView(new ArrayBuffer(IOCB_BYTES));
      this.#encode(request, serial, whole, 0);
      iocbs.bytes.set(new Uint8Array(whole.buffer, 0, STRADDLING_BYTES), start);
    } else {
      this.#encode(request, serial, this.#iocbs, start);
    }
    const first = start / WORD;
    const last = Math.min(first + IOCB_BYTES / WORD, this.shadow.length);
    for (let word = first; word < last; word++) this.shadow[word] = iocbs.words[word]!;
  }

  /** Sets `aio_key` of an iocb that lies in a slot. */
  writeKey(place: IocbPlace, key: number): void {
    if (typeof place === 'number')
      this.#iocbs.setUint32((place % IOCB_SLOTS) * IOCB_BYTES + KEY, key, LITTLE_ENDIAN);
  }

  /** The keys of all iocbs. */
  get keys(): number[] {
    return [...this.arena.regions.iocbs.words.filter((_, word) => isKey(word))];
  }

  hasKeysOf(other: Structures): boolean {
    const [mine, others] = [this.arena.regions.iocbs.words, other.arena.regions.iocbs.words];
    for (let word = KEY / WORD; word < KEY_WORDS; word += IOCB_BYTES / WORD)
      if (mine[word] !== others[word]) return false;
    return mine[ODD_KEY_WORD] === others[ODD_KEY_WORD];
  }

  /** Whether the kernel wrote into an iocb what it must not. `aio_key` is for the caller to compare. */
  get iocbsAreAltered(): boolean {
    const { words } = this.arena.regions.iocbs;
    for (let word = 0; word < words.length; word++)
      if (words[word] !== this.shadow[word] && !isKey(word)) return true;
    return false;
  }

  #encode(request: Request, serial: number, view: DataView, at: number): void {
    const { opcode, nbytes = defaultLength(request), offset = 0, reserved2 = 0 } = request;
    view.setUint32(at + LOW_HALF_BYTES, serial, LITTLE_ENDIAN);
    view.setUint32(at + HIGH_HALF_BYTES, Math.imul(serial, 0x9e37_79b1), LITTLE_ENDIAN);
    view.setUint32(at + KEY, request.key ?? 0, LITTLE_ENDIAN);
    view.setUint32(at + RW_FLAGS, request.rw_flags ?? 0, LITTLE_ENDIAN);
    view.setUint16(at + 16, opcode, LITTLE_ENDIAN);
    view.setUint16(at + 18, request.reqprio ?? 0, LITTLE_ENDIAN);
    view.setUint32(at + 20, this.#fd(request.file), LITTLE_ENDIAN);
    setLong(view, at + 24, this.#bufferOf(request));
    setLong(view, at + 32, nbytes);
    setLong(view, at + 40, offset);
    setLong(view, at + 48, reserved2);
    view.setUint32(at + 56, request.flags ?? 0, LITTLE_ENDIAN);
    view.setUint32(at + 60, request.resfd === undefined ? 0 : this.#fd(request.resfd), LITTLE_ENDIAN);
  }

  /** What lies in memory that can only be read: an iocb that is right, but for that, behind zeros for arrays. */
  #readonlyContent(): Uint8Array {
    const view = new DataView(new ArrayBuffer(READONLY_DATA));
    this.#encode({ at: 'readonly', opcode: 0, file: 'zero', nbytes: 0 }, 0, view, READONLY_IOCB);
    return new Uint8Array(view.buffer);
  }

  #bufferOf(request: Request): Value {
    const { opcode, buffer, segments = [], array = 'start', mask = 0 } = request;
    if (!isTransfer(opcode)) return mask;
    if (!isVectored(opcode)) return buffer === undefined ? 0 : this.address(buffer);
    const { iovecs, oddIovecs } = this.arena.regions;
    const bytes = segments.length * IOVEC_BYTES;
    let region = iovecs;
    let start: number;
    if (array === 'start') {
      start = this.#iovecs;
      this.#iovecs += bytes + IOVEC_BYTES;
    } else if (array === 'odd') {
      region = oddIovecs;
      start = this.#oddIovecs + ODD;
      this.#oddIovecs += bytes + IOVEC_BYTES;
    } else if (array === 'straddle') {
      start = region.size - bytes;
      this.#iovecs += IOVEC_BYTES;
    } else {
      return this.spot(region, array, 0);
    }
    const view = viewOf(region);
    segments.forEach(({ base, length }, index) => {
      setLong(view, start + index * IOVEC_BYTES, this.address(base));
      setLong(view, start + index * IOVEC_BYTES + POINTER_BYTES, length);
    });
    return region.address + start;
  }

  /** Writes an array of pointers to iocbs. @returns Its address. */
  pointers(places: readonly IocbPlace[], spot: Spot): number {
    const region = spot === 'odd' ? this.arena.regions.oddPointers : this.arena.regions.pointers;
    const address = this.spot(region, spot, places.length * POINTER_BYTES);
    if (spot !== 'start' && spot !== 'odd' && spot !== 'straddle') return address;
    this.#pointers = 1;
    const view = viewOf(region);
    places.forEach((place, index) => {
      setLong(view, address - region.address + index * POINTER_BYTES, this.iocb(place));
    });
    return address;
  }

  timeout(timeout: Timeout | undefined): number {
    if (timeout === undefined) return 0;
    if (typeof timeout === 'string') return this.spot(this.arena.regions.words, timeout, 0);
    const { words } = this.arena.regions;
    const view = viewOf(words);
    setLong(view, TIMESPEC, timeout.sec);
    setLong(view, TIMESPEC + 8, timeout.nsec);
    return words.address + TIMESPEC;
  }

  sigset(sigset: Sigset): number {
    if (typeof sigset === 'string') return this.spot(this.arena.regions.words, sigset, 0);
    const { words, nowhere } = this.arena.regions;
    const { mask, size } = sigset;
    const at = mask === 'valid' ? words.address + SIGMASK : mask === 'null' ? 0 : nowhere.address;
    const view = viewOf(words);
    setLong(view, SIGSET, at);
    setLong(view, SIGSET + 8, size);
    return words.address + SIGSET;
  }

  /** Writes the word for a handle. @returns Its address. */
  ctxp(spot: Spot, value: number): number {
    const { words } = this.arena.regions;
    const address = this.spot(words, spot, POINTER_BYTES / 2);
    if (spot === 'start' || spot === 'odd') setLong(viewOf(words), address - words.address, value);
    return address;
  }

  handleAt(spot: Spot): number {
    const { words } = this.arena.regions;
    if (spot !== 'start' && spot !== 'odd') return 0;
    return Number(viewOf(words).getBigUint64(spot === 'odd' ? ODD : 0, LITTLE_ENDIAN));
  }

  events(spot: Spot, room: number): number {
    return this.spot(this.arena.regions.events, spot, room * IO_EVENT_BYTES);
  }

  /** Words of an event that was handed out; `undefined` where none can be. */
  eventWord(spot: Spot, room: number, index: number, word: number): number {
    const { events } = this.arena.regions;
    const at = this.events(spot, room) - events.address + index * IO_EVENT_BYTES;
    return events.words[at / WORD + word]!;
  }

  /** Fills part of the data window with bytes of which no 8 look like an address. */
  poke(at: number, length: number, byte: number): void {
    const { bytes } = this.arena.regions.data;
    const start = at % DATA_BYTES;
    const end = Math.min(start + length, DATA_BYTES);
    bytes.set(PATTERN.subarray(start + (byte & 0x7f), end + (byte & 0x7f)), start);
  }
}

const PATTERN = Uint8Array.from({ length: DATA_BYTES + 0x80 }, (_, at) => 0x80 | (at & 0x7f));

/** Whether a word of the region for iocbs is an `aio_key`. */
function isKey(word: number): boolean {
  return word < KEY_WORDS ? word % (IOCB_BYTES / WORD) === KEY / WORD : word === ODD_KEY_WORD;
}

/** What `aio_nbytes` is where a program says nothing. */
function defaultLength({ opcode, segments = [] }: Request): number {
  return isVectored(opcode) ? segments.length : 0;
}

const views = new WeakMap<Region, DataView>();

function viewOf(region: Region): DataView {
  let view = views.get(region);
  if (view === undefined) {
    const { buffer, byteOffset, byteLength } = region.bytes;
    view = new DataView(buffer, byteOffset, byteLength);
    views.set(region, view);
  }
  return view;
}

/** A 64-bit field, cut to its width. */
function setLong(view: DataView, at: number, value: Value): void {
  if (typeof value === 'number' && value >= 0) {
    view.setUint32(at + LOW_HALF_BYTES, value % 0x1_0000_0000, LITTLE_ENDIAN);
    view.setUint32(at + HIGH_HALF_BYTES, Math.floor(value / 0x1_0000_0000), LITTLE_ENDIAN);
  } else {
    view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), LITTLE_ENDIAN);
  }
}
