/** Opens files for reading without the thread pool, where the kernel can, as FileHandles that close without it too. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { errnoException } from '../errors.ts';
import { handleOf } from '../host-internals.ts';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';

const O_DIRECT: number = constants.O_DIRECT ?? 0;

/** A file, and what is known of it already. */
export interface HandleAtOnce {
  readonly handle: FileHandle;
  readonly stat: DescriptorStat;
}

/** @returns `undefined` for what has to be opened by Node.js, errors included. */
export type OpenAtOnce = (
  path: unknown,
  flags: number,
) => HandleAtOnce | undefined | Promise<HandleAtOnce | undefined>;

export function openAtOnceBy(kernel: AioKernel | undefined): OpenAtOnce | undefined {
  if (kernel === undefined || !opensAtOnce(kernel) || kernel.files !== undefined) return undefined;
  return (path, flags) => {
    if (typeof path !== 'string' || (flags & ~O_DIRECT) !== constants.O_RDONLY) return undefined;
    const turn = kernel.turnAtOnce();
    return turn === undefined ? openNow(kernel, path, flags) : openLater(turn, kernel, path, flags);
  };
}

type Opener = AioKernel & Required<Pick<AioKernel, 'turnAtOnce' | 'openAtOnce' | 'closeAtOnce'>>;

function opensAtOnce(kernel: AioKernel): kernel is Opener {
  return (
    kernel.turnAtOnce !== undefined && kernel.openAtOnce !== undefined && kernel.closeAtOnce !== undefined
  );
}

async function openLater(
  turn: Promise<void>,
  kernel: Opener,
  path: string,
  flags: number,
): Promise<HandleAtOnce | undefined> {
  await turn;
  return openNow(kernel, path, flags);
}

function openNow(kernel: Opener, path: string, flags: number): HandleAtOnce | undefined {
  const opened = kernel.openAtOnce(path, flags & O_DIRECT);
  if (opened === undefined) return undefined;
  const { fd, stat } = opened;
  let handle: FileHandle | undefined;
  try {
    handle = handleOf(fd, (release, later) => {
      const turn = kernel.turnAtOnce();
      const close = (): Promise<void> => closeNow(kernel, fd, release) ?? later();
      return turn === undefined ? close() : turn.then(close);
    });
  } finally {
    if (handle === undefined) kernel.close(fd);
  }
  return handle === undefined ? undefined : { handle, stat };
}

function closeNow(kernel: Opener, fd: number, release: () => void): Promise<void> | undefined {
  const answer = kernel.closeAtOnce(fd, release);
  if (answer === undefined) return undefined;
  return answer < 0 ? Promise.reject(errnoException(answer, 'close')) : Promise.resolve();
}
