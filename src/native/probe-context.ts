/** Asking the kernel questions. */
import { closeSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  EFD_NONBLOCK,
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_RESFD,
} from '../common/abi/constants.ts';
import { HIGH_HALF } from '../common/abi/byte-order.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { abiOf, IO_EVENT_BYTES, IOCB_BYTES } from '../common/abi/layout.ts';
import { decodeIoEvent, encodeIocb, encodeTimespec } from '../common/abi/structs.ts';
import { AioError, codeOf, errnoException } from '../common/errors.ts';
import type { AioContextId, AioKernel } from '../common/kernel/aio-kernel.ts';
import type { AioRing } from '../common/kernel/mapped-ring.ts';
import { WordArray } from '../common/memory/word-array.ts';

const RWF_BITS = 16;
const UNKNOWN_FLAG = 1 << 30;
const EVENTFD_BYTES = 8;
const LOW_ADDRESS = 0x10000;
const FAR_BEHIND_THE_END = 2n ** 40n;
const PROBE_DATA = 0x6b61696fn;
/** Linux has done all of it when `io_submit` returns; others may take a moment. */
const PATIENCE_MS = 100;
const NO_CONTEXT = 0;

/** A kernel of which it is not known yet whether its rings can be read. */
export interface ProbedKernel extends AioKernel {
  readonly ringRefusal: string | undefined;
  refuseRings(reason: string): void;
}

/** A context of one request. */
export class ProbeContext {
  readonly #kernel: ProbedKernel;
  readonly #ctxp: WordArray;
  readonly #iocb = new DataView(new ArrayBuffer(IOCB_BYTES));
  readonly #iocbpp: WordArray;
  readonly #events = new DataView(new ArrayBuffer(IO_EVENT_BYTES));
  readonly #timeout = new DataView(new ArrayBuffer(16));
  readonly #eventfd: number;
  /** What the kernel knows by its address alone. */
  readonly #held = new Set<WordArray>();

  /** @throws AioError when the kernel refuses. */
  constructor(kernel: ProbedKernel) {
    this.#kernel = kernel;
    const { memory } = kernel;
    this.#ctxp = new WordArray(memory, 1);
    this.#iocbpp = new WordArray(memory, 1);
    this.#iocbpp.set(0, memory.addressOf(this.#iocb));
    encodeTimespec({ tv_sec: 10, tv_nsec: 0 }, this.#timeout, 0, abiOf(memory.wordBytes));
    this.#eventfd = kernel.eventfd(0, EFD_NONBLOCK);
    if (this.#eventfd < 0) throw errnoException(this.#eventfd, 'eventfd');
    const result = kernel.io_setup(1, memory.addressOf(this.#ctxp.cells));
    if (result < 0) {
      kernel.close(this.#eventfd);
      throw errnoException(result, 'io_setup', setupHelp(kernel, result));
    }
  }

  get #ctx(): AioContextId {
    return this.#ctxp.get(0);
  }

  /** Submits one request and waits for its event. @returns The refusal, or the result. */
  ask(fields: Parameters<typeof encodeIocb>[0]): { refused: number } | { res: number } {
    const submitted = this.#submit(fields);
    return submitted === 1 ? { res: this.#waitForEvent() } : { refused: submitted };
  }

  #submit(fields: Parameters<typeof encodeIocb>[0]): number {
    encodeIocb({ aio_data: PROBE_DATA, ...fields }, this.#iocb);
    return this.#kernel.io_submit(this.#ctx, 1, this.#kernel.memory.addressOf(this.#iocbpp.cells));
  }

  /** By `io_getevents`. @returns The result. */
  #waitForEvent(): number {
    const { memory } = this.#kernel;
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
    return Number(event.res);
  }

  /** @returns The result; `undefined` if the event does not appear in the ring. */
  #findEvent(ring: AioRing): number | undefined {
    let result: number | undefined;
    const found = within(
      PATIENCE_MS,
      () =>
        ring.reap(1, (low, high, res) => {
          if (low === Number(PROBE_DATA) && high === 0) result = res;
        }) > 0,
    );
    return found ? result : undefined;
  }

  /**
   * All that contexts and files need, on a file that is always there, the probe's own eventfd. Where the ring does not bring what it
   * should, the kernel is told so and does without.
   *
   * @throws AioError when something else is refused.
   */
  tryEverything(): void {
    this.#kernel.watch(this.#eventfd, () => {}).close();
    this.#tryDestroying();
    const ring = this.#kernel.mapRing(this.#ctx);
    if (ring !== undefined) {
      const result = this.#tryReading(() => this.#findEvent(ring));
      if (result === undefined) {
        this.#kernel.refuseRings('the ring in memory does not show the events');
        this.#waitForEvent();
      }
    }
    this.#tryReading(() => this.#waitForEvent());
    const eventfd = this.#eventfd;
    const told = within(PATIENCE_MS, () => this.#kernel.eventfd_read(eventfd) > 0n);
    if (!told) throw new AioError('ETIMEDOUT', ERRNO.ETIMEDOUT, 'eventfd_read');
  }

  /** Reads what was written to the eventfd, which is told of the completion too; where those cannot be read so, from a file. */
  #tryReading(reap: () => number | undefined): number | undefined {
    const value = new BigUint64Array(1);
    const written = this.#kernel.eventfd_write(this.#eventfd, 1n);
    if (written < 0) throw errnoException(written, 'write');
    const read = (fd: number): number | undefined => {
      const submitted = this.#submit({
        aio_lio_opcode: IOCB_CMD_PREAD,
        aio_fildes: fd,
        aio_buf: this.#kernel.memory.addressOf(value),
        aio_nbytes: EVENTFD_BYTES,
        aio_flags: IOCB_FLAG_RESFD,
        aio_resfd: this.#eventfd,
      });
      if (submitted !== 1) throw errnoException(submitted, 'io_submit');
      return reap();
    };
    let result = read(this.#eventfd);
    // gVisor's AIO is for files with places alone. Contexts and files need no other.
    if (result === -ERRNO.ESPIPE) result = this.#withSomeFile(read) ?? result;
    if (result === undefined) return undefined;
    if (result < 0) throw errnoException(result, 'pread');
    if (value[0]! < 1n) throw new Error('the probe read did not bring the data it should have');
    return result;
  }

  #withSomeFile(read: (fd: number) => number | undefined): number | undefined {
    const file = openSomeFile();
    if (file === undefined) return undefined;
    try {
      return read(file);
    } finally {
      closeSync(file);
    }
  }

  /** A real one takes 30 ms; whether the call is allowed can be told from what is no context. */
  #tryDestroying(): void {
    const answer = this.#kernel.io_destroy(NO_CONTEXT);
    if (answer !== -ERRNO.EINVAL) throw errnoException(answer, 'io_destroy');
  }

  /** Whether flags that no Linux knows are taken: then those that it does know mean nothing, RWF_DSYNC among them. gVisor's does. */
  ignoresFlags(): boolean {
    const asked = { aio_lio_opcode: IOCB_CMD_PREAD, aio_fildes: this.#eventfd, aio_rw_flags: UNKNOWN_FLAG };
    return !('refused' in this.ask(asked));
  }

  opcodes(): number[] {
    const poll = this.ask({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: this.#eventfd, aio_buf: 4 });
    return [
      IOCB_CMD_PREAD,
      IOCB_CMD_PWRITE,
      ...(this.#syncsFiles() ? [IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC] : []),
      ...('refused' in poll ? [] : [IOCB_CMD_POLL]),
      IOCB_CMD_PREADV,
      IOCB_CMD_PWRITEV,
    ];
  }

  /** Tried on a file that nobody writes to. */
  #syncsFiles(): boolean {
    const file = openSomeFile();
    // Where no file can be had, only its absence would be news.
    if (file === undefined) return true;
    try {
      return !('refused' in this.ask({ aio_lio_opcode: IOCB_CMD_FSYNC, aio_fildes: file }));
    } finally {
      closeSync(file);
    }
  }

  /** What an eventfd or a regular file accepts: NOWAIT is common to devices, DONTCACHE to file systems. */
  rwFlags(): number {
    if (this.ignoresFlags()) return 0;
    const file = openSomeFile();
    try {
      let flags = 0;
      for (let bit = 0; bit < RWF_BITS; bit++) {
        const accepts = (fd: number): boolean =>
          !(
            'refused' in this.ask({ aio_lio_opcode: IOCB_CMD_PREAD, aio_fildes: fd, aio_rw_flags: 1 << bit })
          );
        if ((file !== undefined && accepts(file)) || accepts(this.#eventfd)) flags |= 1 << bit;
      }
      return flags;
    } finally {
      if (file !== undefined) closeSync(file);
    }
  }

  /** Asked at the end of everything, where nothing is read into the segment. */
  cutsOneSegment(): true | string {
    const file = openSomeFile();
    if (file === undefined) return 'there is no file that it could be tried on';
    try {
      const { memory } = this.#kernel;
      const iovec = new WordArray(memory, 2);
      // The kernel reads it by its address, after more has been allocated: nothing else would hold it.
      this.#held.add(iovec);
      iovec.set(0, LOW_ADDRESS);
      // SSIZE_MAX: the longest that is a length at all.
      iovec.cells.fill(0xffff_ffff, memory.wordBytes / 4);
      iovec.cells[memory.wordBytes === 8 ? 2 + HIGH_HALF : 1] = 0x7fff_ffff;
      const answer = this.ask({
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: file,
        aio_buf: memory.addressOf(iovec.cells),
        aio_nbytes: 1,
        aio_offset: FAR_BEHIND_THE_END,
      });
      return 'refused' in answer
        ? 'this kernel judges the uncut length of a single segment, as of several'
        : true;
    } finally {
      closeSync(file);
    }
  }

  /** User Mode Linux, for one, goes by what is mapped alone. Asked with a pointer that is read or not, to an iocb that is refused. */
  obeysProtection(): true | string {
    const { memory } = this.#kernel;
    const { pageBytes } = memory;
    const page = memory.mmap(pageBytes, 'read-write');
    if (page < 0) throw errnoException(page, 'mmap');
    try {
      encodeIocb({ aio_lio_opcode: IOCB_CMD_PREAD, aio_reserved2: 1 }, this.#iocb);
      const pointer = new WordArray(memory, 1);
      pointer.set(0, memory.addressOf(this.#iocb));
      try {
        memory.write(page, new Uint8Array(pointer.cells.buffer));
      } catch (error) {
        return `it cannot be tried: ${error instanceof Error ? error.message : String(error)}`;
      }
      memory.mprotect(page, pageBytes, 'none');
      return this.#kernel.io_submit(this.#ctx, 1, page) === -ERRNO.EFAULT
        ? true
        : 'this kernel reads memory that was made unreadable to the process';
    } finally {
      memory.munmap(page, pageBytes);
    }
  }

  mapsRing(): boolean {
    return this.#kernel.mapRing(this.#ctx) !== undefined;
  }

  dispose(): void {
    this.#kernel.close(this.#eventfd);
    // 30 to 40 ms that nobody has to wait for.
    void this.#kernel.destroyInBackground(this.#ctx).then(warnOfRefusal, warnOfRefusal);
  }
}

function warnOfRefusal(answer: unknown): void {
  if (answer === 0) return;
  const help = 'A context that was made to try the kernel stays until the process ends';
  process.emitWarning(
    typeof answer === 'number' ? errnoException(answer, 'io_destroy', { help }) : String(answer),
  );
}

/** Asks again and again until the time is over. */
function within(ms: number, succeeds: () => boolean): boolean {
  const end = performance.now() + ms;
  do {
    if (succeeds()) return true;
  } while (performance.now() < end);
  return false;
}

/** A regular file that this process may read: Node.js itself, or where only its execution is allowed, this one. */
function openSomeFile(): number | undefined {
  for (const path of [() => process.execPath, () => fileURLToPath(import.meta.url)]) {
    try {
      return openSync(path(), 'r');
    } catch (error) {
      // A moment later there may be room, and what is found out now is remembered.
      if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(codeOf(error) ?? '')) throw error;
    }
  }
  return undefined;
}

function setupHelp(kernel: AioKernel, result: number): { help: string } | undefined {
  if (result !== -ERRNO.EAGAIN) return undefined;
  try {
    const max = kernel.limits.aio_max_nr();
    return {
      help: `aio-nr is ${kernel.limits.aio_nr()} of aio-max-nr ${max}: raise it with sysctl -w fs.aio-max-nr=${max * 2}`,
    };
  } catch {
    // Not every container shows /proc/sys.
    return { help: 'Raise fs.aio-max-nr' };
  }
}
