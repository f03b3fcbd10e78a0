/** One of the two kernels, with its memory, files and contexts: turns the names in a program into addresses and numbers. */
import { HIGH_HALF, LOW_HALF } from '../common/abi/byte-order.ts';
import { EFD_NONBLOCK, EFD_SEMAPHORE } from '../common/abi/constants.ts';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES } from '../common/abi/layout.ts';
import type { AioKernel } from '../common/kernel/aio-kernel.ts';
import { type AioRing, MappedRing, resultFromHalves } from '../common/kernel/mapped-ring.ts';
import { EmulatedKernel } from '../emulated/index.ts';
import { AddressSpace } from '../emulated/memory/mm.ts';
import { NativeKernel } from '../native/index.ts';
import { Arena } from './arena.ts';
import { EnvironmentBroken } from './environment.ts';
import type { FileSet } from './files.ts';
import {
  CONTEXT_SLOTS,
  type ContextRef,
  EVENTFDS,
  type EventfdName,
  type FileName,
  type FileRef,
  isOwnStream,
  OWN_STREAMS,
  type OwnStream,
  RING_WORDS,
  type RingWord,
  type Spot,
  type Value,
} from './program.ts';
import { Structures } from './structures.ts';

const O_NONBLOCK = 0o4000;
const NEVER_OPEN = 1_000_000;
const INSIDE = 8;

const WORD_INDEX: Readonly<Record<RingWord, number>> = {
  id: 0,
  nr: 1,
  head: 2,
  tail: 3,
  magic: 4,
  header_length: 7,
};
export const HEADER_WORDS = AIO_RING_HEADER_BYTES / 4;
const EVENT_WORDS = IO_EVENT_BYTES / 4;

/** An event, with `obj` as a place rather than an address. */
export interface Seen {
  /** Which request: what its `aio_data` was made from. */
  readonly serial: number;
  readonly dataHigh: number;
  readonly obj: number;
  readonly res: number;
  readonly res2: number;
}

/** A context of one kernel. */
export interface Context {
  readonly handle: number;
  /** Cells, as they were at the beginning. */
  readonly cells: number;
  /** The id in its ring, as it was at the beginning. */
  readonly id: number;
  readonly ring: AioRing;
  /** The whole ring, header first, as it is in memory. */
  readonly words: Uint32Array;
  /** The kernel's own tail, where the program has written another into the header; else -1. */
  hiddenTail: number;
}

/** Low half of `aio_data` in a cell. */
export function serialIn({ words }: Context, cell: number): number {
  return words[HEADER_WORDS + cell * EVENT_WORDS]!;
}

/** Writes a tail into the header. The cell that the kernel writes next is marked, so that its next event shows. */
export function fakeTail(context: Context, tail: number): void {
  const { words } = context;
  context.hiddenTail = tailOf(context);
  words[WORD_INDEX.tail] = tail;
  words[markOf(context.hiddenTail)] = MARK;
}

/** The kernel's own tail. */
export function tailOf(context: Context): number {
  const { words, hiddenTail } = context;
  if (hiddenTail !== -1 && words[markOf(hiddenTail)] === MARK) return hiddenTail;
  context.hiddenTail = -1;
  return words[WORD_INDEX.tail]!;
}

/** The upper half of `res2`, which the kernel always writes as 0. */
const markOf = (cell: number): number => HEADER_WORDS + cell * EVENT_WORDS + EVENT_WORDS - 1;
const MARK = 0x6b61_696f;

export class Side {
  readonly kernel: AioKernel;
  readonly structures: Structures;
  readonly files: FileSet;
  readonly contexts: (Context | undefined)[] = CONTEXT_SLOTS.map(() => undefined);
  readonly #live: Map<number, number>;
  /** A handle that was valid once. */
  #stale = 0;
  readonly #eventfds = new Map<EventfdName, number>();
  /** Eventfds that a program has named. */
  readonly named = new Set<EventfdName>();
  /** Whether it has named one of {@link OWN_STREAMS}. */
  namedStreams = false;
  readonly #streams = new Map<OwnStream, number>();
  readonly #held: FileName[] = [];

  constructor(kernel: AioKernel, files: FileSet) {
    this.kernel = kernel;
    this.files = files;
    this.#live = liveOf(kernel);
    this.structures = new Structures(new Arena(kernel), (ref) => this.fd(ref));
    for (const name of EVENTFDS) this.#openEventfd(name);
    this.#openStreams();
  }

  // Names

  handle(ref: ContextRef): number {
    switch (ref) {
      case 'null':
        return 0;
      case 'minus-one':
        return -1;
      case 'inside':
        return this.contexts[0]!.handle + INSIDE;
      case 'destroyed':
        // A new context may lie at the address of an old one (SETUP-12).
        return this.#live.has(this.#stale) ? 0 : this.#stale;
      default:
        return this.contexts[ref]?.handle ?? 0;
    }
  }

  fd(ref: FileRef): number {
    if (ref === 'never-open') return NEVER_OPEN;
    if (ref === 'minus-one') return 0xffff_ffff;
    if (ref in this.files.fds) return this.files.fds[ref as FileName];
    return isOwnStream(ref) ? this.#stream(ref as OwnStream) : this.eventfd(ref as EventfdName);
  }

  eventfd(name: EventfdName): number {
    this.named.add(name);
    return this.#eventfds.get(name) ?? NEVER_OPEN;
  }

  // Contexts

  setup(nr: Value, spot: Spot | 'occupied'): { answer: number; handle: number } {
    const where = spot === 'occupied' ? 'start' : spot;
    const at = this.structures.ctxp(where, spot === 'occupied' ? 1 : 0);
    const answer = this.kernel.io_setup(nr, at);
    return { answer, handle: this.structures.handleAt(where) };
  }

  /** A context as seen from here. The view of its ring is good until the context is destroyed, which only the fuzzer does. */
  context(handle: number): Context {
    const header = this.kernel.memory.read(handle, AIO_RING_HEADER_BYTES);
    if (header === undefined) throw new Error('the ring of a context cannot be read');
    const first = new Uint32Array(header.buffer, header.byteOffset, HEADER_WORDS);
    const [id, cells] = [first[0]!, first[1]!];
    this.#live.set(handle, (this.#live.get(handle) ?? 0) + 1);
    const buffer = this.#ringMemory(handle, AIO_RING_HEADER_BYTES + cells * IO_EVENT_BYTES);
    return {
      handle,
      cells,
      id,
      ring: new MappedRing(buffer),
      words: new Uint32Array(buffer),
      hiddenTail: -1,
    };
  }

  #ringMemory(handle: number, bytes: number): ArrayBuffer {
    const { kernel } = this;
    if (kernel instanceof NativeKernel) return kernel.libc.view(handle, bytes);
    const { memory } = kernel;
    const ring = memory instanceof AddressSpace ? memory.reach(handle, bytes, 'read') : undefined;
    if (ring?.base !== handle || !(ring.buffer instanceof ArrayBuffer))
      throw new Error('the ring of an emulated context cannot be reached');
    return ring.buffer;
  }

  /** Takes a context out of its slot. */
  forget(slot: number): Context | undefined {
    const context = this.contexts[slot];
    this.contexts[slot] = undefined;
    return context;
  }

  /** A context is no more. */
  destroyed(handle: number): void {
    const left = this.#live.get(handle)! - 1;
    if (left > 0) this.#live.set(handle, left);
    else this.#live.delete(handle);
    this.#stale = handle;
  }

  // Events

  /** An event that the kernel handed out. */
  seen(spot: Spot, room: number, index: number): Seen {
    const half = (field: number, which: number): number =>
      this.structures.eventWord(spot, room, index, field * 2 + which);
    const halves = (field: number): [number, number] => [half(field, LOW_HALF), half(field, HIGH_HALF)];
    const [objLow, objHigh] = halves(1);
    return {
      serial: half(0, LOW_HALF),
      dataHigh: half(0, HIGH_HALF),
      obj: this.structures.placeOf(objLow + objHigh * 0x1_0000_0000),
      res: resultFromHalves(...halves(2)),
      res2: resultFromHalves(...halves(3)),
    };
  }

  // Files

  #openEventfd(name: EventfdName): void {
    const fd = this.kernel.eventfd(0, EFD_NONBLOCK | (name === 'eventfd-semaphore' ? EFD_SEMAPHORE : 0));
    if (fd < 0) throw new EnvironmentBroken(`eventfd answered errno ${-fd}`);
    this.#eventfds.set(name, fd);
  }

  closeEventfd(name: EventfdName): number {
    this.named.add(name);
    const fd = this.#eventfds.get(name);
    if (fd === undefined) return 0;
    this.#eventfds.delete(name);
    return this.kernel.close(fd);
  }

  /** Pairs of which nothing is left over from an earlier program. */
  #openStreams(): void {
    const { kernel } = this;
    const [pipe, sockets] =
      kernel instanceof EmulatedKernel
        ? [kernel.pipe(O_NONBLOCK), kernel.socketpair(O_NONBLOCK)]
        : [this.files.calls.pair('pipe2'), this.files.calls.pair('socketpair')];
    [...pipe, ...sockets].forEach((fd, at) => {
      this.#streams.set(OWN_STREAMS[at]!, fd);
    });
    this.namedStreams = false;
  }

  #stream(name: OwnStream): number {
    this.namedStreams = true;
    return this.#streams.get(name) ?? NEVER_OPEN;
  }

  closeStream(name: OwnStream): number {
    this.namedStreams = true;
    const fd = this.#streams.get(name);
    if (fd === undefined) return 0;
    this.#streams.delete(name);
    return this.kernel.close(fd);
  }

  shutdown(name: OwnStream, how: number): number {
    const { kernel } = this;
    const fd = this.#stream(name);
    return kernel instanceof EmulatedKernel ? kernel.shutdown(fd, how) : this.files.calls.shutdown(fd, how);
  }

  hold(name: FileName): void {
    this.kernel.fget(this.files.fds[name]);
    this.#held.push(name);
  }

  /** Ends the promises for a descriptor, or for all. */
  unhold(name?: FileName): void {
    for (let at = this.#held.length - 1; at >= 0; at--) {
      if (name !== undefined && this.#held[at] !== name) continue;
      this.kernel.fput(this.files.fds[this.#held[at]!]);
      this.#held.splice(at, 1);
    }
  }

  /** Makes memory, descriptors and eventfds what they are at the beginning of a program. */
  reset(): void {
    this.unhold();
    for (const name of this.named) {
      this.closeEventfd(name);
      this.#openEventfd(name);
    }
    this.named.clear();
    if (this.namedStreams) {
      for (const name of OWN_STREAMS) this.closeStream(name);
      this.#openStreams();
    }
    this.files.reset();
    this.structures.reset();
  }

  dispose(): void {
    this.unhold();
    for (const name of EVENTFDS) this.closeEventfd(name);
    for (const name of OWN_STREAMS) this.closeStream(name);
    this.files.dispose();
  }
}

/**
 * By handle, how many contexts of a kernel are not yet known to be destroyed. Two for a moment, where a new one is made at
 * the address of one whose end was not yet heard of.
 */
const live = new WeakMap<AioKernel, Map<number, number>>();

function liveOf(kernel: AioKernel): Map<number, number> {
  const known = live.get(kernel) ?? new Map<number, number>();
  live.set(kernel, known);
  return known;
}

export const wordIndex = (word: RingWord): number => WORD_INDEX[word];
export { RING_WORDS };
