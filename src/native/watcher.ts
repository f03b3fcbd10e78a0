/** Being called on the event loop while an eventfd is readable. */
import { ERRNO } from '../common/abi/errno.ts';
import { AioError, errnoException } from '../common/errors.ts';
import type { EventfdWatcher } from '../common/kernel/aio-kernel.ts';
import type { Addon } from './addon.ts';
import type { PollHandle } from './ffi.ts';
import type { Libc } from './libc.ts';

// `asm-generic/fcntl.h` and `linux/eventpoll.h`.
const F_DUPFD_CLOEXEC = 1030;
const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** More than `struct epoll_event` has on any machine. */
const EPOLL_EVENT_BYTES = 16;

/** Bound once: FFI keeps each function it makes. */
interface Calls {
  readonly fcntl: ReturnType<Libc['bind']>;
  readonly close: ReturnType<Libc['bind']>;
  readonly epoll_create1: ReturnType<Libc['bind']>;
  readonly epoll_ctl: ReturnType<Libc['bind']>;
}

let bound: Calls | undefined;

function callsOf(libc: Libc): Calls {
  bound ??= {
    fcntl: libc.bind('fcntl', 'int', 3),
    close: libc.bind('close', 'int', 1),
    epoll_create1: libc.bind('epoll_create1', 'int', 1),
    epoll_ctl: libc.bind('epoll_ctl', 'int', 4),
  };
  return bound;
}

/**
 * Watches through the addon where there is one, else through FFI.
 *
 * @throws Error with `code`, `errno` and `syscall` when the event loop, or the limit of descriptors, refuses.
 */
export function watchEventfd(
  libc: Libc,
  addon: Addon | undefined,
  eventfd: number,
  callback: () => void,
): EventfdWatcher {
  return addon === undefined ? watchByFfi(libc, eventfd, callback) : watchByAddon(addon, eventfd, callback);
}

/** `uv_poll` with a callback scope of its own: what the callback settles goes on at once, on every version of Node.js. */
function watchByAddon(addon: Addon, eventfd: number, callback: () => void): EventfdWatcher {
  const handle = addon.watcherOpen(eventfd, callback);
  return {
    ref: () => addon.watcherRef(handle),
    unref: () => addon.watcherUnref(handle),
    close: () => addon.watcherClose(handle),
  };
}

/**
 * Watches through a poll handle of koffi's, or of libuv itself.
 *
 * On Node 26 koffi's callback runs outside a callback scope: promise reactions and `process.nextTick` queued in it
 * wait for some unrelated event (observed with koffi 3.3.4; on Node 20 to 24 they run). A `setImmediate` opens a proper
 * scope on every version, so the callback runs in one, and the process never hangs on a settled promise.
 *
 * It watches a duplicate: libuv knows descriptors by number, and koffi ends the process where libuv refuses one that it knows already.
 */
function watchByFfi(libc: Libc, eventfd: number, callback: () => void): EventfdWatcher {
  let closed = false;
  let scheduled: NodeJS.Immediate | undefined;
  const run = (): void => {
    scheduled = undefined;
    if (!closed) callback();
  };
  const fd = duplicate(libc, eventfd);
  let handle: PollHandle;
  try {
    handle = openPoll(libc, fd, () => {
      // The handle is level-triggered and would call again before the immediate has read the eventfd.
      if (!closed) scheduled ??= setImmediate(run);
    });
  } catch (error) {
    callsOf(libc).close(fd);
    throw error;
  }
  handle.unref();
  return {
    ref: () => {
      if (!closed) handle.ref();
    },
    unref: () => {
      if (!closed) handle.unref();
    },
    close: () => {
      if (closed) return;
      closed = true;
      clearImmediate(scheduled);
      handle.close();
      callsOf(libc).close(fd);
    },
  };
}

function duplicate(libc: Libc, eventfd: number): number {
  const fd = callsOf(libc).fcntl(eventfd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) throw errnoException(fd, 'fcntl');
  return fd;
}

function openPoll(libc: Libc, fd: number, callback: () => void): PollHandle {
  const refusal = refusalOfEpoll(libc, fd);
  if (refusal !== undefined) throw refusal;
  try {
    return libc.poll(fd, callback);
  } catch (error) {
    if (error instanceof AioError) throw error;
    // koffi has what libuv said as a text in the message.
    throw errnoException(ERRNO.EIO, 'uv_poll_start', { cause: error });
  }
}

/** An `epoll_event`. */
const READABLE = new Uint32Array(EPOLL_EVENT_BYTES / Uint32Array.BYTES_PER_ELEMENT);
READABLE[0] = EPOLLIN;

/**
 * What libuv will try when it makes the handle, tried before, on an epoll descriptor that is gone at once: koffi does not survive the
 * refusal (observed with 3.3.4: Node.js aborts).
 */
function refusalOfEpoll(libc: Libc, fd: number): AioError | undefined {
  const { epoll_create1, epoll_ctl, close } = callsOf(libc);
  const epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return errnoException(epoll, 'epoll_create1');
  const answer = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, libc.addressOf(READABLE));
  close(epoll);
  return answer < 0 ? errnoException(answer, 'epoll_ctl') : undefined;
}
