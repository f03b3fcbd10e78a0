/** `io_getevents` and `io_pgetevents`. */
import { ERRNO } from '../common/abi/errno.ts';
import { IO_EVENT_BYTES, TIMESPEC_BYTES } from '../common/abi/layout.ts';
import type { Word } from '../common/kernel.ts';
import { aio_run_all_iocbs } from './aio-run.ts';
import type { KernelState } from './kernel-state.ts';
import type { Kioctx } from './kioctx.ts';
import type { AddressSpace } from './mm.ts';
import { fromHalves, pointer, signedLong } from './registers.ts';
import { FOREVER, sleepNs, timespecToNs } from './timeout.ts';

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
  const ns = readTimeout(kernel.mm, pointer(timeout));
  return ns === undefined ? -ERRNO.EFAULT : do_io_getevents(kernel, ctx_id, min_nr, nr, events, ns);
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
  const { mm } = kernel;
  const ns = readTimeout(mm, pointer(timeout));
  if (ns === undefined) return -ERRNO.EFAULT;
  return checkSigset(mm, pointer(usig)) || do_io_getevents(kernel, ctx_id, min_nr, nr, events, ns);
}

/** Nanoseconds; `undefined` where the timespec cannot be read. No timespec is no limit. */
function readTimeout(mm: AddressSpace, address: number): number | undefined {
  if (address === 0) return FOREVER;
  const memory = mm.reach(address, TIMESPEC_BYTES, 'read');
  if (memory === undefined) return undefined;
  const at = address - memory.base;
  return timespecToNs(memory.view.getBigInt64(at, true), memory.view.getBigInt64(at + 8, true));
}

/** Judges the mask, which then has no effect here. */
function checkSigset(mm: AddressSpace, usig: number): number {
  if (usig === 0) return 0;
  const memory = mm.reach(usig, AIO_SIGSET_BYTES, 'read');
  if (memory === undefined) return -ERRNO.EFAULT;
  const { view } = memory;
  const at = usig - memory.base;
  const mask = fromHalves(view.getUint32(at, true), view.getUint32(at + 4, true));
  if (mask === 0) return 0;
  if (view.getUint32(at + 8, true) !== SIGSET_BYTES || view.getUint32(at + 12, true) !== 0)
    return -ERRNO.EINVAL;
  return mm.reach(mask, SIGSET_BYTES, 'read') === undefined ? -ERRNO.EFAULT : 0;
}

function do_io_getevents(
  kernel: KernelState,
  ctx_id: Word,
  min_nr: Word,
  nr: Word,
  events: Word,
  ns: number,
): number {
  const ctx = kernel.table.lookup(pointer(ctx_id));
  if (ctx === undefined) return -ERRNO.EINVAL;
  const min = signedLong(min_nr);
  const max = signedLong(nr);
  if (min < 0 || min > max) return -ERRNO.EINVAL;
  return read_events(kernel.mm, ctx, Number(min), Number(max), pointer(events), ns);
}

function read_events(
  mm: AddressSpace,
  ctx: Kioctx,
  min_nr: number,
  nr: number,
  events: number,
  ns: number,
): number {
  // On Linux what was submitted for ordinary files has run already. Here it runs now at the latest.
  if (ctx.ring.ready < nr) aio_run_all_iocbs(ctx);
  const taken = ctx.ring.read(mm, events, nr);
  if (taken < 0 || taken >= min_nr || ns === 0) return taken;
  // The end of anything else comes through the event loop, which this thread holds up.
  if (ns === FOREVER) return taken > 0 ? taken : -ERRNO.EDEADLK;
  sleepNs(ns);
  if (taken === nr) return taken;
  const late = ctx.ring.read(mm, events + taken * IO_EVENT_BYTES, nr - taken);
  return taken > 0 ? taken + Math.max(late, 0) : late;
}
