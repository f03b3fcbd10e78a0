/** Running a request: one call of its file's method, and completion unless the method completes it later. */
import { IOCB_CMD_FDSYNC, IOCB_CMD_FSYNC, IOCB_CMD_PREAD, IOCB_CMD_PREADV } from '../common/abi/constants.ts';
import { aio_complete } from './aio-complete.ts';
import { EIOCBQUEUED, type Kiocb } from './kiocb.ts';
import type { Kioctx } from './kioctx.ts';
import type { Executor } from './workqueue/executor.ts';
import { inline } from './workqueue/inline.ts';

/** Runs `req` on `executor`. Preconditions: it is on no run list and does not run. */
export function aio_run_iocb(req: Kiocb, executor: Executor): void {
  const result = callMethod(req, executor);
  if (result !== -EIOCBQUEUED) aio_complete(req, result);
}

function callMethod(req: Kiocb, executor: Executor): number {
  const file = req.ki_filp;
  switch (req.ki_opcode) {
    case IOCB_CMD_PREAD:
    case IOCB_CMD_PREADV:
      return file.read_iter(req, executor);
    case IOCB_CMD_FSYNC:
      return file.fsync(req, false, executor);
    case IOCB_CMD_FDSYNC:
      return file.fsync(req, true, executor);
    default:
      return file.write_iter(req, executor);
  }
}

/** Runs everything on the run list of `ctx` here and now, in the order of submission. */
export function aio_run_all_iocbs(ctx: Kioctx): void {
  for (let req = ctx.run_list.shift(); req !== undefined; req = ctx.run_list.shift()) {
    aio_run_iocb(req, inline);
  }
}
