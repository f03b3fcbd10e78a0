/** I/O priorities: `uapi/linux/ioprio.h`. */

import { IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE, IOPRIO_CLASS_RT, IOPRIO_CLASS_SHIFT } from './abi/constants.ts';
import { invalidArgValue, validateInteger } from './validate.ts';

/**
 * - `'realtime'`: before everything else. Needs CAP_SYS_ADMIN, or CAP_SYS_NICE from Linux 5.14 on.
 * - `'best-effort'`: what everybody has.
 * - `'idle'`: when nobody else asks the device for anything.
 */
export type IoPriorityClass = 'realtime' | 'best-effort' | 'idle';

const CLASSES: Readonly<Record<IoPriorityClass, number>> = {
  realtime: IOPRIO_CLASS_RT,
  'best-effort': IOPRIO_CLASS_BE,
  idle: IOPRIO_CLASS_IDLE,
};
/** `IOPRIO_NR_LEVELS` are 8. */
const LAST_LEVEL = 7;
const DEFAULT_LEVEL = 4;

/**
 * A value for the `priority` of a transfer.
 *
 * @remarks
 * *Availability*: Linux 4.18, and whether anything comes of it is the matter of the device's I/O scheduler: BFQ and mq-deadline look at
 * it, `none` does not. The emulation judges it as the kernel does, and can do no more.
 *
 * @param level - From 0, the first served, to 7. The class `'idle'` has none: it is not looked at. Default 4.
 * @throws TypeError `ERR_INVALID_ARG_VALUE` for a class that there is not; TypeError `ERR_INVALID_ARG_TYPE`, RangeError
 * `ERR_OUT_OF_RANGE` for a level that is none.
 * @example
 * ```ts
 * await file.read(block, { position: 0, priority: ioprio('idle') });
 * ```
 * @see ioprio_set(2)
 */
export function ioprio(priorityClass: IoPriorityClass, level: number = DEFAULT_LEVEL): number {
  if (!Object.hasOwn(CLASSES, priorityClass)) throw invalidArgValue('priorityClass', priorityClass);
  return (CLASSES[priorityClass] << IOPRIO_CLASS_SHIFT) | validateInteger('level', level, 0, LAST_LEVEL);
}
