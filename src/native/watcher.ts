/** Being called on the event loop while an eventfd is readable. */
import type { EventfdWatcher } from '../common/kernel/aio-kernel.ts';
import type { Addon } from './addon.ts';
import type { Libc } from './libc.ts';

/** Watches through the addon where there is one, else through koffi. */
export function watchEventfd(
  libc: Libc,
  addon: Addon | undefined,
  eventfd: number,
  callback: () => void,
): EventfdWatcher {
  return addon === undefined ? watchByKoffi(libc, eventfd, callback) : watchByAddon(addon, eventfd, callback);
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
 * Watches through koffi's poll handle.
 *
 * On Node 26 the handle's callback runs outside a callback scope: promise reactions and `process.nextTick` queued in it
 * wait for some unrelated event (observed with koffi 3.3.4; on Node 20 to 24 they run). A `setImmediate` opens a proper
 * scope on every version, so the callback runs in one, and the process never hangs on a settled promise.
 */
function watchByKoffi(libc: Libc, eventfd: number, callback: () => void): EventfdWatcher {
  let closed = false;
  let scheduled: NodeJS.Immediate | undefined;
  const run = (): void => {
    scheduled = undefined;
    if (!closed) callback();
  };
  const handle = libc.poll(eventfd, () => {
    // The handle is level-triggered and would call again before the immediate has read the eventfd.
    if (!closed) scheduled ??= setImmediate(run);
  });
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
    },
  };
}
