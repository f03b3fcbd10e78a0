/**
 * The loop over a file's read or write method: `aio_rw_vect_retry` of the seed.
 *
 * There, writes go on until everything is done, and reads too except from pipes and sockets. Today's kernel calls the method
 * once and passes a short count on (BLOCK-11); only a method that asked to be called again goes on where it stopped.
 */
import { IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../../common/abi/constants.ts';
import type { Executor } from '../workqueue/executor.ts';
import { EIOCBQUEUED, EIOCBRETRY, type Kiocb } from './aio-kiocb.ts';

/** `ki_retry` of reads and writes. */
export function aio_rw_vect_retry(req: Kiocb, executor: Executor): number {
  return aio_rw_vect_resume(req, callMethod(req, executor), executor);
}

/** Goes on with what one call of the method came to. */
export function aio_rw_vect_resume(req: Kiocb, answer: number, executor: Executor): number {
  for (let result = answer; ; result = callMethod(req, executor)) {
    if (result === -EIOCBQUEUED || result === -EIOCBRETRY) return result;
    const before = req.ki_nbytes - req.ki_left;
    // Bytes that were moved are moved, whatever came after them.
    if (result < 0) return before > 0 ? before : result;
    if (!req.ki_loops || result === 0 || result >= req.ki_left) return before + result;
    aio_advance_iovec(req, result);
  }
}

function callMethod(req: Kiocb, executor: Executor): number {
  return req.ki_opcode === IOCB_CMD_PREAD || req.ki_opcode === IOCB_CMD_PREADV
    ? req.ki_filp.read_iter(req, executor)
    : req.ki_filp.write_iter(req, executor);
}

/** Moves a request on by `bytes`: whole segments are left behind, the current one is shortened. */
export function aio_advance_iovec(req: Kiocb, bytes: number): void {
  req.ki_left -= bytes;
  // A stream has no places.
  if (req.ki_filp.isStream !== true) req.ki_pos += bytes;
  const segments = req.ki_segments;
  if (segments === undefined) {
    req.ki_buf += bytes;
    return;
  }
  const { base, length } = segments;
  let left = bytes;
  while (left > 0 && left >= length[req.ki_cur_seg]!) left -= length[req.ki_cur_seg++]!;
  if (left === 0) return;
  base[req.ki_cur_seg]! += left;
  length[req.ki_cur_seg]! -= left;
}
