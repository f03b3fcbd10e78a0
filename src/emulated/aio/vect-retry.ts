/**
 * The loop over a file's read or write method: `aio_rw_vect_retry` of the seed.
 *
 * There, writes go on until everything is done, and reads too except from pipes and sockets; the total is told if nothing is left
 * or nothing more comes, and otherwise what the last call came to, so that an error hides what was moved before it (SEED-03).
 * Today's kernel calls the method once and passes a short count on (BLOCK-11); only a method that asked to be called again goes on
 * where it stopped.
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
  if (req.ki_ctx?.profile.loopsTransfers === true) return loop(req, answer, executor);
  if (answer === -EIOCBQUEUED || answer === -EIOCBRETRY) return answer;
  const before = req.ki_nbytes - req.ki_left;
  // Bytes that were moved are moved, whatever came after them.
  if (answer < 0) return before > 0 ? before : answer;
  return before + answer;
}

function loop(req: AioKiocb, answer: number, executor: Executor): number {
  let result = answer;
  for (; result > 0; result = callMethod(req, executor)) {
    req.advance(Math.min(result, req.ki_left));
    if (req.ki_left === 0 || !req.ki_loops) break;
  }
  // Whoever queued it ends it, and nobody else.
  if (result === -EIOCBQUEUED) return result;
  // Also for a method that moved everything itself and asks to be called again, or tells an error.
  return result === 0 || req.ki_left === 0 ? req.ki_nbytes - req.ki_left : result;
}

function callMethod(req: AioKiocb, executor: Executor): number {
  return req.ki_opcode === IOCB_CMD_PREAD || req.ki_opcode === IOCB_CMD_PREADV
    ? req.ki_filp.read_iter(req, executor)
    : req.ki_filp.write_iter(req, executor);
}
