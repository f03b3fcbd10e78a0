/** Extended attributes of open files, access control lists among them: `node:fs` knows none (see xattr(7)). */
import { constants } from 'node:os';
import { type Libc, loadLibc } from './libc.ts';

/** The kernel's own limits for the list of names and for one value (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`). */
const MAX_BYTES = 65536;

/** Names with their values. */
export type ExtendedAttributes = ReadonlyMap<string, Buffer>;

function libcOf(): Libc | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    return loadLibc();
  } catch {
    // Without koffi nobody can be asked; whoever calls is told so.
    return undefined;
  }
}

/**
 * Every extended attribute that this process may see.
 *
 * @returns `undefined` where they cannot be read: on other systems and without koffi.
 */
export function extendedAttributes(fd: number): ExtendedAttributes | undefined {
  const libc = libcOf();
  if (libc === undefined) return undefined;
  const list = libc.bind('flistxattr', 'long', 3);
  const get = libc.bind('fgetxattr', 'long', 4);
  const bytes = Buffer.alloc(MAX_BYTES);
  const length = list(fd, libc.addressOf(bytes), MAX_BYTES);
  // A file system without them has none.
  if (length === -constants.errno.EOPNOTSUPP) return new Map();
  if (length < 0) return undefined;
  const names = bytes.toString('latin1', 0, length).split('\0').slice(0, -1);
  const found = new Map<string, Buffer>();
  for (const name of names) {
    const nameBytes = Buffer.from(`${name}\0`, 'latin1');
    const size = get(fd, libc.addressOf(nameBytes), libc.addressOf(bytes), MAX_BYTES);
    // The name is looked at behind the call, or nothing would hold its bytes meanwhile: only their address was used.
    found.set(
      nameBytes.toString('latin1', 0, name.length),
      Buffer.from(bytes.subarray(0, Math.max(0, size))),
    );
  }
  return found;
}
