/** What is on a simulated disk, put into a folder of the host. */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ERRNO } from '../../common/abi/errno.ts';
import { AioError, errnoException } from '../../common/errors.ts';
import type { DiskImage, Exported } from '../simulated/disk-image.ts';
import type { Attributes } from '../simulated/inode.ts';
import type { PagedBytes } from '../simulated/paged-bytes.ts';

const NSEC_PER_SEC = 1e9;

/**
 * Writes all files and directories.
 *
 * @param folder - It is made where it is missing, and must be empty.
 * @throws AioError `ENOTEMPTY`; `EINVAL` for a name that this host cannot have; and what `node:fs` throws.
 */
export function exportImage(image: DiskImage, folder: string): void {
  const exported = [...image.exported].map((one) => ({ ...one, path: placeOf(folder, one) }));
  mkdirSync(folder, { recursive: true });
  // What lay there before would be taken for what is on the disk.
  if (readdirSync(folder).length > 0) throw errnoException(-ERRNO.ENOTEMPTY, 'export', { path: folder });
  for (const { entry, content, path } of exported) {
    if (entry.linkOf !== undefined) linkSync(join(folder, entry.linkOf), path);
    else if (entry.kind === 'directory') mkdirSync(path);
    else writeContent(path, content);
  }
  // From the deepest up, and when all is there: writing into a directory needs its permission, and changes its time.
  for (const { attributes, path } of exported.reverse()) setAttributes(path, attributes);
}

function writeContent(path: string, content: PagedBytes): void {
  const fd = openSync(path, 'wx');
  try {
    ftruncateSync(fd, content.size);
    for (const [position, bytes] of content.written()) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, position + at);
    }
  } finally {
    closeSync(fd);
  }
}

function setAttributes(path: string, { mode, atimeNs, mtimeNs }: Attributes): void {
  utimesSync(path, atimeNs / NSEC_PER_SEC, mtimeNs / NSEC_PER_SEC);
  chmodSync(path, mode);
}

/** A name with a backslash would lead out of the folder on Windows. */
function placeOf(folder: string, { entry: { path } }: Exported): string {
  const names = path.slice(1).split('/');
  if (names.some((name) => basename(name) !== name || (process.platform === 'win32' && name.includes(':')))) {
    throw new AioError('EINVAL', ERRNO.EINVAL, 'export', {
      path,
      help: 'No file of this host can have this name',
    });
  }
  return join(folder, ...names);
}
