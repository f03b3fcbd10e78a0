/** The synchronous path: the same methods of a file for a caller that wants the result, and no context. */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_PREAD,
  IOCB_CMD_PWRITE,
} from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { import_ubuf } from '../memory/iovec.ts';
import { inline } from '../workqueue/inline.ts';
import { cutOff } from './aio-complete.ts';
import { AioKiocb, KIF_CANCELLED, KIF_DONE, KIF_KICKED, KIF_RUNNING } from './aio-kiocb.ts';
import { aio_run_iocb } from './aio-run.ts';
import type { KernelState } from './kernel-state.ts';
import { KIOCB_OPERATIONS } from './kiocb-operations.ts';
import { aio_fsync_retry } from './ops/fsync.ts';
import { FOREVER } from './timeout.ts';
import { aio_rw_vect_retry } from './vect-retry.ts';

/** What is asked for. */
export interface SyncCall {
  readonly opcode: number;
  readonly fd: number;
  readonly address?: number;
  readonly bytes?: number;
  readonly position?: number;
}

/** `init_sync_kiocb`: a request without a context, in one hand. @returns It, or a negative errno. */
export function init_sync_kiocb(kernel: KernelState, call: SyncCall): AioKiocb | number {
  const { opcode, fd, address = 0, bytes = 0, position = 0 } = call;
  const file = kernel.files.fget(fd);
  kernel.files.endBatch();
  if (file === undefined) return -ERRNO.EBADF;
  const req = new AioKiocb(undefined, opcode, 0, 0, 0, file, undefined, KIOCB_OPERATIONS);
  req.ki_users = 1;
  const error = prepare(kernel, req, address, bytes);
  if (error !== 0) return error;
  req.ki_left = req.ki_nbytes;
  req.ki_pos = position;
  file.get();
  return req;
}

function prepare(kernel: KernelState, req: AioKiocb, address: number, bytes: number): number {
  const file = req.ki_filp;
  const { profile } = kernel;
  switch (req.ki_opcode) {
    case IOCB_CMD_FSYNC:
    case IOCB_CMD_FDSYNC:
      req.ki_retry = aio_fsync_retry;
      return file.hasFsync || (req.ki_opcode === IOCB_CMD_FDSYNC && file.hasFdatasync === true)
        ? 0
        : -ERRNO.EINVAL;
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PWRITE:
      req.ki_retry = aio_rw_vect_retry;
      return (
        (req.ki_opcode === IOCB_CMD_PREAD ? file.mayRead(true) : file.mayWrite(true)) ||
        import_ubuf(req, address, bytes, profile)
      );
    default:
      return -ERRNO.EINVAL;
  }
}

/** `wait_on_sync_kiocb`, for a caller that lets the event loop go on. On "retry" it sleeps until kicked and calls again. */
export function wait_on_sync_kiocb(kernel: KernelState, req: AioKiocb): Promise<number> {
  return new Promise((resolve) => {
    const run = (): void => {
      if ((req.ki_flags & (KIF_DONE | KIF_RUNNING)) === 0) aio_run_iocb(req, kernel.work.executor);
    };
    const ki_wake = (): void => {
      if ((req.ki_flags & KIF_DONE) !== 0) resolve(req.ki_result);
      // In a turn of its own: a file that kicks in every run must not keep the event loop from everybody else.
      else kernel.clock.after(0, run);
    };
    req.ki_wake = ki_wake;
    run();
  });
}

/**
 * `wait_on_sync_kiocb`, for a caller that holds its thread.
 *
 * @returns The result; -EDEADLK where nothing that happens on this thread could bring it, and then the request is withdrawn.
 */
export function hold_on_sync_kiocb(kernel: KernelState, req: AioKiocb): number {
  let left = req.ki_left;
  for (let round = 0; round < kernel.profile.drainRounds; round++) {
    if ((req.ki_flags & KIF_RUNNING) === 0) aio_run_iocb(req, inline);
    if ((req.ki_flags & KIF_DONE) !== 0) return req.ki_result;
    // A file that only kicks, in every run, brings no result either.
    if (req.ki_left !== left) round = 0;
    left = req.ki_left;
    if ((req.ki_flags & KIF_KICKED) === 0 && kernel.work.executor.wait?.(FOREVER) !== true) break;
  }
  withdraw(req);
  return -ERRNO.EDEADLK;
}

function withdraw(req: AioKiocb): void {
  req.ki_flags |= KIF_CANCELLED;
  // What was begun ends some time; what waits is called off.
  if ((req.ki_flags & KIF_RUNNING) !== 0) cutOff(req);
  else aio_run_iocb(req, inline);
}
