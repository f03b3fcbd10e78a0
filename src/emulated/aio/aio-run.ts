/**
 * Running requests: retry and kick.
 *
 * At most one run of a request goes on at any time; a kick during a run is not lost and causes exactly one further run; a
 * request is on the run list at most once.
 */
import { ERRNO } from '../../common/abi/errno.ts';
import { BUG_ON } from '../bug.ts';
import { EIOCBQUEUED, EIOCBRETRY } from '../kernel-errno.ts';
import { aio_run_kicked_once } from '../workqueue/aio-wq.ts';
import type { Executor } from '../workqueue/executor.ts';
import { inline } from '../workqueue/inline.ts';
import { aio_complete } from './aio-complete.ts';
import {
  type AioKiocb,
  type AioKioctx,
  KIF_BEGUN,
  KIF_CANCELLED,
  KIF_DONE,
  KIF_KICKED,
  KIF_RUNNING,
} from './aio-kiocb.ts';
import { aio_rw_vect_resume } from './vect-retry.ts';

/** Runs `req` once, on `executor`. Preconditions: it is on no list and does not run. */
export function aio_run_iocb(req: AioKiocb, executor: Executor): void {
  if (req.ki_ctx?.debug === true) {
    BUG_ON((req.ki_flags & KIF_RUNNING) !== 0, 'a request runs twice at a time');
    BUG_ON((req.ki_flags & KIF_DONE) !== 0, 'a request runs although it has ended');
  }
  req.ki_flags = (req.ki_flags & ~KIF_KICKED) | KIF_RUNNING | KIF_BEGUN;
  const result = (req.ki_flags & KIF_CANCELLED) === 0 ? req.ki_retry!(req, executor) : -ERRNO.EINTR;
  if (result !== -EIOCBQUEUED) aio_ran(req, result);
}

/** Runs a request for the first time: here and now where its file can, else as soon as the work queue gets to it. */
export function aio_submit_run(req: AioKiocb): void {
  if (req.ki_filp.runsInSubmit === true || req.ki_ctx!.runsInSubmit) aio_run_iocb(req, inline);
  else req.ki_ctx!.accepted.push(req);
}

/** The end of a run that was not ended by the method itself: a result, or -EIOCBRETRY. */
function aio_ran(req: AioKiocb, result: number): void {
  if ((req.ki_flags & KIF_DONE) !== 0) return;
  req.ki_flags &= ~KIF_RUNNING;
  if (result !== -EIOCBRETRY || req.ki_cut) {
    aio_complete(req, result === -EIOCBRETRY ? -ERRNO.EINTR : result);
    return;
  }
  req.ki_ctx?.active_reqs.add(req);
  if ((req.ki_flags & KIF_KICKED) !== 0 || req.isCancelled) queue_kicked_iocb(req);
}

/**
 * What a method that answered -EIOCBQUEUED has come to, which ends that run: a result, or -EIOCBRETRY.
 *
 * A file whose transfers may be short tells them here rather than by `aio_complete`, so that a request that loops goes on.
 */
export function aio_answer(req: AioKiocb, answer: number, executor: Executor): void {
  const result = req.ki_loops ? aio_rw_vect_resume(req, answer, executor) : answer;
  if (result !== -EIOCBQUEUED) aio_ran(req, result);
}

/** Has `req` run once more, soon. Called when what it waits for may have come. */
export function kick_iocb(req: AioKiocb): void {
  if ((req.ki_flags & (KIF_KICKED | KIF_DONE)) !== 0 || req.ki_cut) return;
  req.ki_flags |= KIF_KICKED;
  if ((req.ki_flags & KIF_RUNNING) === 0) queue_kicked_iocb(req);
}

function queue_kicked_iocb(req: AioKiocb): void {
  const ctx = req.ki_ctx;
  if (ctx === undefined) {
    req.ki_wake?.();
    return;
  }
  ctx.run_list.push(req);
  ctx.aio_queue_work();
}

/** Runs what was kicked, and what files kick by that. */
export function aio_run_all_iocbs(ctx: AioKioctx): void {
  for (let round = 0; round < ctx.profile.drainRounds && aio_run_kicked_once(ctx); round++);
}

/**
 * Runs what was accepted, here and now, in the order of submission.
 *
 * What may have to wait for somebody else goes to `executor` instead, if that can be waited for with a limit.
 */
export function aio_run_accepted(ctx: AioKioctx, executor: Executor): void {
  const waits = executor.wait === undefined ? inline : executor;
  for (let req = ctx.accepted.shift(); req !== undefined; req = ctx.accepted.shift()) {
    aio_run_iocb(req, req.ki_filp.mayWait ? waits : inline);
  }
}
