/** What `stat` answers for a file of a simulated disk: objects of the classes that Node has. */
import { type BigIntStats, type Stats, statSync } from 'node:fs';
import { NSEC_PER_MSEC } from '../../common/time-units.ts';
import type { Inode } from './inode.ts';

const NSEC_PER_USEC = 1000;
const BLOCK_BYTES = 4096;
const SECTOR = 512;

const KINDS = { file: 0o100000, directory: 0o040000, link: 0o120000 } as const;
/** Classes that Node does not export can be had of their objects only. */
const prototypes = new Map<boolean, object>();

function prototypeOf(bigint: boolean): object {
  let prototype = prototypes.get(bigint);
  if (prototype === undefined) {
    prototype = Object.getPrototypeOf(statSync(process.execPath, { bigint })) as object;
    prototypes.set(bigint, prototype);
  }
  return prototype;
}

/** @returns A `Stats` or `BigIntStats` of Node's, its fields in Node's order. */
export function statsOf(inode: Inode, bigint: boolean): Stats | BigIntStats {
  const { attributes, kind, content, ino, birthNs, target } = inode;
  const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = attributes;
  const sizes = {
    file: content.size,
    directory: BLOCK_BYTES,
    link: Buffer.byteLength(target),
  };
  const numbers = {
    dev: 1,
    mode: mode | KINDS[kind],
    nlink: inode.nlink,
    uid,
    gid,
    rdev: 0,
    blksize: BLOCK_BYTES,
    ino,
    size: sizes[kind],
    blocks: kind === 'directory' ? BLOCK_BYTES / SECTOR : content.allocated / SECTOR,
  };
  const times = { atime: atimeNs, mtime: mtimeNs, ctime: ctimeNs, birthtime: birthNs };
  const stats = Object.create(prototypeOf(bigint)) as Record<string, unknown>;
  for (const [name, value] of Object.entries(numbers)) stats[name] = bigint ? BigInt(value) : value;
  for (const [name, ns] of Object.entries(times)) {
    stats[`${name}Ms`] = bigint ? BigInt(Math.floor(msOf(ns))) : msOf(ns);
  }
  if (bigint) for (const [name, ns] of Object.entries(times)) stats[`${name}Ns`] = bigNs(ns);
  // Newer versions of Node make the dates on first use, by accessors that are inherited.
  for (const [name, ns] of Object.entries(times)) {
    if (!(name in stats)) stats[name] = new Date(bigint ? Math.floor(msOf(ns)) : Math.round(msOf(ns)));
  }
  return stats as unknown as Stats | BigIntStats;
}

/** Times of this century are too many nanoseconds for a number to count: as utimes sets them, they are whole microseconds. */
function msOf(ns: number): number {
  return Number.isSafeInteger(ns) ? ns / NSEC_PER_MSEC : Math.round(ns / NSEC_PER_USEC) / NSEC_PER_USEC;
}

function bigNs(ns: number): bigint {
  return Number.isSafeInteger(ns)
    ? BigInt(ns)
    : BigInt(Math.round(ns / NSEC_PER_USEC)) * BigInt(NSEC_PER_USEC);
}

/** Bits that chmod changes. */
export const PERMISSIONS = 0o7777;
