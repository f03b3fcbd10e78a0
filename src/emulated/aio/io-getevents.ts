/** `io_getevents` and `io_pgetevents`. */
import { LITTLE_ENDIAN } from '../../common/abi/byte-order.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { IO_EVENT_BYTES, TIMESPEC_BYTES } from '../../common/abi/layout.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';
import type { AddressSpace } from '../memory/mm.ts';
import { pointer, signedLong, unsignedLong } from '../memory/registers.ts';
import type { AioKioctx } from './aio-kiocb.ts';
import { aio_run_accepted, aio_run_all_iocbs } from './aio-run.ts';
import type { KernelState } from './kernel-state.ts';
import { put_ioctx } from './kioctx.ts';
import { FOREVER, sleepNs, timespecToNs, timespecToTicks } from './timeout.ts';

const SIGSET_BYTES = 8;
const AIO_SIGSET_BYTES = 16;

export function io_getevents(
  kernel: KernelState,
  ctx_id: Word,
  min_nr: Word,
  nr: Word,
  events: Word,
  timeout: Word,
): number {
  const address = pointer(timeout);
  if (!kernel.profile.timeoutFirst) {
    return do_io_getevents(kernel, ctx_id, min_nr, nr, events, () => readTimeout(kernel, address));
  }
  const ns = readTimeout(kernel, address);
  return ns === undefined ? -ERRNO.EFAULT : do_io_getevents(kernel, ctx_id, min_nr, nr, events, () => ns);
}

export function io_pgetevents(
  kernel: KernelState,
  ctx_id: Word,
  min_nr: Word,
  nr: Word,
  events: Word,
  timeout: Word,
  usig: Word,
): number {
  const { mm, profile } = kernel;
  if (!profile.pgetevents) return -ERRNO.ENOSYS;
  const ns = readTimeout(kernel, pointer(timeout));
  if (ns === undefined) return -ERRNO.EFAULT;
  return checkSigset(mm, pointer(usig)) || do_io_getevents(kernel, ctx_id, min_nr, nr, events, () => ns);
}

/** Nanoseconds; `undefined` where the timespec cannot be read. No timespec is no limit. */
function readTimeout({ mm, profile }: KernelState, address: number): number | undefined {
  if (address === 0) return FOREVER;
  const memory = mm.reach(address, TIMESPEC_BYTES, 'read');
  if (memory === undefined) return undefined;
  const at = address - memory.base;
  const sec = memory.view.getBigInt64(at, LITTLE_ENDIAN);
  const nsec = memory.view.getBigInt64(at + 8, LITTLE_ENDIAN);
  return profile.tickNs === undefined ? timespecToNs(sec, nsec) : timespecToTicks(sec, nsec, profile.tickNs);
}

/** Judges the mask, which then has no effect here. */
function checkSigset(mm: AddressSpace, usig: number): number {
  if (usig === 0) return 0;
  const memory = mm.reach(usig, AIO_SIGSET_BYTES, 'read');
  if (memory === undefined) return -ERRNO.EFAULT;
  const { view } = memory;
  const at = usig - memory.base;
  const mask = unsignedLong(view, at);
  if (mask === 0) return 0;
  if (unsignedLong(view, at + 8) !== SIGSET_BYTES) return -ERRNO.EINVAL;
  return mm.reach(mask, SIGSET_BYTES, 'read') === undefined ? -ERRNO.EFAULT : 0;
}

function do_io_getevents(
  kernel: KernelState,
  ctx_id: Word,
  min_nr: Word,
  nr: Word,
  events: Word,
  timeout: () => number | undefined,
): number {
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  const min = signedLong(min_nr);
  const max = signedLong(nr);
  if (min < 0 || min > max) return -ERRNO.EINVAL;
  ctx.users++;
  const taken = read_events(kernel, ctx, Number(min), Number(max), pointer(events), timeout);
  put_ioctx(ctx);
  return taken;
}

function read_events(
  kernel: KernelState,
  ctx: AioKioctx,
  min_nr: number,
  nr: number,
  events: number,
  timeout: () => number | undefined,
): number {
  const { drainsLate } = kernel.profile;
  // On Linux what was submitted for ordinary files has run already. Here it begins now at the latest.
  if (ctx.ring.ready < nr) {
    if (!drainsLate) aio_run_all_iocbs(ctx);
    begin(kernel, ctx, min_nr > 0 && timeout() !== 0);
  }
  let taken = 0;
  /** Takes what is there. @returns Whether that decides the call, by a fault or because it is enough. */
  const take = (): boolean => {
    for (;;) {
      const got = ctx.dead
        ? -ERRNO.EINVAL
        : readRing(kernel, ctx, events + taken * IO_EVENT_BYTES, nr - taken);
      if (got < 0) {
        if (taken === 0) taken = got;
        return true;
      }
      taken += got;
      // Today all that is there is taken at once; in 2007 one after the other, and one that faults is not passed over in silence.
      if (got === 0 || kernel.profile.keepsEvents) return taken >= min_nr;
    }
  };
  if (take()) return taken;
  if (drainsLate && !ctx.run_list.isEmpty) {
    aio_run_all_iocbs(ctx);
    if (take()) return taken;
  }
  const ns = timeout();
  // Anything taken wins over any error.
  if (ns === undefined) return taken > 0 ? taken : -ERRNO.EFAULT;
  if (ns === 0) return taken;
  const until = kernel.clock.nowNs() + ns;
  // Today a waiter takes nothing before all that it still needs lies in the ring (GET-18); in 2007 it takes what comes.
  const inBatches = kernel.profile.wakesInBatches;
  while (inBatches ? ctx.ring.ready < min_nr - taken && !ctx.dead : !take()) {
    const left = until - kernel.clock.nowNs();
    if (left <= 0 || !waitForEnd(kernel, left)) break;
    aio_run_all_iocbs(ctx);
    begin(kernel, ctx, true);
  }
  take();
  return taken === 0 && ns === FOREVER ? -ERRNO.EDEADLK : taken;
}

/** Brings what was accepted on its way: to its end, or where the executor can be waited for, to the executor. */
function begin({ work }: KernelState, ctx: AioKioctx, waits: boolean): void {
  if (waits && work.executor.background && work.executor.wait !== undefined) work.begin();
  else aio_run_accepted(ctx, work.executor);
}

/** Lets an operation end, or the time pass. @returns Whether looking into the ring again makes sense. */
function waitForEnd({ work, clock }: KernelState, ns: number): boolean {
  const until = clock.nowNs() + ns;
  if (work.executor.wait?.(ns) === true) return true;
  // The end of anything else comes through the event loop, which this thread holds up.
  if (ns !== FOREVER) sleepNs(until - clock.nowNs());
  return false;
}

function readRing({ mm, profile }: KernelState, ctx: AioKioctx, events: number, max: number): number {
  if (profile.keepsEvents) return ctx.ring.read(mm, events, max);
  return max > 0 ? ctx.ring.readOne(mm, events) : 0;
}
