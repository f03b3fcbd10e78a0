/** Finding out what direct I/O on a file needs: by asking the kernel, else by trying, else by assuming a page. */
import { fstat as fstatWithCallback, read as readWithCallback } from 'node:fs';
import { promisify } from 'node:util';
import { codeOf } from '../errors.ts';
import type { AioKernel, DirectAlignment } from '../kernel/aio-kernel.ts';
import type { Alignment } from '../memory/aligned.ts';
import { pageAlignedBuffer } from '../memory/page-aligned.ts';

const fstat = promisify(fstatWithCallback);
const read = promisify(readWithCallback);

const SAFE_BYTES = 4096;
const CANDIDATES = [512, 1024, 2048];
/** A page, which every device accepts. */
export const SAFE_ALIGNMENT: Alignment = { memory: SAFE_BYTES, offset: SAFE_BYTES, length: SAFE_BYTES };

let probeBuffer: ArrayBuffer | undefined;

/**
 * @param fd - Open with O_DIRECT.
 * @param sectorBytes - Of the device that it is: what each kernel takes (before Linux 6.0 memory had to be aligned to it too).
 * Preconditions: where the kernel does not tell, the file system refuses what is not aligned.
 *
 * @returns The multiples that direct transfers need. What can't be found out is a page, which every device accepts.
 */
export async function directAlignment(
  kernel: AioKernel,
  fd: number,
  sectorBytes: number | undefined,
): Promise<Alignment> {
  const told = kernel.directAlignment(fd);
  if (told !== undefined && told.memory > 0 && told.offset > 0) return alignmentOf(told);
  if (sectorBytes !== undefined) return { memory: sectorBytes, offset: sectorBytes, length: sectorBytes };
  return probe(fd);
}

/** What the kernel has told, of a file that takes direct I/O. */
export function alignmentOf({ memory, offset }: DirectAlignment): Alignment {
  return { memory, offset, length: offset };
}

/** Reads with ever coarser steps until one is accepted. Beyond the end anything is (DIO-03), so it takes a file with data. */
async function probe(fd: number): Promise<Alignment> {
  const { size } = await fstat(fd);
  probeBuffer ??= pageAlignedBuffer(SAFE_BYTES);
  const bytes = new Uint8Array(probeBuffer);
  for (const step of CANDIDATES) {
    if (size <= 2 * step) return SAFE_ALIGNMENT;
    try {
      await read(fd, bytes, 0, step, step);
    } catch (error) {
      if (codeOf(error) === 'EINVAL') continue;
      // Not readable: opened for writing only.
      if (codeOf(error) === 'EBADF') return SAFE_ALIGNMENT;
      throw error;
    }
    // Memory is never asked for less than the place in the file, though some devices would accept it.
    return { memory: step, offset: step, length: step };
  }
  return SAFE_ALIGNMENT;
}
