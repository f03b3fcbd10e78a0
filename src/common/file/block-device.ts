/** What there is to know of a block device: its size, which stat(2) does not tell, and its sectors. From sysfs, which any Linux has. */
import { readFile } from 'node:fs/promises';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';

/** A disk, a partition, or what else has the shape of one, as it was when the file was opened. */
export interface BlockDevice {
  /** Where it ends. */
  readonly sizeBytes: number;
  /** What it reads and writes at least: positions and lengths of direct transfers are multiples of it. */
  readonly logicalSectorBytes: number;
  /** What it can write without reading what is beside it. At least {@link logicalSectorBytes}. */
  readonly physicalSectorBytes: number;
  /** Whether writes fail with `EPERM`. It can be opened for writing all the same (observed on Linux 6.18). */
  readonly readOnly: boolean;
}

/** The unit of `size` in sysfs, whatever the sectors are (Documentation/ABI/stable/sysfs-block). */
const UNIT_BYTES = 512;

/** @returns `undefined` for what is no block device, and where there is no sysfs to ask. */
export async function blockDeviceOf(
  stat: Pick<DescriptorStat, 'rdev' | 'isBlockDevice'>,
): Promise<BlockDevice | undefined> {
  if (process.platform !== 'linux' || !stat.isBlockDevice()) return undefined;
  const device = `/sys/dev/block/${numbersOf(stat.rdev)}`;
  try {
    const [size, ro, queue] = await Promise.all([
      readNumber(`${device}/size`),
      readNumber(`${device}/ro`),
      sectorsOf(`${device}/queue`).catch(() => sectorsOf(`${device}/../queue`)),
    ]);
    return { sizeBytes: size * UNIT_BYTES, ...queue, readOnly: ro !== 0 };
  } catch {
    // No sysfs, or not all of it: what cannot be asked is not known, and the file works without.
    return undefined;
  }
}

/** The queue is the disk's. A partition's folder stands in it, behind a link: so the path must not be made shorter. */
async function sectorsOf(
  queue: string,
): Promise<Pick<BlockDevice, 'logicalSectorBytes' | 'physicalSectorBytes'>> {
  const [logicalSectorBytes, physicalSectorBytes] = await Promise.all([
    readNumber(`${queue}/logical_block_size`),
    readNumber(`${queue}/physical_block_size`),
  ]);
  return { logicalSectorBytes, physicalSectorBytes };
}

async function readNumber(path: string): Promise<number> {
  const text = await readFile(path, 'latin1');
  const number = Number.parseInt(text, 10);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${path} has no number: ${text}`);
  return number;
}

/** Major and minor as `sys/sysmacros.h` packs them. Linux has 12 and 20 bits of them (`linux/kdev_t.h`). */
function numbersOf(rdev: number): string {
  const major = (rdev >>> 8) & 0xfff;
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}
