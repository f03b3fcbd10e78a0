/** Room in a file, made before it is needed and given back: what fallocate(2) is asked for. */
import { errnoName } from '../abi/errno.ts';
import { type DescriptorCalls, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../kernel/kernel-files.ts';
import { invalidArgType, validateInteger, validateOptions } from '../validate.ts';
import { FileError } from './file-error.ts';

/** Options of `allocate()`. */
export interface AllocateOptions {
  /** Leaves the size of the file as it is, also where the room lies beyond its end (FALLOC_FL_KEEP_SIZE). Default false. */
  readonly keepSize?: boolean | undefined;
}

export type Fallocate = NonNullable<DescriptorCalls['fallocate']>;

/** What fallocate(2) takes beside the descriptor. */
export interface Room {
  readonly mode: number;
  readonly position: number;
  readonly length: number;
}

/** @throws TypeError `ERR_INVALID_ARG_TYPE`, RangeError `ERR_OUT_OF_RANGE`. */
export function roomToAllocate(position: unknown, length: unknown, options: unknown): Room {
  const range = rangeOf(position, length);
  const { keepSize = false } = validateOptions(options as AllocateOptions | undefined, {});
  if (typeof keepSize !== 'boolean') throw invalidArgType('options.keepSize', 'of type boolean', keepSize);
  return { mode: keepSize ? FALLOC_FL_KEEP_SIZE : 0, ...range };
}

/** As {@link roomToAllocate}. */
export function roomToPunch(position: unknown, length: unknown): Room {
  return { mode: FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, ...rangeOf(position, length) };
}

/** Of no bytes, and across the largest size of a file, is for the kernel to judge. */
function rangeOf(position: unknown, length: unknown): { readonly position: number; readonly length: number } {
  return {
    position: validateInteger('position', position, 0, Number.MAX_SAFE_INTEGER),
    length: validateInteger('length', length, 0, Number.MAX_SAFE_INTEGER),
  };
}

const HELP: Readonly<Record<string, string>> = {
  EOPNOTSUPP: 'Its file system, or what it is, does not do that',
};

/** The system call of the host with the errors of files. @param fallocate - Answers 0 or a negative Linux errno. */
export function fallocateOfHost(
  fallocate: (fd: number, mode: number, offset: number, len: number) => Promise<number>,
): Fallocate {
  return async (fd, mode, offset, len) => {
    const answer = await fallocate(fd, mode, offset, len);
    if (answer >= 0) return;
    const code = errnoName(answer) ?? `E${-answer}`;
    const help = HELP[code];
    throw new FileError(code, answer, 'fallocate', help === undefined ? {} : { help });
  };
}
