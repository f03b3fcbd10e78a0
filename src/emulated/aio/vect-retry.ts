/**
 * The loop over a file's read or write method: `aio_rw_vect_retry` of the seed.
 *
 * There, writes go on until everything is done, and reads too except from pipes and sockets. Today's kernel calls the method
 * once and passes a short count on (BLOCK-11); only a method that asked to be called again goes on where it stopped.
 */
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../../common/abi/constants.ts';
import { EIOCBQUEUED, EIOCBRETRY } from '../kernel-errno.ts';
import type { Executor } from '../workqueue/executor.ts';
import type { AioKiocb } from './aio-kiocb.ts';

/** `ki_retry` of reads and writes. */
export function aio_rw_vect_retry(req: AioKiocb, executor: Executor): number {
  return aio_rw_vect_resume(req, callMethod(req, executor), executor);
}

/** Goes on with what one call of the method came to. */
export function aio_rw_vect_resume(req: AioKiocb, answer: number, executor: Executor): number {
  for (let result = answer; ; result = callMethod(req, executor)) {
    if (result === -EIOCBQUEUED || result === -EIOCBRETRY) return result;
    const before = req.ki_nbytes - req.ki_left;
    // Bytes that were moved are moved, whatever came after them.
    if (result < 0) return before > 0 ? before : result;
    if (!req.ki_loops || result === 0 || result >= req.ki_left) return before + result;
    req.advance(result);
  }
}

function callMethod(req: AioKiocb, executor: Executor): number {
  return req.ki_opcode === IOCB_CMD_PREAD || req.ki_opcode === IOCB_CMD_PREADV
    ? req.ki_filp.read_iter(req, executor)
    : req.ki_filp.write_iter(req, executor);
}
