/**
 * What a fuzzed program is: plain data over named slots, so that it can be generated, shrunk, printed and run again.
 *
 * Nothing in it is an address or a descriptor number: two kernels run it, each in memory and with files of its own.
 */

/** What fits into a register or a 64-bit field. */
export type Value = number | bigint;

/** Memory that data is read from and written to, and addresses where there is none. */
export type Place =
  /** Bytes of the data window; it ends at memory that is certainly unmapped. */
  | { readonly in: 'data'; readonly at: number }
  /** A page that can only be read. */
  | { readonly in: 'readonly'; readonly at: number }
  /** Reserved addresses without memory. */
  | { readonly in: 'nowhere'; readonly at: number }
  | { readonly in: 'null' }
  /** Beyond the user's half. */
  | { readonly in: 'kernel' }
  /** The first address above user space. */
  | { readonly in: 'limit' };

/** Where structures for the kernel lie: as a rule at the start of their region. */
export type Spot =
  | 'start'
  /** Not aligned to anything. */
  | 'odd'
  /** So that the last bytes are unmapped. */
  | 'straddle'
  | 'readonly'
  | 'nowhere'
  | 'null'
  | 'kernel';

/** Slots for contexts: the first two are always there, the others only after `setup`. */
export type ContextSlot = 0 | 1 | 2 | 3;
export const CONTEXT_SLOTS: readonly ContextSlot[] = [0, 1, 2, 3];

/** What is passed as a context. */
export type ContextRef = ContextSlot | 'null' | 'minus-one' | 'inside' | 'destroyed';

/** Files that both kernels have, each its own. */
export const FILES = [
  'regular',
  'read-only',
  'write-only',
  'append',
  'empty',
  'directory',
  'null',
  'zero',
  'full',
  'pipe-reader',
  'pipe-writer',
  'socket',
  'socket-peer',
  'path',
  'direct',
  'direct-read-only',
] as const;
export type FileName = (typeof FILES)[number];

export const EVENTFDS = ['eventfd-0', 'eventfd-1', 'eventfd-semaphore'] as const;
export type EventfdName = (typeof EVENTFDS)[number];

/** Pipe and sockets of the kernel under test itself: real ones on Linux, the emulation's own in the emulation. */
export const OWN_STREAMS = ['own-pipe-reader', 'own-pipe-writer', 'own-socket', 'own-socket-peer'] as const;
export type OwnStream = (typeof OWN_STREAMS)[number];

/** Numbers that are certainly no open descriptor. */
export const NO_FILES = ['never-open', 'minus-one'] as const;
export type NoFileName = (typeof NO_FILES)[number];

export type FileRef = FileName | EventfdName | OwnStream | NoFileName;

/** Iocbs have places of their own, as many as this. */
export const IOCB_SLOTS = 16;

/** Where an iocb lies: in a slot, or elsewhere. */
export type IocbPlace = number | Exclude<Spot, 'start'>;

/** An element of an array of iovecs. */
export interface Segment {
  readonly base: Place;
  readonly length: Value;
}

/** One iocb. Absent fields are 0, or what the opcode normally has. */
export interface Request {
  readonly at: IocbPlace;
  readonly opcode: number;
  readonly file: FileRef;
  /** `aio_buf` of PREAD and PWRITE. */
  readonly buffer?: Place;
  /** What the iovecs of PREADV and PWRITEV say. */
  readonly segments?: readonly Segment[];
  /** Where the array of iovecs lies. */
  readonly array?: Spot;
  /** `aio_buf` of the other opcodes. */
  readonly mask?: Value;
  /** Bytes, or the number of iovecs where that is not how many there are. */
  readonly nbytes?: Value;
  readonly offset?: Value;
  readonly rw_flags?: number;
  readonly flags?: number;
  readonly resfd?: FileRef;
  readonly reqprio?: number;
  readonly reserved2?: Value;
  readonly key?: number;
}

/** An entry of the array: a request, or the same iocb again, by its index in the array. */
export type Entry = Request | { readonly again: number };

/** `undefined` is a null pointer. */
export type Timeout = { readonly sec: Value; readonly nsec: Value } | 'nowhere' | 'kernel';

export type Sigset =
  | { readonly mask: 'valid' | 'null' | 'nowhere'; readonly size: Value }
  | 'nowhere'
  | 'kernel'
  | 'null';

/** Words of the ring's header that a program alters. */
export const RING_WORDS = ['id', 'nr', 'head', 'tail', 'magic', 'header_length'] as const;
export type RingWord = (typeof RING_WORDS)[number];

export interface Submit {
  readonly op: 'submit';
  readonly context: ContextRef;
  readonly entries: readonly Entry[];
  /** If not the number of entries. */
  readonly nr?: Value;
  readonly array?: Spot;
}

/** The same request `count` times in one call. */
export interface Fill {
  readonly op: 'fill';
  readonly context: ContextSlot;
  readonly request: Request;
  readonly count: number;
}

export interface GetEvents {
  readonly op: 'getevents';
  readonly context: ContextRef;
  readonly min_nr: Value;
  readonly nr: Value;
  readonly events?: Spot;
  /** Room for this many before `straddle` ends. */
  readonly room?: number;
  readonly timeout?: Timeout;
  /** Makes it `io_pgetevents`. */
  readonly sigset?: Sigset;
}

export interface Cancel {
  readonly op: 'cancel';
  readonly context: ContextRef;
  readonly iocb: IocbPlace;
  /** Written into `aio_key` before. */
  readonly key?: number;
}

export interface Setup {
  readonly op: 'setup';
  readonly into: 2 | 3;
  readonly nr: Value;
  /** `occupied` is a handle that is not 0. */
  readonly ctxp?: Spot | 'occupied';
}

export interface Destroy {
  readonly op: 'destroy';
  readonly context: ContextRef;
}

export type Operation =
  | Submit
  | Fill
  | GetEvents
  | Cancel
  | Setup
  | Destroy
  | { readonly op: 'eventfd_write'; readonly eventfd: EventfdName; readonly value: bigint }
  | { readonly op: 'eventfd_read'; readonly eventfd: EventfdName }
  | { readonly op: 'eventfd_close'; readonly eventfd: EventfdName }
  | { readonly op: 'stream_close'; readonly stream: OwnStream }
  /** 0: reading, 1: writing, 2: both. */
  | { readonly op: 'shutdown'; readonly socket: OwnStream; readonly how: number }
  /** The descriptor of `file` is closed. */
  | { readonly op: 'close'; readonly file: FileName }
  /** The descriptor of `onto` is used again for another file. */
  | { readonly op: 'dup'; readonly file: FileName; readonly onto: FileName }
  | { readonly op: 'truncate'; readonly file: FileName; readonly length: number }
  /** The owner promises that the descriptor stays what it is. */
  | { readonly op: 'hold'; readonly file: FileName }
  /** Fills part of the data window. */
  | { readonly op: 'poke'; readonly at: number; readonly length: number; readonly byte: number }
  /** Takes events from the mapped ring, as user space may. */
  | { readonly op: 'reap'; readonly context: ContextSlot; readonly max: number }
  /** Adds to a word of the ring's header. */
  | { readonly op: 'ring'; readonly context: ContextSlot; readonly word: RingWord; readonly delta: number };

export type ProgramExecutor = 'submit' | 'threadpool';

export interface Program {
  /** Where the emulation runs requests: inside `io_submit`, as Linux does, or on the thread pool, as it does by default. */
  readonly executor: ProgramExecutor;
  readonly operations: readonly Operation[];
}

/** What two kernels did differently. */
export interface Difference {
  /** Index of the operation, or one past the last for what is found afterwards. */
  readonly step: number;
  readonly what: string;
  readonly native: string;
  readonly emulated: string;
}

const PREADV = 7;
const PWRITEV = 8;
export const isVectored = (opcode: number): boolean => opcode === PREADV || opcode === PWRITEV;
/** PREAD and PWRITE are 0 and 1. */
export const isTransfer = (opcode: number): boolean => opcode <= 1 || isVectored(opcode);
export const isWrite = (opcode: number): boolean => opcode === 1 || opcode === PWRITEV;
export const isEventfd = (file: FileRef): boolean => (EVENTFDS as readonly FileRef[]).includes(file);
export const isOwnStream = (file: FileRef): boolean => (OWN_STREAMS as readonly FileRef[]).includes(file);
export const isDirect = (file: FileRef): boolean => file === 'direct' || file === 'direct-read-only';

/** The request behind each entry; `undefined` for a reference that leads nowhere. */
export function requestsOf(entries: readonly Entry[]): (Request | undefined)[] {
  return entries.map((entry) => {
    if (!('again' in entry)) return entry;
    const other = entries[entry.again];
    return other === undefined || 'again' in other ? undefined : other;
  });
}
