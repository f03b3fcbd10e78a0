/** What Linux tells of a descriptor in `/proc/self/fdinfo`: how it was opened, and on which mount. */
import { readFileSync } from 'node:fs';

export interface DescriptorFlags {
  /** The flags of open(2) that the descriptor has now: `fs.constants` of this host. */
  readonly flags: number;
  /** The mount that it was opened through, as `/proc/self/mountinfo` numbers it. */
  readonly mountId: number | undefined;
}

/**
 * Reads them. It takes some 15 microseconds, and never waits for a disk.
 *
 * @returns `undefined` on another platform, without procfs, and for what is not open.
 */
export function descriptorFlags(fd: number): DescriptorFlags | undefined {
  if (process.platform !== 'linux') return undefined;
  let text: string;
  try {
    text = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  } catch {
    return undefined;
  }
  const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1];
  if (flags === undefined) return undefined;
  const mountId = /^mnt_id:\s*(\d+)$/m.exec(text)?.[1];
  return {
    flags: Number.parseInt(flags, 8),
    mountId: mountId === undefined ? undefined : Number(mountId),
  };
}
