/** Asking the kernel questions. */
import { closeSync, openSync } from 'node:fs';
import {
  EFD_NONBLOCK,
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { IO_EVENT_BYTES, IOCB_BYTES } from '../common/abi/layout.ts';
import { decodeIoEvent, encodeIocb, encodeTimespec } from '../common/abi/structs.ts';
import { AioError, errnoException } from '../common/errors.ts';
import type { AioContextId, AioKernel } from '../common/kernel/aio-kernel.ts';

const RWF_BITS = 16;
const EVENTFD_BYTES = 8;
const SSIZE_MAX = 2n ** 63n - 1n;
const LOW_ADDRESS = 0x10000;
const FAR_BEHIND_THE_END = 2n ** 40n;
const PROBE_DATA = 0x6b61696fn;

/** A context of one request. */
export class ProbeContext {
  readonly #kernel: AioKernel;
  readonly #ctxp = new BigUint64Array(1);
  readonly #iocb = new DataView(new ArrayBuffer(IOCB_BYTES));
  readonly #iocbpp = new BigUint64Array(1);
  readonly #events = new DataView(new ArrayBuffer(IO_EVENT_BYTES));
  readonly #timeout = new DataView(new ArrayBuffer(16));
  readonly #eventfd: number;

  /** @throws AioError when the kernel refuses. */
  constructor(kernel: AioKernel) {
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

function setupHelp(kernel: AioKernel, result: number): { help: string } | undefined {
  if (result !== -ERRNO.EAGAIN) return undefined;
  const max = kernel.limits.aio_max_nr();
  return {
    help: `aio-nr is ${kernel.limits.aio_nr()} of aio-max-nr ${max}: raise it with sysctl -w fs.aio-max-nr=${max * 2}`,
  };
}
