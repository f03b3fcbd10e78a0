/** How iocbs are made up: valid ones mostly, with every field wrong now and then. */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  MAX_RW_COUNT,
  RWF_DSYNC,
  RWF_SYNC,
  UIO_MAXIOV,
} from '../common/abi/constants.ts';
import { DATA_BYTES } from './arena.ts';
import {
  EVENTFDS,
  FILES,
  type FileName,
  type FileRef,
  IOCB_SLOTS,
  type IocbPlace,
  isDirect,
  isTransfer,
  isVectored,
  isWrite,
  OWN_STREAMS,
  type Place,
  type Request,
  type Spot,
  type Value,
} from './program.ts';
import type { Random } from './random.ts';
import type { Variant } from './variants.ts';

/** What of a program makes sense on both kernels. */
export interface Scope extends Readonly<Record<Variant, boolean>> {
  /** The emulation sees the flags that a descriptor was opened with. */
  readonly openFlags: boolean;
  /** The emulation can poll descriptors of the host. */
  readonly pollsDescriptors: boolean;
  /** Transfers run inside `io_submit` on both. */
  readonly runsInSubmit: boolean;
  /** RWF_* bits that both know. */
  readonly rw_flags: number;
  /** RWF_* bits that one of them knows and the other does not. */
  readonly unequal_rw_flags: number;
  /** The file system takes files larger than plain Node.js has numbers for. */
  readonly hugeFiles: boolean;
  /** Both let this process ask for the realtime class. */
  readonly realtime: boolean;
  /** Files that this file system offers. */
  readonly files: readonly FileName[];
}

/** Bytes that can be read in the page that can only be read. */
const READONLY_BYTES = 3072;
const HOST_STREAMS: readonly FileRef[] = ['pipe-reader', 'pipe-writer', 'socket', 'socket-peer'];
const MOST_STREAMED = 3000;
const SECTOR = 512;
const MOST_DIRECT = 4096;

const OPCODES = [
  IOCB_CMD_PREAD,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREAD,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITEV,
  IOCB_CMD_POLL,
] as const;
const WRONG_OPCODES = [4, 6, 9, 0x100, 0xffff] as const;
/** Cheap ones are more frequent: direct I/O waits for the device. */
const USUAL_FILES: readonly FileRef[] = [
  ...(['regular', 'regular', 'regular', 'read-only', 'write-only', 'empty', 'append'] as const),
  ...(['null', 'zero', 'pipe-reader', 'pipe-writer', 'socket', 'socket-peer'] as const),
  ...OWN_STREAMS,
];
const RARE_FILES: readonly FileRef[] = [
  ...(['directory', 'full', 'path', 'never-open', 'minus-one', ...EVENTFDS] as const),
];
export const EDGES: readonly Value[] = [
  -1,
  -4096,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_ffff,
  0x1_0000_0000,
  0x7fff_f000,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const BAD_SPOTS: readonly Exclude<Spot, 'start'>[] = [
  'odd',
  'straddle',
  'readonly',
  'nowhere',
  'null',
  'kernel',
];

export class Requests {
  readonly #random: Random;
  readonly #scope: Scope;
  readonly #files: readonly FileRef[];
  readonly #rareFiles: readonly FileRef[];

  constructor(random: Random, scope: Scope) {
    this.#random = random;
    this.#scope = scope;
    const offered = (name: FileRef): boolean =>
      !(FILES as readonly FileRef[]).includes(name) || scope.files.includes(name as FileName);
    // Without these flags the emulation takes an O_PATH descriptor for one that can neither read nor write.
    this.#files = USUAL_FILES.filter(offered);
    this.#rareFiles = RARE_FILES.filter((name) => offered(name) && (name !== 'path' || scope.openFlags));
  }

  spot(): Spot {
    return this.#random.once(30) ? this.#random.pick(BAD_SPOTS) : 'start';
  }

  iocbPlace(): IocbPlace {
    return this.#random.once(30) ? this.#random.pick(BAD_SPOTS) : this.#random.below(IOCB_SLOTS);
  }

  /** A request of any kind. */
  any(): Request {
    const random = this.#random;
    const opcode = random.once(40) ? random.pick(WRONG_OPCODES) : this.#opcode();
    const request = isTransfer(opcode) ? this.transfer(opcode) : this.#other(opcode);
    return random.once(4) ? this.#mutate(request) : request;
  }

  #opcode(): number {
    // The sync behind them can take milliseconds.
    return this.#random.once(40)
      ? this.#random.pick([IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC])
      : this.#random.pick(OPCODES);
  }

  /** A transfer of a pipe or socket of which the memory ends somewhere, as a rule within the pages that are moved. */
  fault(opcode: number, file: FileRef): Request {
    if (!this.#scope.cleanFaults) return this.transfer(opcode, file);
    const random = this.#random;
    const there = random.pick([1, 4, 100, 4095, 4096, 4097, 5000, 8192, 12_000]);
    const nbytes = there + random.pick([1, 4, 100, 4096, 5000, 20_000, 70_000]);
    const base: Place = { in: 'data', at: DATA_BYTES - there };
    const common = { at: this.iocbPlace(), opcode, file };
    if (!isVectored(opcode)) return { ...common, buffer: base, nbytes };
    const before = { base: this.#place(), length: random.pick([0, 0, 1, 100, 4096]) };
    return { ...common, segments: [before, { base, length: nbytes }], array: 'start' };
  }

  /** A read or a write that runs inside `io_submit`, as a rule. */
  transfer(opcode: number, file = this.#file()): Request {
    const common = { at: this.iocbPlace(), opcode, file };
    if (isVectored(opcode)) {
      const segments = Array.from({ length: this.#random.below(4) }, () => ({
        base: this.#place(),
        length: this.#segmentLength(),
      }));
      return this.#sensible({ ...common, segments, array: this.spot(), offset: this.#offset() });
    }
    return this.#sensible({
      ...common,
      buffer: this.#place(),
      nbytes: this.#length(),
      offset: this.#offset(),
    });
  }

  #other(opcode: number): Request {
    const random = this.#random;
    if (opcode === IOCB_CMD_POLL) return this.poll(this.#pollable());
    const common = { at: this.iocbPlace(), opcode };
    if (random.once(6)) return { ...common, file: this.#file() };
    return { ...common, file: random.pick(['directory', 'directory', 'null', 'null', 'read-only'] as const) };
  }

  poll(wanted: FileRef): Request {
    const random = this.#random;
    const file = wanted === 'own-pipe-writer' && !this.#scope.wakesByPage ? 'own-pipe-reader' : wanted;
    return {
      at: this.iocbPlace(),
      opcode: IOCB_CMD_POLL,
      file,
      mask: random.once(10)
        ? random.pick([0, 0xffff, 0x1_0000, 0x2000, 8, 2, 0x10])
        : random.pick([1, 1, 1, 4, 5]),
    };
  }

  #pollable(): FileRef {
    const random = this.#random;
    if (random.once(5)) {
      const file = this.#file();
      if (this.#scope.pollsDescriptors || !HOST_STREAMS.includes(file)) return file;
    }
    return random.pick(random.once(2) ? OWN_STREAMS : EVENTFDS);
  }

  #file(): FileRef {
    const random = this.#random;
    if (random.once(60)) {
      const direct = random.pick(['direct', 'direct-read-only'] as const);
      if (this.#scope.files.includes(direct)) return direct;
    }
    return random.once(8) ? random.pick(this.#rareFiles) : random.pick(this.#files);
  }

  #place(): Place {
    const random = this.#random;
    if (!random.once(15)) {
      const at = random.once(10) ? random.pick([0, 1, DATA_BYTES - 1]) : random.below(DATA_BYTES);
      return { in: 'data', at };
    }
    if (random.once(2))
      return { in: random.pick(['readonly', 'nowhere'] as const), at: random.below(READONLY_BYTES) };
    return { in: random.pick(['null', 'kernel', this.#scope.usualLimit ? 'limit' : 'kernel'] as const) };
  }

  #length(): Value {
    const random = this.#random;
    if (random.once(15)) return random.pick([0, 20_000, ...EDGES]);
    return random.below(random.once(2) ? 64 : 3000);
  }

  #segmentLength(): Value {
    const length = this.#length();
    return this.#scope.cutsOneSegment || length < MAX_RW_COUNT || length >= 2n ** 63n ? length : 20_000;
  }

  #offset(): Value {
    const random = this.#random;
    if (random.once(12)) return random.pick([2n ** 63n - 4096n, 2n ** 44n - 4096n, 2 ** 40, ...EDGES]);
    return random.once(2) ? 0 : random.below(12_000);
  }

  /** Sets one or two fields that requests normally leave alone. */
  #mutate(request: Request): Request {
    let mutated = request;
    for (let times = 1 + this.#random.below(2); times > 0; times--)
      mutated = { ...mutated, ...this.#field(mutated) };
    // What must hold for the file holds for the new fields, too.
    return isTransfer(mutated.opcode) ? this.#sensible(mutated) : mutated;
  }

  #field({ opcode }: Request): Partial<Request> {
    const random = this.#random;
    switch (random.below(9)) {
      case 0:
        return { rw_flags: this.#rwFlags() };
      case 1:
      case 2:
        return { flags: 1, resfd: random.pick(['eventfd-0', 'eventfd-1', 'eventfd-semaphore'] as const) };
      case 3:
        return {
          flags: random.pick([1, 3, 5]),
          resfd: random.pick(['never-open', 'minus-one', 'regular', 'eventfd-0'] as const),
        };
      case 4:
        return {
          flags: random.pick([2, 4, 0x8000_0000, 0xffff_fffe]),
          reqprio: random.pick(
            [0, 1, 0x2000, 0x4004, 0x6000, 0x8000, 0xffff].filter((one) => this.#mayAsk(one)),
          ),
        };
      case 5:
        return { reserved2: random.pick([1, 0xffff_ffff, 2n ** 63n] as const) };
      case 6:
        return { key: random.pick([1, 0xffff_ffff]) };
      case 7:
        return isVectored(opcode)
          ? { nbytes: random.pick([0, 1, 1024, 1025, 0x1_0000_0000, 0x1_0000_0001, -1, 2n ** 63n]) }
          : { nbytes: random.pick([0, 1, ...EDGES]) };
      default:
        return { offset: random.pick([1, ...EDGES]) };
    }
  }

  #sensible(request: Request): Request {
    const { opcode, offset = 0 } = request;
    const isFar = offset > Number.MAX_SAFE_INTEGER && offset < 2n ** 63n;
    if (!this.#scope.cleanFaults && OWN_STREAMS.some((stream) => stream === request.file))
      return withMemory(request, MOST_STREAMED, 1);
    return sensible(
      isFar && isWrite(opcode) && this.#scope.hugeFiles ? { ...request, offset: 2 ** 40 } : request,
    );
  }

  #mayAsk(reqprio: number): boolean {
    return this.#scope.realtime || reqprio >> 13 !== 1;
  }

  #rwFlags(): number {
    const random = this.#random;
    const { rw_flags, unequal_rw_flags } = this.#scope;
    const bits = (mask: number): number[] =>
      Array.from({ length: 32 }, (_, bit) => (1 << bit) >>> 0).filter((bit) => (mask & bit) !== 0);
    if (random.once(4)) return random.pick(bits(~unequal_rw_flags));
    // Syncing takes its time.
    const cheap = rw_flags & ~(RWF_DSYNC | RWF_SYNC);
    return random.once(20) ? random.pick(bits(rw_flags)) : random.pick([0, ...bits(cheap)]);
  }
}

/**
 * Keeps a transfer within what Linux promises and plain Node.js can do. Each of these is told in docs/fuzzing.md.
 */
function sensible(request: Request): Request {
  const { file } = request;
  if (HOST_STREAMS.includes(file)) return withMemory(request, MOST_STREAMED, 1);
  if (isDirect(file)) return { ...withMemory(request, MOST_DIRECT, SECTOR), offset: sectorOf(request) };
  if (!isWrite(request.opcode)) return request;
  if (file === 'append' && (request.offset ?? 0) > Number.MAX_SAFE_INTEGER) return { ...request, offset: 0 };
  return mayFault(request) ? { ...request, offset: 0 } : request;
}

/**
 * How much of a transfer that runs into missing memory goes through depends on what lies in a pipe or socket (FILE-15, FILE-16),
 * which the emulation cannot know of one of the host's, and with O_DIRECT nothing does (BUF-07), which it cannot know of a descriptor.
 */
function withMemory(request: Request, most: number, step: number): Request {
  const place = (one: Place | undefined): Place => {
    if (one?.in === 'kernel' || one?.in === 'limit') return { in: 'kernel' };
    const at = one?.in === 'data' ? one.at % (DATA_BYTES - most) : 0;
    return { in: 'data', at: at - (at % step) };
  };
  const length = (one: Value): Value => {
    if (one < 0 || one >= 2n ** 63n) return one;
    const cut = Number(one) % most;
    return cut - (cut % step);
  };
  const { buffer, segments, nbytes } = request;
  if (segments !== undefined) {
    const { nbytes: _, ...rest } = request;
    return {
      // Elements of another array may lie behind this one, with memory that is missing.
      ...(readsOn(request) ? rest : request),
      segments: segments.map((one) => ({ base: place(one.base), length: length(one.length) })),
    };
  }
  return {
    ...request,
    ...(buffer === undefined ? {} : { buffer: place(buffer) }),
    ...(nbytes === undefined ? {} : { nbytes: length(nbytes) }),
  };
}

/** Whether the kernel takes more elements for an array of iovecs than were put there. */
function readsOn({ segments, nbytes }: Request): boolean {
  if (segments === undefined || nbytes === undefined) return false;
  const count = Number(BigInt.asUintN(32, BigInt(nbytes)));
  return count > segments.length && count <= UIO_MAXIOV;
}

/**
 * A direct read that the end of the file cuts short leaves zeros behind what it read (observed on ext4, 6.18), about which
 * nothing is promised: reads lie inside the file, or begin far behind its end.
 */
function sectorOf({ opcode, offset = 0 }: Request): Value {
  if (offset < 0 || offset >= 2n ** 63n) return offset;
  const cut = Number(offset) % (isWrite(opcode) ? 0x1_0000 : MOST_DIRECT);
  const far = !isWrite(opcode) && offset > 0x1_0000 ? 0x10_0000 : 0;
  return far + cut - (cut % SECTOR);
}

/**
 * Whether a write can run into missing memory. Beyond the end of a file such a write may lengthen it all the same (ext4,
 * observed on 6.18), which is the file system's doing: these go to the beginning.
 */
function mayFault(request: Request): boolean {
  const { buffer, segments = [], nbytes = 0 } = request;
  const faults = (place: Place | undefined, length: Value): boolean =>
    (place?.in === 'data' ? place.at + Number(length) > DATA_BYTES : place?.in !== 'readonly') ||
    (place?.in === 'readonly' && place.at + Number(length) > READONLY_BYTES);
  return (
    readsOn(request) || faults(buffer, nbytes) || segments.some(({ base, length }) => faults(base, length))
  );
}
