/** What a case works with: a kernel, memory, files, and cleaning up after itself whatever happens. */
import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { LITTLE_ENDIAN } from '../../src/common/abi/byte-order.ts';
import {
  EFD_NONBLOCK,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PWRITE,
  POLLIN,
} from '../../src/common/abi/constants.ts';
import { ERRNO, type ErrnoName, errnoName } from '../../src/common/abi/errno.ts';
import {
  type Abi,
  AIO_RING_HEADER_BYTES,
  abiOf,
  IO_EVENT_BYTES,
  IOCB_BYTES,
} from '../../src/common/abi/layout.ts';
import {
  type AioRingHeader,
  dataView,
  decodeAioRing,
  decodeIocb,
  decodeIoEvent,
  encodeIocb,
  encodeIovec,
  encodeTimespec,
  type Iocb,
  type IoEvent,
} from '../../src/common/abi/structs.ts';
import type { Address, AioContextId, AioKernel, Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Feature } from '../../src/common/kernel/supports.ts';
import { insistOnMeans } from './environment.ts';
import { machineOf } from './conditions.ts';
import { type FileSystemAnswers, fileSystemOf, imitated } from './file-systems.ts';
import type { Host } from './host.ts';
import { EnvironmentBroken, Unsupported } from './outcome.ts';

/** An address that can't be mapped on any supported machine: beyond the user's half. */
export const KERNEL_ADDRESS = -4096;
/** Not mapped by convention: the first page. */
export const UNMAPPED = 0x1000;
/** `linux/magic.h`. */
const TMPFS_MAGIC = 0x01021994;
const LOOKS = 20;
const INT_MAX = 0x7fff_ffff;

export type IocbFields = { [Key in keyof Iocb]?: number | bigint };

/** An iocb in memory. */
export interface IocbInMemory {
  readonly address: Address;
  /** Reads it back, as the kernel left it. */
  decode(): Iocb;
  /** Changes some fields. */
  set(fields: IocbFields): void;
}

/** A request that can be held in flight. */
export interface Held {
  readonly fields: IocbFields;
  /** Lets it complete. */
  release(): void;
}

export class Fixture {
  readonly kernel: AioKernel;
  readonly #host: Host | undefined;
  readonly #parent: string;
  #directory: string | undefined;
  readonly #contexts = new Set<AioContextId>();
  readonly #cleanups: (() => void)[] = [];
  // What the kernel may look at must stay alive and where it is until the case ends.
  readonly #held: unknown[] = [];

  constructor(kernel: AioKernel, directory: string, host: Host | undefined) {
    this.kernel = kernel;
    this.#parent = directory;
    this.#host = host;
  }

  /** Whether the kernel has a feature. */
  has(feature: Feature): boolean {
    return this.kernel.supports.features[feature] === true;
  }

  get host(): Host {
    if (this.#host === undefined)
      throw new Unsupported('the host behind this kernel offers no pipes or sockets');
    return this.#host;
  }

  /** Runs `undo` when the case ends, last first. */
  after(undo: () => void): void {
    this.#cleanups.push(undo);
  }

  /** A fresh directory of this case's own. */
  get directory(): string {
    if (this.#directory === undefined) {
      const made = mkdtempSync(join(this.#parent, 'kaio-case-'));
      this.#directory = made;
      this.after(() => rmSync(made, { recursive: true, force: true }));
    }
    return this.#directory;
  }

  /**
   * What the file system of the case's files answers, where rules leave it to it.
   *
   * @throws Unsupported where nobody has looked what that one does.
   */
  answerOf<Name extends keyof FileSystemAnswers>(name: Name): FileSystemAnswers[Name] {
    const known = fileSystemOf(this.directory);
    const { name: fileSystem, answers } =
      machineOf(this.kernel).release === undefined ? imitated(known) : known;
    if (answers === undefined) throw new Unsupported(`nobody has looked what ${fileSystem} does here`);
    return answers[name];
  }

  /** Whether files are made on tmpfs, which has no disk below it: direct I/O means nothing there. */
  get onTmpfs(): boolean {
    return process.platform === 'linux' && statfsSync(this.directory).type === TMPFS_MAGIC;
  }

  // Memory

  /** Bytes of a page of the kernel's. */
  get page(): number {
    return this.kernel.memory.pageBytes;
  }

  /** The most bytes that one request moves: INT_MAX cut to a page (`linux/fs.h:MAX_RW_COUNT`). */
  get maxTransfer(): number {
    return INT_MAX - (INT_MAX % this.page);
  }

  /** Bytes of a word of the kernel's: a pointer, a length, a handle. */
  get wordBytes(): 4 | 8 {
    return this.kernel.memory.wordBytes;
  }

  /** The longest that a length can be: half of what a word holds. */
  get longest(): bigint {
    return (1n << BigInt(this.wordBytes * 8 - 1)) - 1n;
  }

  /** The structures as the kernel reads them. */
  get abi(): Abi {
    return abiOf(this.wordBytes);
  }

  /** Zeroed bytes and their address. */
  bytes(length: number): { bytes: Uint8Array; address: Address } {
    const bytes = new Uint8Array(new ArrayBuffer(Math.max(length, 8)));
    this.#held.push(bytes);
    return { bytes: bytes.subarray(0, length), address: this.kernel.memory.addressOf(bytes) };
  }

  /** Pages of the given protections, side by side. */
  pages(...protections: readonly ('none' | 'read' | 'read-write')[]): Address {
    const { memory } = this.kernel;
    const length = protections.length * this.page;
    const address = memory.mmap(length, 'read-write');
    insistOnMeans(address, 'mmap');
    assert.ok(address > 0, `mmap answered ${address}`);
    protections.forEach((protection, index) => {
      if (protection !== 'read-write')
        assert.equal(memory.mprotect(address + index * this.page, this.page, protection), 0);
    });
    this.after(() => memory.munmap(address, length));
    return address;
  }

  /** A page with user space above it that is as long as the longest transfer. */
  farFromTheTop(): Address {
    // Buffers of JavaScript may lie anywhere; an emulation gives them addresses of its own.
    if (!this.has('process-lifetime')) return this.bytes(this.page).address;
    const { memory } = this.kernel;
    const length = 2 ** 31 + this.page;
    const address = memory.mmap(length, 'none');
    insistOnMeans(address, 'mmap');
    this.succeeds(address, 'mmap');
    this.after(() => memory.munmap(address, length));
    assert.equal(memory.mprotect(address, this.page, 'read-write'), 0);
    return address;
  }

  /** Copies out of memory that must be readable. */
  peek(address: Address, length: number): Uint8Array {
    const bytes = this.kernel.memory.read(address, length);
    assert.ok(bytes, `memory at ${address} is not readable`);
    return bytes;
  }

  poke(address: Address, bytes: Uint8Array): void {
    assert.ok(this.kernel.memory.write(address, bytes), `memory at ${address} is not writable`);
  }

  pokeWord(address: Address, value: Word): void {
    this.poke(address, this.word(value));
  }

  /** The bytes of a word. */
  word(value: Word): Uint8Array {
    const bytes = new Uint8Array(this.wordBytes);
    this.#setWord(dataView(bytes), 0, value);
    return bytes;
  }

  peekWord(address: Address): bigint {
    return this.#word(dataView(this.peek(address, this.wordBytes)));
  }

  #setWord(view: DataView, at: number, value: Word): void {
    const bits = BigInt.asUintN(this.wordBytes * 8, BigInt(value));
    if (this.wordBytes === 8) view.setBigUint64(at, bits, LITTLE_ENDIAN);
    else view.setUint32(at, Number(bits), LITTLE_ENDIAN);
  }

  #word(view: DataView): bigint {
    return this.wordBytes === 8
      ? view.getBigUint64(0, LITTLE_ENDIAN)
      : BigInt(view.getUint32(0, LITTLE_ENDIAN));
  }

  // Contexts

  /** A word for `io_setup` to write to. */
  ctxp(initial: Word = 0): { address: Address; value: () => bigint } {
    const { bytes, address } = this.bytes(this.wordBytes);
    this.#setWord(dataView(bytes), 0, initial);
    return { address, value: () => this.#word(dataView(bytes)) };
  }

  /** A context, destroyed in the background when the case ends. */
  setup(nr_events: Word = 8): AioContextId {
    const { address, value } = this.ctxp();
    const answer = this.kernel.io_setup(nr_events, address);
    insistOnMeans(answer, 'io_setup');
    if (answer === -ERRNO.EAGAIN) this.#insistOnQuota(Number(nr_events));
    this.succeeds(answer, 'io_setup');
    const ctx = Number(value());
    this.#contexts.add(ctx);
    return ctx;
  }

  /** The budget is the whole machine's: where others have it all, the kernel is right to refuse. */
  #insistOnQuota(nr_events: number): void {
    const { limits } = this.kernel;
    const [taken, max] = [limits.aio_nr(), limits.aio_max_nr()];
    if (taken + nr_events > max)
      throw new EnvironmentBroken(`aio-nr is ${taken} of aio-max-nr ${max}: raise it, or close contexts`);
  }

  /** Takes a context under the case's care that it made by itself. */
  adopt(ctx: AioContextId): void {
    this.#contexts.add(ctx);
  }

  /** Destroys a context of the case's, now. */
  destroy(ctx: AioContextId): number {
    this.#contexts.delete(ctx);
    return this.kernel.io_destroy(ctx);
  }

  // Requests

  /** An iocb in memory. */
  iocb(fields: IocbFields): IocbInMemory {
    const { bytes, address } = this.bytes(IOCB_BYTES);
    const view = dataView(bytes);
    encodeIocb(fields, view);
    return {
      address,
      decode: () => decodeIocb(view),
      set: (changed) => encodeIocb({ ...decodeIocb(view), ...changed }, view),
    };
  }

  /** An array of pointers. */
  pointers(...addresses: readonly Word[]): Address {
    const { bytes, address } = this.bytes(addresses.length * this.wordBytes);
    const view = dataView(bytes);
    addresses.forEach((pointer, index) => {
      this.#setWord(view, index * this.wordBytes, pointer);
    });
    return address;
  }

  /** An array of iovecs. */
  iovecs(...segments: readonly (readonly [Word, Word])[]): Address {
    const abi = this.abi;
    const { bytes, address } = this.bytes(segments.length * abi.iovec.size);
    segments.forEach(([iov_base, iov_len], index) => {
      encodeIovec({ iov_base, iov_len }, dataView(bytes), index * abi.iovec.size, abi);
    });
    return address;
  }

  /**
   * A request that has its event, with result 1, when io_submit returns: a poll of what is ready, or where there is no POLL a
   * write of one byte to a pipe.
   */
  instant(more: IocbFields = {}): IocbFields {
    if (this.has('poll')) {
      this.#ready ??= this.eventfd(1);
      return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: this.#ready, aio_buf: POLLIN, ...more };
    }
    this.#ready ??= this.#pipe(true)[1];
    return { ...this.write(this.#ready, this.bytes(1).address, 1), ...more };
  }
  #ready: number | undefined;

  /**
   * A request that stays in flight until it is released, and then has result 1: a poll of an idle eventfd, or where there is no
   * POLL a read of one byte from an empty pipe.
   */
  held(more: IocbFields = {}): Held {
    if (this.has('poll')) {
      const fd = this.eventfd(0);
      const fields = { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: POLLIN, ...more };
      return { fields, release: () => assert.equal(this.kernel.eventfd_write(fd, 1n), 0) };
    }
    const [reader, writer] = this.#pipe(false);
    const { address } = this.bytes(1);
    return {
      fields: { ...this.read(reader, address, 1), ...more },
      release: () => assert.equal(this.host.call('write', writer, address, 1), 1),
    };
  }

  #pipe(nonblocking: boolean): readonly [number, number] {
    const ends = this.host.pipe(nonblocking);
    for (const fd of ends) this.after(() => this.host.call('close', fd));
    return ends;
  }

  /** Submits iocbs in one call. */
  submit(ctx: AioContextId, ...iocbs: readonly (IocbInMemory | IocbFields)[]): number {
    const addresses = iocbs.map((iocb) => ('decode' in iocb ? iocb.address : this.iocb(iocb).address));
    return this.kernel.io_submit(ctx, iocbs.length, this.pointers(...addresses));
  }

  /** Submits, and insists that all were accepted. */
  accepted(ctx: AioContextId, ...iocbs: readonly (IocbInMemory | IocbFields)[]): void {
    const result = this.submit(ctx, ...iocbs);
    assert.equal(result, iocbs.length, `io_submit should accept all, answered ${describe(result)}`);
  }

  /** Submits one that must be refused. */
  refused(ctx: AioContextId, expected: ErrnoName, iocb: IocbInMemory | IocbFields): void {
    this.fails(this.submit(ctx, iocb), expected, 'io_submit');
  }

  /** Submits one, and waits for its result. */
  result(ctx: AioContextId, iocb: IocbInMemory | IocbFields): number {
    this.accepted(ctx, iocb);
    return Number(this.reap(ctx, 1)[0]!.res);
  }

  /** Submits one whose event must bring an error. */
  eventFails(ctx: AioContextId, expected: ErrnoName, iocb: IocbInMemory | IocbFields): void {
    this.fails(this.result(ctx, iocb), expected, 'event');
  }

  /** Waits for exactly `count` events. Ten seconds are forever. */
  reap(ctx: AioContextId, count: number): IoEvent[] {
    const events: IoEvent[] = [];
    const { bytes, address } = this.bytes(count * IO_EVENT_BYTES);
    const timeout = this.timespec(10, 0);
    while (events.length < count) {
      const wanted = count - events.length;
      const got = this.kernel.io_getevents(ctx, wanted, wanted, address, timeout);
      if (got === -ERRNO.EINTR) continue;
      this.succeeds(got, 'io_getevents');
      assert.notEqual(got, 0, `only ${events.length} of ${count} events came`);
      for (let index = 0; index < got; index++)
        events.push(decodeIoEvent(dataView(bytes), index * IO_EVENT_BYTES));
    }
    return events;
  }

  /** What is ready, without waiting, at most `max`. */
  ready(ctx: AioContextId, max = 16): IoEvent[] {
    const { bytes, address } = this.bytes(max * IO_EVENT_BYTES);
    const got = this.kernel.io_getevents(ctx, 0, max, address, 0);
    this.succeeds(got, 'io_getevents');
    return Array.from({ length: got }, (_, index) => decodeIoEvent(dataView(bytes), index * IO_EVENT_BYTES));
  }

  /** The address of a timespec. */
  timespec(tv_sec: Word, tv_nsec: Word): Address {
    const { bytes, address } = this.bytes(16);
    encodeTimespec({ tv_sec, tv_nsec }, dataView(bytes), 0, this.abi);
    return address;
  }

  /** The header of a context's ring. */
  ring(ctx: AioContextId): AioRingHeader {
    return decodeAioRing(dataView(this.peek(ctx, AIO_RING_HEADER_BYTES)));
  }

  /** Overwrites one word of a ring's header. */
  setRing(
    ctx: AioContextId,
    word: 'id' | 'nr' | 'head' | 'tail' | 'magic' | 'compat_features',
    value: number,
  ): void {
    const at = { id: 0, nr: 4, head: 8, tail: 12, magic: 16, compat_features: 20 }[word];
    this.poke(ctx + at, new Uint8Array(new Uint32Array([value]).buffer));
  }

  // Files

  /** A file with the given content. */
  file(
    content: Uint8Array | string = '',
    flags: number = constants.O_RDWR,
  ): { fd: number; path: string; read(): Buffer } {
    const path = join(this.directory, `file-${this.#cleanups.length}`);
    writeFileSync(path, content);
    return { fd: this.open(path, flags), path, read: () => readFileSync(path) };
  }

  /** Opens a path; closed when the case ends. */
  open(path: string, flags: number): number {
    const fd = openSync(path, flags);
    this.after(() => closeQuietly(fd));
    return fd;
  }

  /** An eventfd that does not block. */
  eventfd(initial = 0, flags: number = EFD_NONBLOCK): number {
    const fd = this.kernel.eventfd(initial, flags);
    insistOnMeans(fd, 'eventfd');
    this.succeeds(fd, 'eventfd');
    this.after(() => this.kernel.close(fd));
    return fd;
  }

  /** A descriptor number that is not open. */
  closedFd(): number {
    return 1_000_000;
  }

  read(fd: number, address: Word, nbytes: Word, offset: Word = 0, more: IocbFields = {}): IocbFields {
    return {
      aio_lio_opcode: IOCB_CMD_PREAD,
      aio_fildes: fd,
      aio_buf: BigInt.asUintN(64, BigInt(address)),
      aio_nbytes: nbytes,
      aio_offset: offset,
      ...more,
    };
  }

  write(fd: number, address: Word, nbytes: Word, offset: Word = 0, more: IocbFields = {}): IocbFields {
    return { ...this.read(fd, address, nbytes, offset), aio_lio_opcode: IOCB_CMD_PWRITE, ...more };
  }

  // Judging

  /**
   * Repeats what compares `aio-nr` before and after until it holds once.
   *
   * The number is the whole machine's: another process's context may come or go between two looks. A kernel that
   * is wrong is wrong each time.
   */
  async undisturbed(observe: () => void | Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.kernel.settled();
      try {
        await observe();
        return;
      } catch (error) {
        if (!(error instanceof assert.AssertionError) || attempt === LOOKS) throw error;
      }
      await setTimeout(attempt);
    }
  }

  /** The answer must be exactly this error. */
  fails(answer: number, expected: ErrnoName, what: string): void {
    assert.equal(describe(answer), `-${expected}`, `${what} should answer -${expected}`);
  }

  succeeds(answer: number, what: string): void {
    assert.ok(answer >= 0, `${what} should succeed, answered ${describe(answer)}`);
  }

  /** Gives everything back. */
  async dispose(): Promise<void> {
    for (const undo of this.#cleanups.reverse()) undo();
    await Promise.all([...this.#contexts].map((ctx) => this.kernel.destroyInBackground(ctx)));
  }
}

/** An answer as people read it. */
export function describe(answer: number): string {
  return answer < 0 ? `-${errnoName(answer) ?? Math.abs(answer)}` : String(answer);
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    // The case may have closed it itself: that is the one reason to be quiet about.
    if (!(error instanceof Error && 'code' in error && error.code === 'EBADF')) throw error;
  }
}
