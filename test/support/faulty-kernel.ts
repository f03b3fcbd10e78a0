/** A kernel that is right but unpleasant, by a seed: short transfers, EAGAIN, EINTR, short submits, late events. */
import { IOCB_CMD_PREAD, IOCB_CMD_PWRITE } from '../../src/common/abi/constants.ts';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { IO_EVENT_BYTES, IOCB_BYTES } from '../../src/common/abi/layout.ts';
import { dataView, decodeIocb } from '../../src/common/abi/structs.ts';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { replacing } from './kernels.ts';

const NBYTES = 32;
const RES = 16;
const POINTER_BYTES = 8;

export interface FaultyOptions {
  readonly seed: number;
  /** Shorten transfers to a multiple of this. Default 1. */
  readonly granularity?: number;
  /** The result of every `failEvery`th event becomes `failWith`. */
  readonly failEvery?: number;
  readonly failWith?: number;
}

function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** @returns The kernel, and how often each fault has struck. */
export function faultyKernel(
  kernel: AioKernel,
  { seed, granularity = 1, failEvery = 0, failWith = -ERRNO.EIO }: FaultyOptions,
): { kernel: AioKernel; struck: Map<string, number> } {
  const random = generator(seed);
  const struck = new Map<string, number>();
  let eventfd = -1;
  let events = 0;
  let inFlight = 0;
  const strikes = (fault: string, share: number): boolean => {
    if (random() >= share) return false;
    struck.set(fault, (struck.get(fault) ?? 0) + 1);
    return true;
  };
  const { memory } = kernel;
  const shorten = (iocbpp: number): void => {
    const at = Number(dataView(memory.read(iocbpp, POINTER_BYTES)!).getBigUint64(0, true));
    const { aio_lio_opcode, aio_nbytes } = decodeIocb(dataView(memory.read(at, IOCB_BYTES)!));
    if (aio_lio_opcode !== IOCB_CMD_PREAD && aio_lio_opcode !== IOCB_CMD_PWRITE) return;
    if (aio_nbytes <= granularity || !strikes('short transfer', 0.3)) return;
    const units = Math.max(1, Math.floor((Number(aio_nbytes) / granularity) * random()));
    memory.write(at + NBYTES, new Uint8Array(new BigUint64Array([BigInt(units * granularity)]).buffer));
  };
  const faulty = replacing(kernel, {
    eventfd(initval, flags) {
      eventfd = kernel.eventfd(initval, flags);
      return eventfd;
    },
    // Events pass through the call below only.
    mapRing: () => undefined,
    io_submit(ctx, nr, iocbpp) {
      // With nothing in flight it would be the truth, and an error.
      if (inFlight > 0 && strikes('EAGAIN', 0.1)) return -ERRNO.EAGAIN;
      if (strikes('EINTR', 0.1)) return -ERRNO.EINTR;
      const count =
        Number(nr) > 1 && strikes('short submit', 0.3) ? Math.ceil(Number(nr) * random()) : Number(nr);
      for (let index = 0; index < count; index++) shorten(Number(iocbpp) + index * POINTER_BYTES);
      const accepted = kernel.io_submit(ctx, Math.max(count, 1), iocbpp);
      inFlight += Math.max(accepted, 0);
      return accepted;
    },
    io_getevents(ctx, min_nr, nr, at, timeout) {
      if (strikes('EINTR of io_getevents', 0.1)) return late();
      if (strikes('late events', 0.2)) return late();
      const got = kernel.io_getevents(ctx, min_nr, nr, at, timeout);
      inFlight -= Math.max(got, 0);
      for (let index = 0; index < got; index++) {
        if (failEvery > 0 && ++events % failEvery === 0) {
          const res = new Uint8Array(new BigInt64Array([BigInt(failWith)]).buffer);
          memory.write(Number(at) + index * IO_EVENT_BYTES + RES, res);
        }
      }
      return got;
    },
  });
  /** Nothing yet; the eventfd fires again. */
  function late(): number {
    setImmediate(() => kernel.eventfd_write(eventfd, 1n));
    return 0;
  }
  return { kernel: faulty, struck };
}
