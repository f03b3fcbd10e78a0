/** Kernels of which one call does nothing but answer: a module for a `ConformanceSession`. */

import { ERRNO } from '../../src/common/abi/errno.ts';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { replacing } from './kernels.ts';

const { EBADF, EINPROGRESS, EINVAL } = ERRNO;

export const CRUDE: Readonly<Record<string, Partial<AioKernel>>> = {
  'nothing is wrong': {},
  'io_submit is EINVAL': { io_submit: () => -EINVAL },
  'io_submit is EBADF': { io_submit: () => -EBADF },
  'waiting is EINVAL': { io_getevents: () => -EINVAL, io_pgetevents: () => -EINVAL },
  'nothing ever completes': { io_getevents: () => 0, io_pgetevents: () => 0 },
  'io_cancel is EINVAL': { io_cancel: () => -EINVAL },
  'io_cancel is EINPROGRESS': { io_cancel: () => -EINPROGRESS },
  'io_destroy is EINVAL': { io_destroy: () => -EINVAL },
  'io_destroy does nothing': { io_destroy: () => 0 },
  'io_setup is EINVAL': { io_setup: () => -EINVAL },
  'io_setup makes nothing': { io_setup: () => 0 },
};

export default function open(fault: unknown): AioKernel {
  return replacing(emulatedKernel(), CRUDE[String(fault)]!);
}
