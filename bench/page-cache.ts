/** What the page cache has of a file. */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoException } from '../src/index.ts';
import { openNativeKernel } from '../src/native/index.ts';

const POSIX_FADV_DONTNEED = 4;
const PROT_READ = 1;
const MAP_SHARED = 1;
const CHUNK_BYTES = 1 << 20;
/** More than this left, and reads could not be called cold. */
const MOST_RESIDENT = 0.01;

/** Reads the whole file once. */
export function warm(path: string): void {
  const fd = openSync(path, 'r');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let position = 0; ; ) {
    const got = readSync(fd, chunk, 0, chunk.length, position);
    if (got === 0) break;
    position += got;
  }
  closeSync(fd);
}

/**
 * Drops a file from the page cache.
 *
 * @throws Error where that does not work (a file system in memory): reads of it are never cold.
 */
export function chill(path: string): void {
  const { libc } = openNativeKernel();
  const fd = openSync(path, 'r+');
  try {
    // What is dirty cannot be dropped.
    fdatasyncSync(fd);
    const failed = libc.bind('posix_fadvise', 'int', 4)(fd, 0, 0, POSIX_FADV_DONTNEED);
    if (failed !== 0) throw errnoException(-failed, 'posix_fadvise');
    const part = residentPart(fd);
    if (part > MOST_RESIDENT) {
      const percent = (part * 100).toFixed(0);
      throw new Error(
        `reads cannot be cold here: the file system keeps ${percent}% of the file in the page cache`,
      );
    }
  } finally {
    closeSync(fd);
  }
}

/** The part of a file that is in the page cache, by `mincore(2)`. */
function residentPart(fd: number): number {
  const { libc, memory } = openNativeKernel();
  const { size } = fstatSync(fd);
  if (size === 0) return 0;
  const pages = new Uint8Array(Math.ceil(size / memory.pageBytes));
  const address = libc.bind('mmap', 'long', 6)(0, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address < 0) throw errnoException(address, 'mmap');
  try {
    const answer = libc.bind('mincore', 'int', 3)(address, size, memory.addressOf(pages));
    if (answer < 0) throw errnoException(answer, 'mincore');
  } finally {
    libc.bind('munmap', 'int', 2)(address, size);
  }
  return pages.reduce((sum, page) => sum + (page & 1), 0) / pages.length;
}
