/** What descriptors mean: to the host by what `fstat` tells, here by the file. */
import type { DescriptorMeanings } from '../../common/kernel/aio-kernel.ts';
import { FIRST_OWN_FD, type FileTable } from './file-table.ts';
import { HostFile } from './host-file.ts';
import { type Identity, identify, isSameFile } from './identity.ts';

/** What is not open means no file, and none that is opened later. */
const NOT_OPEN: Identity = { kind: 'other', dev: -1n, ino: -1n, rdev: -1n, birthtimeNs: -1n, size: 0n };

export class FileMeanings implements DescriptorMeanings {
  readonly #files: FileTable;

  constructor(files: FileTable) {
    this.#files = files;
  }

  meaningOf(fd: number): object | undefined {
    if (this.#files.holds(fd)) return undefined;
    return (fd >= FIRST_OWN_FD ? this.#files.fget(fd) : identify(fd)) ?? NOT_OPEN;
  }

  beginStretch(): void {
    this.#files.endBatch();
  }

  stillMeans(fd: number, meaning: object): boolean {
    const file = this.#files.fget(fd);
    // The kernel says so itself of what is not open.
    if (file === undefined || file === meaning) return true;
    return file instanceof HostFile && isSameFile(file.identity, meaning as Identity);
  }
}
