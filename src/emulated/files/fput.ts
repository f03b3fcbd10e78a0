/**
 * The deferred last put of a file.
 *
 * A completion may come from anywhere, also from inside a file's own method, so a file is never released there: it goes to
 * a list (`fput_head`), and a work item releases it.
 */

const fput_head: (() => void)[] = [];
let scheduled = false;

/** Releases a file soon: its last reference is gone. */
export function delayed_fput(release: () => void): void {
  fput_head.push(release);
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    aio_fput_routine();
  });
}

/** Does something right after the puts that are pending now. Preconditions: there are some. */
export function whenFput(then: () => void): void {
  fput_head.push(then);
}

/** Files that wait to be released, and what waits for them. */
export function pendingFputs(): number {
  return fput_head.length;
}

/** The work item: releases what waits. Whoever cannot do without the room calls it at once. */
export function aio_fput_routine(): void {
  for (let next = fput_head.shift(); next !== undefined; next = fput_head.shift()) next();
}
