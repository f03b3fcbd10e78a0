/** Kernels that are wrong on purpose: the suite has to notice each. */
import { EFD_NONBLOCK, IOCB_CMD_POLL, IOCB_CMD_PREAD, POLLIN } from '../../src/common/abi/constants.ts';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { IOCB_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIocb, encodeIocb, type Iocb } from '../../src/common/abi/structs.ts';
import type { AioKernel, Word } from '../../src/common/kernel/aio-kernel.ts';
import { replacing } from './kernels.ts';

export interface WrongKernel {
  readonly name: string;
  /** The rule whose cases must notice. */
  readonly rule: string;
  wrap(kernel: AioKernel): AioKernel;
}

/** The iocbs that a call would submit, with their addresses. */
function submitted(
  kernel: AioKernel,
  nr: Word,
  iocbpp: Word,
): { address: number; iocb: Iocb; bytes: Uint8Array }[] {
  const found: { address: number; iocb: Iocb; bytes: Uint8Array }[] = [];
  for (let index = 0; index < Math.min(Number(nr), 1024); index++) {
    const pointer = kernel.memory.read(Number(iocbpp) + index * 8, 8);
    if (pointer === undefined) break;
    const address = Number(dataView(pointer).getBigUint64(0, true));
    const bytes = kernel.memory.read(address, IOCB_BYTES);
    if (bytes === undefined) break;
    found.push({ address, iocb: decodeIocb(dataView(bytes)), bytes });
  }
  return found;
}

export const WRONG_KERNELS: readonly WrongKernel[] = [
  {
    name: 'drops a partial count',
    rule: 'SUBMIT-04',
    wrap: (kernel) =>
      replacing(kernel, {
        io_submit(ctx, nr, iocbpp) {
          const answer = kernel.io_submit(ctx, nr, iocbpp);
          return answer > 0 && answer < Number(nr) ? -ERRNO.EBADF : answer;
        },
      }),
  },
  {
    name: 'forgets to free a slot',
    rule: 'CAP-07',
    wrap: (kernel) => {
      const idle = kernel.eventfd(0, EFD_NONBLOCK);
      const iocb = new Uint8Array(IOCB_BYTES);
      encodeIocb({ aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: idle, aio_buf: POLLIN }, dataView(iocb));
      const pointer = new BigUint64Array([BigInt(kernel.memory.addressOf(iocb))]);
      return replacing(kernel, {
        io_getevents(ctx, min_nr, nr, events, timeout) {
          const answer = kernel.io_getevents(ctx, min_nr, nr, events, timeout);
          if (answer > 0) kernel.io_submit(ctx, 1, kernel.memory.addressOf(pointer));
          return answer;
        },
      });
    },
  },
  {
    name: 'checks nr before the context',
    rule: 'SUBMIT-03',
    wrap: (kernel) =>
      replacing(kernel, {
        io_submit: (ctx, nr, iocbpp) => (Number(nr) === 0 ? 0 : kernel.io_submit(ctx, nr, iocbpp)),
      }),
  },
  {
    name: 'loses aio_key',
    rule: 'SUBMIT-28',
    wrap: (kernel) =>
      replacing(kernel, {
        io_submit(ctx, nr, iocbpp) {
          const before = submitted(kernel, nr, iocbpp);
          const answer = kernel.io_submit(ctx, nr, iocbpp);
          for (const { address, bytes } of before) kernel.memory.write(address, bytes);
          return answer;
        },
      }),
  },
  {
    name: 'hands out the event before the data',
    rule: 'FILE-01',
    wrap: (kernel) => {
      const buffers: { address: number; bytes: Uint8Array }[] = [];
      return replacing(kernel, {
        io_submit(ctx, nr, iocbpp) {
          for (const { iocb } of submitted(kernel, nr, iocbpp)) {
            if (iocb.aio_lio_opcode !== IOCB_CMD_PREAD || iocb.aio_nbytes > 4096n) continue;
            const address = Number(iocb.aio_buf);
            const bytes = kernel.memory.read(address, Number(iocb.aio_nbytes));
            if (bytes !== undefined) buffers.push({ address, bytes });
          }
          return kernel.io_submit(ctx, nr, iocbpp);
        },
        io_getevents(ctx, min_nr, nr, events, timeout) {
          const answer = kernel.io_getevents(ctx, min_nr, nr, events, timeout);
          for (const { address, bytes } of buffers.splice(0)) kernel.memory.write(address, bytes);
          return answer;
        },
      });
    },
  },
  {
    name: 'answers 0 for a cancelled poll, as libaio would like it',
    rule: 'CANCEL-04',
    wrap: (kernel) =>
      replacing(kernel, {
        io_cancel(ctx, iocb, result) {
          const answer = kernel.io_cancel(ctx, iocb, result);
          return answer === -ERRNO.EINPROGRESS ? 0 : answer;
        },
      }),
  },
  {
    name: 'lets a context be destroyed twice',
    rule: 'DESTROY-01',
    wrap: (kernel) => replacing(kernel, { io_destroy: (ctx) => Math.max(0, kernel.io_destroy(ctx)) }),
  },
  {
    name: 'signals the eventfd of refused requests',
    rule: 'RESFD-02',
    wrap: (kernel) =>
      replacing(kernel, {
        io_submit(ctx, nr, iocbpp) {
          const answer = kernel.io_submit(ctx, nr, iocbpp);
          if (answer < 0) {
            for (const { iocb } of submitted(kernel, nr, iocbpp)) kernel.eventfd_write(iocb.aio_resfd, 1n);
          }
          return answer;
        },
      }),
  },
];
