/**
 * The deferred last put of a file.
 *
 * A completion may come from anywhere, also from inside a file's own method, so a file is never released there: it goes to
 * a list. What a kernel call drops is released when it returns, as Linux does on the way back to the program: the other end of a pipe
 * knows of it then. What is dropped outside of any call, as by an interrupt, waits for a work item (`fput_head`).
 */

const atReturn: (() => void)[] = [];
const fput_head: (() => void)[] = [];
let scheduled = false;
/** Kernel calls and work items that go on: more than one where a file's method makes calls of its own. */
let depth = 0;

/** A kernel call, a work item or a method of a user's file begins. */
export function enterCall(): void {
  depth++;
}

/** A kernel call or a work item ends. The outermost releases what was dropped: nothing of the kernel's is half done now. */
export function leaveCall(): void {
  depth--;
  if (depth === 0 && atReturn.length > 0) release(atReturn);
}

/** A method of a user's file ends: whoever ran it is still at work. */
export function leaveMethod(): void {
  depth--;
  if (depth === 0 && atReturn.length > 0) schedule();
}

/** Releases a file when this kernel call returns, or soon: its last reference is gone. */
export function delayed_fput(put: () => void): void {
  if (depth > 0) {
    atReturn.push(put);
    return;
  }
  fput_head.push(put);
  schedule();
}

/** Runs `body` as an interrupt would, whatever call goes on: what it drops waits for the work item. */
export function interrupted<T>(body: () => T): T {
  const before = depth;
  depth = 0;
  try {
    return body();
  } finally {
    depth = before;
  }
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  setImmediate(() => {
    scheduled = false;
    aio_fput_routine();
  });
}

/** Does something right after the put that was made last. Preconditions: it is pending. */
export function whenFput(then: () => void): void {
  (depth > 0 ? atReturn : fput_head).push(then);
}

/** Files that wait to be released, and what waits for them. */
export function pendingFputs(): number {
  return fput_head.length + atReturn.length;
}

/** The work item: releases what waits. Whoever cannot do without the room calls it at once. */
export function aio_fput_routine(): void {
  release(fput_head);
  release(atReturn);
}

function release(waiting: (() => void)[]): void {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) next();
}
