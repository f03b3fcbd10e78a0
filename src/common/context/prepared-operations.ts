/** Operations made of what the methods of AioContext were called with. */
import { IOCB_CMD_POLL, UIO_MAXIOV } from '../abi/constants.ts';
import type { Memory } from '../kernel/aio-kernel.ts';
import { extentOf } from '../memory/extent.ts';
import { WordArray } from '../memory/word-array.ts';
import {
  type Descriptor,
  invalidArgType,
  validateDescriptor,
  validateInteger,
  validatePosition,
  validatePriority,
} from '../validate.ts';
import type { TransferOptions } from './context-types.ts';
import { Operation } from './operation.ts';

const MAX_U16 = 0xffff;

/** @throws TypeError, RangeError for what is wrong with the arguments. */
export function vectoredOperation(
  memory: Memory,
  syscall: string,
  opcode: number,
  fd: Descriptor,
  views: readonly ArrayBufferView[],
  position: number,
  { rw_flags, priority }: TransferOptions,
): Operation {
  const flags = rw_flags === undefined ? 0 : rwFlags(rw_flags);
  const reqprio = priority === undefined ? 0 : validatePriority(priority);
  const place = validatePosition(position);
  if (!Array.isArray(views)) throw invalidArgType('buffers', 'an array of ArrayBufferView', views);
  const count = validateInteger('buffers.length', views.length, 0, UIO_MAXIOV);
  // A copy: the caller may change the array while the request waits in the queue, and it may run code of his when it is read.
  const segments = Array.from({ length: count }, (_, index) => views[index]);
  const carrier = carrierOf(fd);
  const number = validateDescriptor(fd);
  const extents = segments.map((view, index) => extentOf(`buffers[${index}]`, view, memory.pins));
  const iovecs = new WordArray(memory, count * 2);
  extents.forEach((extent, index) => {
    const { length } = extent;
    iovecs.set(index * 2, length === 0 ? 0 : memory.addressOf(extent.memory) + extent.start);
    iovecs.set(index * 2 + 1, length);
  });
  const operation = new Operation(
    syscall,
    opcode,
    number,
    memory.addressOf(iovecs.cells),
    count,
    place,
    flags,
    undefined,
    extents.filter(({ length }) => length > 0),
    [fd, iovecs],
  );
  operation.priority = reqprio;
  return carriedBy(carrier, operation);
}

export function syncOperation(syscall: string, opcode: number, fd: Descriptor): Operation {
  const carrier = carrierOf(fd);
  const number = validateDescriptor(fd);
  return carriedBy(carrier, new Operation(syscall, opcode, number, 0, 0, 0, 0, undefined, undefined, fd));
}

export function pollOperation(fd: Descriptor, events: number): Operation {
  const mask = validateInteger('events', events, 0, MAX_U16);
  const carrier = carrierOf(fd);
  const number = validateDescriptor(fd);
  return carriedBy(
    carrier,
    new Operation('poll', IOCB_CMD_POLL, number, mask, 0, 0, 0, undefined, undefined, fd),
  );
}

export function rwFlags(rw_flags: unknown): number {
  return validateInteger('options.rw_flags', rw_flags, 0, 0x7fffffff);
}

/**
 * An object that can be asked whether its descriptor still is its own, as a FileHandle can: it answers by its class. What an object
 * says of itself was read, and is not asked again.
 */
export function carrierOf(fd: Descriptor): { readonly fd: number } | undefined {
  return typeof fd !== 'object' || fd === null || Object.hasOwn(fd, 'fd') ? undefined : fd;
}

function carriedBy(carrier: { readonly fd: number } | undefined, operation: Operation): Operation {
  operation.carrier = carrier;
  return operation;
}
