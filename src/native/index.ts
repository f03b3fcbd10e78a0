/** The native kernel: Linux itself, through `syscall(2)`. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { arch, endianness, release } from 'node:os';
import {
  EFD_NONBLOCK,
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { AIO_RING_HEADER_BYTES, IO_EVENT_BYTES, IOCB_BYTES } from '../common/abi/layout.ts';
import { dataView, decodeAioRing, decodeIoEvent, encodeIocb, encodeTimespec } from '../common/abi/structs.ts';
import { AioError, errnoException } from '../common/errors.ts';
import type {
  AioContextId,
  AioKernel,
  AioLimits,
  DirectAlignment,
  EventfdWatcher,
  SubmitThread,
  Word,
} from '../common/kernel.ts';
import { type AioRing, MappedRing } from '../common/ring.ts';
import { allFeatures, type Supports } from '../common/supports.ts';
import { type Addon, loadAddon } from './addon.ts';
import { type Libc, loadLibc } from './libc.ts';
import { ProcessMemory } from './memory.ts';
import { AddonSubmitThread } from './submit-thread.ts';
import { type AioSysno, SYSNO } from './sysno.ts';
import { watchEventfd } from './watcher.ts';

export { askAbiOracle } from './abi-oracle.ts';
export { type AddonState, judge, loadAddon } from './addon.ts';

const RWF_BITS = 16;
const EVENTFD_BYTES = 8;
// `linux/stat.h` and `linux/fcntl.h`; the layout of statx is the same on every architecture.
const AT_EMPTY_PATH = 0x1000;
const STATX_DIOALIGN = 0x2000;
const STATX_BYTES = 256;
const STX_MASK = 0;
const STX_DIO_MEM_ALIGN = 0x98;
const STX_DIO_OFFSET_ALIGN = 0x9c;
/** The release since which a waiter wakes when all it needs is there. */
const BATCHED_WAIT = [6, 8] as const;
const SSIZE_MAX = 2n ** 63n - 1n;
const LOW_ADDRESS = 0x10000;
const FAR_BEHIND_THE_END = 2n ** 40n;
const PROBE_DATA = 0x6b61696fn;

/** Linux AIO by the real system calls. Made by {@link openNativeKernel}. */
export class NativeKernel implements AioKernel {
  readonly name = 'native';
  readonly completesAside = true;
  readonly release = `Linux ${release()} ${arch()}`;
  readonly memory: ProcessMemory;
  readonly limits: AioLimits = {
    aio_nr: () => readNumber('/proc/sys/fs/aio-nr'),
    aio_max_nr: () => readNumber('/proc/sys/fs/aio-max-nr'),
  };
  /** The C library, for tools and tests that need calls beyond the waist. */
  readonly libc: Libc;
  /** What FFI cannot do, where it was built. Without it this kernel must stay on the main thread. */
  readonly addon: Addon | undefined;
  readonly #sysno: AioSysno;
  readonly #rings = new Map<AioContextId, AioRing>();
  readonly #destroying = new Set<Promise<number>>();
  readonly #eventfdValue = new BigUint64Array(1);
  readonly #eventfdValueAt: number;
  readonly #eventfd: ReturnType<Libc['bind']>;
  readonly #read: ReturnType<Libc['bind']>;
  readonly #write: ReturnType<Libc['bind']>;
  readonly #close: ReturnType<Libc['bind']>;
  #supports: Supports | undefined;

  constructor(libc: Libc, sysno: AioSysno, addon: Addon | undefined) {
    this.libc = libc;
    this.addon = addon;
    this.memory = new ProcessMemory(libc);
    this.#sysno = sysno;
    this.#eventfdValueAt = this.memory.addressOf(this.#eventfdValue);
    this.#eventfd = libc.bind('eventfd', 'int', 2);
    this.#read = libc.bind('read', 'long', 3);
    this.#write = libc.bind('write', 'long', 3);
    this.#close = libc.bind('close', 'int', 1);
  }

  /** Found out by asking the kernel, on first use: what each RWF bit is answered on a file that can do most of them. */
  get supports(): Supports {
    this.#supports ??= this.#discover();
    return this.#supports;
  }

  io_setup(nr_events: Word, ctxp: Word): number {
    if (this.addon !== undefined) return this.addon.io_setup(nr_events, ctxp);
    return this.libc.syscall(this.#sysno.io_setup, nr_events, ctxp);
  }

  io_destroy(ctx_id: Word): number {
    this.#forgetRing(Number(ctx_id));
    if (this.addon !== undefined) return this.addon.io_destroy(ctx_id);
    return this.libc.syscall(this.#sysno.io_destroy, ctx_id);
  }

  async destroyInBackground(ctx_id: AioContextId): Promise<number> {
    this.#forgetRing(ctx_id);
    const { addon } = this;
    const destroyed =
      addon === undefined
        ? this.libc.syscallAsync(this.#sysno.io_destroy, ctx_id)
        : new Promise<number>((resolve) => addon.destroyInBackground(ctx_id, resolve));
    this.#destroying.add(destroyed);
    try {
      return await destroyed;
    } finally {
      this.#destroying.delete(destroyed);
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#destroying);
  }

  io_submit(ctx_id: Word, nr: Word, iocbpp: Word): number {
    return this.libc.syscall(this.#sysno.io_submit, ctx_id, nr, iocbpp);
  }

  io_getevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word): number {
    return this.libc.syscall(this.#sysno.io_getevents, ctx_id, min_nr, nr, events, timeout);
  }

  io_pgetevents(ctx_id: Word, min_nr: Word, nr: Word, events: Word, timeout: Word, usig: Word): number {
    return this.libc.syscall(this.#sysno.io_pgetevents, ctx_id, min_nr, nr, events, timeout, usig);
  }

  io_cancel(ctx_id: Word, iocb: Word, result: Word): number {
    return this.libc.syscall(this.#sysno.io_cancel, ctx_id, iocb, result);
  }

  directAlignment(fd: number): DirectAlignment | undefined {
    const path = new Uint8Array(1);
    const statx = new DataView(new ArrayBuffer(STATX_BYTES));
    const { memory } = this;
    const answer = this.libc.syscall(
      this.#sysno.statx,
      fd,
      memory.addressOf(path),
      AT_EMPTY_PATH,
      STATX_DIOALIGN,
      memory.addressOf(statx),
    );
    if (answer < 0) return undefined;
    const little = endianness() === 'LE';
    if ((statx.getUint32(STX_MASK, little) & STATX_DIOALIGN) === 0) return undefined;
    return {
      memory: statx.getUint32(STX_DIO_MEM_ALIGN, little),
      offset: statx.getUint32(STX_DIO_OFFSET_ALIGN, little),
    };
  }

  mapRing(ctx_id: AioContextId): AioRing | undefined {
    const known = this.#rings.get(ctx_id);
    if (known !== undefined) return known;
    // A big-endian or 32-bit reader would need another view of the cells; io_getevents serves there.
    if (endianness() !== 'LE') return undefined;
    const header = this.memory.read(ctx_id, AIO_RING_HEADER_BYTES);
    if (header === undefined) return undefined;
    const { nr } = decodeAioRing(dataView(header));
    let ring: AioRing;
    try {
      ring = new MappedRing(this.libc.view(ctx_id, AIO_RING_HEADER_BYTES + nr * IO_EVENT_BYTES));
    } catch {
      // Electron forbids wrapping foreign memory, and an unknown ring layout is not ours to read.
      return undefined;
    }
    this.#rings.set(ctx_id, ring);
    return ring;
  }

  eventfd(initval: number, flags: number): number {
    return this.addon === undefined ? this.#eventfd(initval, flags) : this.addon.eventfd(initval, flags);
  }

  eventfd_read(fd: number): bigint {
    const result = this.#read(fd, this.#eventfdValueAt, EVENTFD_BYTES);
    return result < 0 ? BigInt(result) : this.#eventfdValue[0]!;
  }

  eventfd_write(fd: number, value: bigint): number {
    this.#eventfdValue[0] = value;
    const result = this.#write(fd, this.#eventfdValueAt, EVENTFD_BYTES);
    return Math.min(result, 0);
  }

  close(fd: number): number {
    return this.addon === undefined ? this.#close(fd) : this.addon.close(fd);
  }

  watch(eventfd: number, callback: () => void): EventfdWatcher {
    return watchEventfd(this.libc, this.addon, eventfd, callback);
  }

  submitThread(ctx_id: AioContextId): SubmitThread | undefined {
    return this.addon === undefined ? undefined : new AddonSubmitThread(this.addon, ctx_id);
  }

  /** Linux holds the file of a request in flight by itself (BLOCK-12). */
  fget(_fd: number): void {}

  fput(_fd: number): void {}

  // The view must not outlive the mapping: a load from it would crash the process.
  #forgetRing(ctx_id: AioContextId): void {
    this.#rings.get(ctx_id)?.detach();
    this.#rings.delete(ctx_id);
  }

  #discover(): Supports {
    const probe = new ProbeContext(this);
    try {
      return {
        opcodes: probe.opcodes(),
        aio_flags: IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO,
        rw_flags: probe.rwFlags(),
        features: {
          ...allFeatures(),
          'mapped-ring': probe.mapsRing() || 'this runtime does not let JavaScript see the ring',
          'kernel-obeys-protection':
            probe.obeysProtection() || 'this kernel reads memory that was made unreadable to the process',
          'cuts-one-segment':
            probe.cutsOneSegment() ||
            'this kernel judges the uncut length of a single segment, as of several',
          // No single thread can ask.
          'batched-wait':
            isRelease(BATCHED_WAIT) || `waiters wake at each event before Linux ${BATCHED_WAIT.join('.')}`,
        },
        possibleCpus: possibleCpus(),
      };
    } finally {
      probe.dispose();
    }
  }
}

/** A context of one request for asking the kernel questions. */
class ProbeContext {
  readonly #kernel: NativeKernel;
  readonly #ctxp = new BigUint64Array(1);
  readonly #iocb = new DataView(new ArrayBuffer(IOCB_BYTES));
  readonly #iocbpp = new BigUint64Array(1);
  readonly #events = new DataView(new ArrayBuffer(IO_EVENT_BYTES));
  readonly #timeout = new DataView(new ArrayBuffer(16));
  readonly #eventfd: number;

  /** @throws AioError when the kernel refuses. */
  constructor(kernel: NativeKernel) {
    this.#kernel = kernel;
    const { memory } = kernel;
    this.#iocbpp[0] = BigInt(memory.addressOf(this.#iocb));
    encodeTimespec({ tv_sec: 10, tv_nsec: 0 }, this.#timeout);
    this.#eventfd = kernel.eventfd(1, EFD_NONBLOCK);
    if (this.#eventfd < 0) throw errnoException(this.#eventfd, 'eventfd');
    const result = kernel.io_setup(1, memory.addressOf(this.#ctxp));
    if (result < 0) {
      kernel.close(this.#eventfd);
      throw errnoException(result, 'io_setup', setupHelp(kernel, result));
    }
  }

  get #ctx(): AioContextId {
    return Number(this.#ctxp[0]);
  }

  /** Submits one request and waits for its event. @returns The refusal, or the result. */
  ask(fields: Parameters<typeof encodeIocb>[0]): { refused: number } | { res: number } {
    encodeIocb({ aio_data: PROBE_DATA, ...fields }, this.#iocb);
    const { memory } = this.#kernel;
    const submitted = this.#kernel.io_submit(this.#ctx, 1, memory.addressOf(this.#iocbpp));
    if (submitted !== 1) return { refused: submitted };
    const timeout = memory.addressOf(this.#timeout);
    let got: number;
    do {
      got = this.#kernel.io_getevents(this.#ctx, 1, 1, memory.addressOf(this.#events), timeout);
    } while (got === -ERRNO.EINTR);
    if (got < 0) throw errnoException(got, 'io_getevents');
    if (got === 0) throw new AioError('ETIMEDOUT', ERRNO.ETIMEDOUT, 'io_getevents');
    const event = decodeIoEvent(this.#events);
    if (event.data !== PROBE_DATA)
      throw new Error('the probe request came back with other data than it was given');
    return { res: Number(event.res) };
  }

  /** Reads the probe's own eventfd through AIO: the whole way, on a file that is always there. */
  askWhetherReadsWork(): void {
    const value = new BigUint64Array(1);
    const answer = this.ask({
      aio_lio_opcode: IOCB_CMD_PREAD,
      aio_fildes: this.#eventfd,
      aio_buf: this.#kernel.memory.addressOf(value),
      aio_nbytes: EVENTFD_BYTES,
    });
    if ('refused' in answer) throw errnoException(answer.refused, 'io_submit');
    if (answer.res < 0) throw errnoException(answer.res, 'pread');
    if (value[0] !== 1n) throw new Error('the probe read did not bring the data it should have');
  }

  opcodes(): number[] {
    const poll = this.ask({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: this.#eventfd, aio_buf: 4 });
    return [
      IOCB_CMD_PREAD,
      IOCB_CMD_PWRITE,
      IOCB_CMD_FSYNC,
      IOCB_CMD_FDSYNC,
      ...('refused' in poll ? [] : [IOCB_CMD_POLL]),
      IOCB_CMD_PREADV,
      IOCB_CMD_PWRITEV,
    ];
  }

  /** What an eventfd or a regular file accepts: NOWAIT is common to devices, DONTCACHE to file systems. */
  rwFlags(): number {
    const file = openSync(process.execPath, 'r');
    try {
      let flags = 0;
      for (let bit = 0; bit < RWF_BITS; bit++) {
        const accepts = (fd: number): boolean =>
          !(
            'refused' in this.ask({ aio_lio_opcode: IOCB_CMD_PREAD, aio_fildes: fd, aio_rw_flags: 1 << bit })
          );
        if (accepts(file) || accepts(this.#eventfd)) flags |= 1 << bit;
      }
      return flags;
    } finally {
      closeSync(file);
    }
  }

  /** Asked at the end of everything, where nothing is read into the segment. */
  cutsOneSegment(): boolean {
    const file = openSync(process.execPath, 'r');
    try {
      const iovec = new BigUint64Array([BigInt(LOW_ADDRESS), SSIZE_MAX]);
      const answer = this.ask({
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: file,
        aio_buf: this.#kernel.memory.addressOf(iovec),
        aio_nbytes: 1,
        aio_offset: FAR_BEHIND_THE_END,
      });
      return !('refused' in answer);
    } finally {
      closeSync(file);
    }
  }

  /** User Mode Linux, for one, goes by what is mapped alone. Asked with a pointer that is read or not, to an iocb that is refused. */
  obeysProtection(): boolean {
    const { memory } = this.#kernel;
    const { pageBytes } = memory;
    const page = memory.mmap(pageBytes, 'read-write');
    if (page < 0) throw errnoException(page, 'mmap');
    try {
      encodeIocb({ aio_lio_opcode: IOCB_CMD_PREAD, aio_reserved2: 1 }, this.#iocb);
      const pointer = new BigUint64Array([BigInt(memory.addressOf(this.#iocb))]);
      memory.write(page, new Uint8Array(pointer.buffer));
      memory.mprotect(page, pageBytes, 'none');
      return this.#kernel.io_submit(this.#ctx, 1, page) === -ERRNO.EFAULT;
    } finally {
      memory.munmap(page, pageBytes);
    }
  }

  mapsRing(): boolean {
    return this.#kernel.mapRing(this.#ctx) !== undefined;
  }

  dispose(): void {
    this.#kernel.close(this.#eventfd);
    // 30 to 40 ms that nobody has to wait for; the outcome changes nothing here.
    void this.#kernel.destroyInBackground(this.#ctx);
  }
}

function setupHelp(kernel: NativeKernel, result: number): { help: string } | undefined {
  if (result !== -ERRNO.EAGAIN) return undefined;
  const max = kernel.limits.aio_max_nr();
  return {
    help: `aio-nr is ${kernel.limits.aio_nr()} of aio-max-nr ${max}: raise it with sysctl -w fs.aio-max-nr=${max * 2}`,
  };
}

function readNumber(path: string): number {
  return Number(readFileSync(path, 'latin1'));
}

/** Whether the running kernel is of that release or a later one. */
function isRelease([major, minor]: readonly [number, number]): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

function possibleCpus(): number {
  // A list of ranges, such as "0-3,8".
  const last = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim().split(/[,-]/).at(-1);
  return Number(last) + 1;
}

let opened: NativeKernel | undefined;

/**
 * Opens the native kernel, having really submitted a request and seen its event.
 *
 * @throws AioError with `code` ENOSYS (a kernel without AIO), EPERM (a seccomp filter), EAGAIN (aio-max-nr exhausted; the
 * message has the numbers), or whatever loading koffi threw (`MODULE_NOT_FOUND` without the package).
 */
export function openNativeKernel(): NativeKernel {
  if (opened !== undefined) return opened;
  const sysno = process.platform === 'linux' ? SYSNO[process.arch] : undefined;
  if (sysno === undefined) {
    throw new AioError('ENOSYS', ERRNO.ENOSYS, 'io_setup', {
      help: `There is no Linux AIO on ${process.platform} ${process.arch}`,
    });
  }
  const kernel = new NativeKernel(loadLibc(), sysno, loadAddon().addon);
  const probe = new ProbeContext(kernel);
  try {
    probe.askWhetherReadsWork();
  } finally {
    probe.dispose();
  }
  opened = kernel;
  return kernel;
}

/** The version of koffi. @throws If it can't be loaded. */
export function koffiVersion(): string {
  return loadLibc().koffiVersion;
}
