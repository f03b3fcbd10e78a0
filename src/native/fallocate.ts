/** Room in files of the host: fallocate(2), which `node:fs` has not. */
import { ERRNO } from '../common/abi/errno.ts';
import { AioStateError } from '../common/errors.ts';
import { type BackgroundCalls, backgroundCalls } from './background-calls.ts';

/**
 * fallocate(2) on a thread of libuv's pool.
 *
 * It takes numbers only, so that nothing can be gone before it ends but the descriptor.
 *
 * Preconditions: the descriptor stays open until the promise settles.
 *
 * @returns 0 or a negative errno.
 * @throws AioStateError `ERR_AIO_UNSUPPORTED` where there is no such call to be had: on other systems, and where neither koffi nor node:ffi with the addon is there.
 */
export async function fallocate(fd: number, mode: number, offset: number, len: number): Promise<number> {
  const calls = callsOrThrow();
  for (;;) {
    const answer = await calls.run((end, aside) => aside.fallocate(fd, mode, offset, len, end));
    // By a signal, in the middle of many blocks: what is done stays, and need not be done again.
    if (answer !== -ERRNO.EINTR) return answer;
  }
}

function callsOrThrow(): BackgroundCalls {
  if (process.platform !== 'linux')
    throw new AioStateError('ERR_AIO_UNSUPPORTED', `There is no fallocate(2) on ${process.platform}`);
  let calls: BackgroundCalls | undefined;
  try {
    calls = backgroundCalls();
  } catch (error) {
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
    throw new AioStateError(
      'ERR_AIO_UNSUPPORTED',
      `fallocate(2) takes koffi, which cannot be loaded: ${reason}. Install it: npm install koffi`,
      error,
    );
  }
  if (calls === undefined)
    throw new AioStateError(
      'ERR_AIO_UNSUPPORTED',
      'fallocate(2) takes koffi or the addon, and there is neither. Install it: npm install koffi',
    );
  return calls;
}
