/** What is on a simulated disk, put into a folder of the host. */
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { ERRNO } from '../../common/abi/errno.ts';
import { AioError, errnoException } from '../../common/errors.ts';
import type { DiskImage, Exported, ImageEntry } from '../simulated/disk-image.ts';
import type { Attributes } from '../simulated/inode.ts';
import type { PagedBytes } from '../simulated/paged-bytes.ts';

const NSEC_PER_SEC = 1e9;

/**
 * Writes all files, directories and symbolic links; where the latter lead is not looked at.
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
    else if (entry.kind === 'link') symlinkSync(entry.target!, path);
    else writeContent(path, content);
  }
  // From the deepest up, and when all is there: writing into a directory needs its permission, and changes its time.
  for (const { entry, attributes, path } of exported.reverse()) setAttributes(path, entry, attributes);
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

function setAttributes(path: string, { kind }: ImageEntry, { mode, atimeNs, mtimeNs }: Attributes): void {
  const [atime, mtime] = [atimeNs / NSEC_PER_SEC, mtimeNs / NSEC_PER_SEC];
  // A symbolic link has no permissions that anybody asks for.
  if (kind === 'link') {
    lutimesSync(path, atime, mtime);
    return;
  }
  utimesSync(path, atime, mtime);
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
