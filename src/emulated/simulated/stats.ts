/** What `stat` answers for a file of a simulated disk. */
import type { BigIntStats, Stats } from 'node:fs';
import type { Inode } from './inode.ts';

const NSEC_PER_MSEC = 1_000_000;
const BLOCK_BYTES = 4096;
const SECTOR = 512;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

/** Node's methods, over a mode. */
class SimulatedStats {
  readonly mode: number | bigint;

  constructor(mode: number | bigint) {
    this.mode = mode;
  }

  #is(kind: number): boolean {
    return (Number(this.mode) & S_IFMT) === kind;
  }

  isFile(): boolean {
    return this.#is(S_IFREG);
  }

  isDirectory(): boolean {
    return this.#is(S_IFDIR);
  }

  isBlockDevice(): boolean {
    return false;
  }

  isCharacterDevice(): boolean {
    return false;
  }

  isSymbolicLink(): boolean {
    return false;
  }

  isFIFO(): boolean {
    return false;
  }

  isSocket(): boolean {
    return false;
  }
}

/** @param links - Names that the file has. */
export function statsOf(inode: Inode, links: number, bigint: boolean): Stats | BigIntStats {
  const { attributes, kind, content, ino, birthNs } = inode;
  const { mode, uid, gid, atimeNs, mtimeNs, ctimeNs } = attributes;
  const times = { atime: atimeNs, mtime: mtimeNs, ctime: ctimeNs, birthtime: birthNs };
  const numbers = {
    dev: 1,
    nlink: links,
    uid,
    gid,
    rdev: 0,
    blksize: BLOCK_BYTES,
    ino,
    size: kind === 'directory' ? BLOCK_BYTES : content.size,
    blocks: content.allocated / SECTOR,
  };
  const whole = mode | (kind === 'directory' ? S_IFDIR : S_IFREG);
  const stats = new SimulatedStats(bigint ? BigInt(whole) : whole);
  for (const [name, value] of Object.entries(numbers)) {
    Object.assign(stats, { [name]: bigint ? BigInt(value) : value });
  }
  for (const [name, ns] of Object.entries(times)) {
    const ms = ns / NSEC_PER_MSEC;
    Object.assign(stats, { [`${name}Ms`]: bigint ? BigInt(Math.floor(ms)) : ms, [name]: new Date(ms) });
    if (bigint) Object.assign(stats, { [`${name}Ns`]: BigInt(ns) });
  }
  return stats as unknown as Stats | BigIntStats;
}

/** Bits that chmod changes. */
export const PERMISSIONS = 0o7777;
