/** Whether a descriptor with O_DIRECT really bypasses the page cache, and how that is known. */
import { constants } from 'node:fs';
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';
import type { Alignment } from '../memory/aligned.ts';
import { alignmentOf, directAlignment, SAFE_ALIGNMENT } from './direct-alignment.ts';
import { type Knowledge, knowledgeOf, OF_BLOCK_DEVICES } from './direct-knowledge.ts';
import { LEAST_BYTES, witness } from './direct-witness.ts';
import { type Mount, mountOf } from './mounts.ts';

export interface DirectVerdict {
  readonly direct: boolean;
  /** In words that say how it is known: `the kernel says`, `verified`, `known`, `not verified`. */
  readonly reason: string;
  /** What direct transfers need. `undefined` for what is not direct. */
  readonly alignment: Alignment | undefined;
  /** Ends the use of what was remembered of the file system. To be called when the file is closed. */
  readonly release: () => void;
}

/** What was seen on a file system, by `st_dev`: as long as a file on it is open, the number is no other's. */
const remembered = new Map<number, { readonly reason: string; users: number }>();
const nothing = (): void => {};

/**
 * Judges a descriptor.
 *
 * @remarks
 * The kernel is believed where it tells (`statx` with STATX_DIOALIGN: Linux 6.1, by the native kernel, not on every file system). Else
 * what is known of the file system counts, and what a read shows; what was seen is remembered per file system, as long as a
 * file on it is open, where all of its files are alike.
 *
 * @param fd - Open with O_DIRECT.
 * @param stat - Of that descriptor.
 * @param sectorBytes - Of the device that it is.
 */
export async function judgeDirect(
  kernel: AioKernel,
  fd: number,
  stat: DescriptorStat,
  sectorBytes?: number,
): Promise<DirectVerdict> {
  if (!stat.isFile() && !stat.isBlockDevice())
    return refused('it is neither a regular file nor a block device');
  const told = kernel.directAlignment(fd);
  if (told !== undefined) {
    if (told.memory > 0 && told.offset > 0)
      return taken(alignmentOf(told), 'the kernel says that this file takes it');
    return refused(`the kernel says that this file takes no direct I/O${described(await mountOf(fd))}`);
  }
  // The name of a device is on a file system that has nothing to do with it.
  const knowledge = stat.isBlockDevice() ? OF_BLOCK_DEVICES : await knowledgeOf(await mountOf(fd));
  if (!knowledge.direct && knowledge.witness === 'none') return refused(knowledge.reason);
  const alignment = knowledge.refusesUnaligned
    ? await directAlignment(kernel, fd, sectorBytes)
    : SAFE_ALIGNMENT;
  const before = remember(stat.dev);
  if (before !== undefined) return taken(alignment, before.reason, before.release);
  return verified(kernel, fd, stat, alignment, knowledge);
}

async function verified(
  kernel: AioKernel,
  fd: number,
  stat: DescriptorStat,
  alignment: Alignment,
  { direct, reason: known, witness: how, sameForAll }: Knowledge,
): Promise<DirectVerdict> {
  const { dev } = stat;
  // What a device holds, stat(2) does not tell: its beginning has to do.
  const sight = await witness(kernel, fd, stat.isBlockDevice() ? LEAST_BYTES : stat.size, how);
  if (sight.direct === false) return refused(`verified: ${sight.reason}; ${known}`);
  if (sight.direct === undefined) {
    const reason = `not verified: ${sight.reason}; ${known}`;
    return direct ? taken(alignment, reason) : refused(reason);
  }
  const reason = `verified: ${sight.reason}; ${known}`;
  if (!sameForAll) return taken(alignment, reason);
  remembered.set(dev, { reason: `verified on another file of the file system: ${sight.reason}`, users: 0 });
  return taken(alignment, reason, remember(dev)!.release);
}

/** Takes part in what is remembered of a file system. */
function remember(dev: number): { reason: string; release: () => void } | undefined {
  const memory = remembered.get(dev);
  if (memory === undefined) return undefined;
  memory.users++;
  return {
    reason: memory.reason,
    release: () => {
      if (--memory.users === 0 && remembered.get(dev) === memory) remembered.delete(dev);
    },
  };
}

function taken(alignment: Alignment, reason: string, release: () => void = nothing): DirectVerdict {
  return { direct: true, reason, alignment, release };
}

function refused(reason: string): DirectVerdict {
  return { direct: false, reason, alignment: undefined, release: nothing };
}

/** For people: what is behind the answer most often. */
function described(mount: Mount | undefined): string {
  if (mount === undefined) return '';
  const journal = mount.options.includes('data=journal') ? ' mounted with data=journal' : '';
  return `: it is on ${mount.type}${journal}`;
}

/** Whether flags of open(2) ask for direct I/O on this host. */
export function asksForDirect(flags: number): boolean {
  const flag: number | undefined = constants.O_DIRECT;
  return flag !== undefined && (flags & flag) !== 0;
}
