/**
 * Files of procfs and sysfs: which of them Linux refuses at submission (FILE-12).
 *
 * Linux asks whether a file has a `read_iter` or `write_iter`, and those of procfs have or lack them one by one. Plain Node.js cannot
 * ask: a transfer of nothing works in either case. So here it goes by their names, as observed on Linux 6.18.
 */
import * as fs from 'node:fs';
import { mayRead } from '../../common/runtime.ts';
import type { Identity } from './identity.ts';

// `linux/magic.h`.
const PROC_SUPER_MAGIC = 0x9fa0;
/** sysfs, and the two kinds of cgroup: their files are read and written, and their directories have no fsync. */
const KERNFS_MAGIC: readonly number[] = [0x6265_6572, 0x27_e0eb, 0x6367_7270];

/** Files of a process that have a `read_iter`; the others have not. */
const OF_PROCESS = /^(?:mounts|mountinfo|mountstats)$/;
/** The same of its network. */
const OF_NET =
  /^(?:connector|pnp|psched|rt_acct|rt_cache|softnet_stat|dev_snmp6\/.*|stat\/(?:arp|ndisc|rt)_cache|.*_tables_(?:matches|targets))$/;
/** Of the rest, those that have none. */
const WITHOUT =
  /^(?:bus\/input\/.*|bus\/pci\/[^/]+\/.*|config\.gz|fs\/jbd2\/.*|irq\/(?:.*\/smp_affinity(?:_list)?|default_smp_affinity)|kallsyms|kmsg|kpage.*|mtrr|pressure\/.*|slabinfo|swaps|sysvipc\/.*)$/;
const IN_PROCESS = /^\d+\/(?:task\/\d+\/)?(.*)$/;
const IN_NET = /^net\/(.*)$/;

/** What a file of the kernel's own making can do beyond what its open mode says. */
export interface PseudoFile {
  readonly readable: boolean;
  readonly writable: boolean;
  readonly hasFsync: boolean;
}

/** Numbers of file systems that were seen to be none of these. */
const ordinary = new Set<bigint>();

/** @returns `undefined` for ordinary files, and those that no more is known of. */
export function pseudoFile(fd: number, { kind, dev }: Identity): PseudoFile | undefined {
  // Such file systems have no device: their numbers have no major part.
  if (process.platform !== 'linux' || ((dev >> 8n) & 0xfffn) !== 0n || ordinary.has(dev)) return undefined;
  if (kind !== 'regular' && kind !== 'directory') return undefined;
  const link = `/proc/self/fd/${fd}`;
  if (!mayRead(link)) return undefined;
  try {
    const { type } = fs.statfsSync(link);
    if (type === PROC_SUPER_MAGIC) return ofProc(kind, fs.readlinkSync(link));
    if (KERNFS_MAGIC.includes(type))
      return { readable: true, writable: true, hasFsync: kind !== 'directory' };
    ordinary.add(dev);
  } catch {
    // No procfs, or the file has gone.
  }
  return undefined;
}

function ofProc(kind: Identity['kind'], path: string): PseudoFile {
  const name = path.startsWith('/proc/') ? path.slice('/proc/'.length) : '';
  const inSys = name.startsWith('sys/');
  return { readable: kind === 'regular' && hasReadIter(name), writable: inSys, hasFsync: false };
}

export function hasReadIter(name: string): boolean {
  const inProcess = IN_PROCESS.exec(name)?.[1];
  const inNet = IN_NET.exec(inProcess ?? name)?.[1];
  if (inNet !== undefined) return OF_NET.test(inNet);
  return inProcess === undefined ? !WITHOUT.test(name) : OF_PROCESS.test(inProcess);
}
