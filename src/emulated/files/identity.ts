/**
 * Which file a descriptor of the host means, so far as `fstat` tells.
 *
 * A descriptor number is reused as soon as it is closed, and inode numbers soon after: the time of birth tells a new file
 * in an old inode from the old one, on hosts that know it.
 */
import * as fs from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import { parse } from 'node:path';

export type Kind =
  | 'regular'
  | 'directory'
  | 'block'
  | 'character'
  | 'null'
  | 'zero'
  | 'full'
  | 'fifo'
  | 'socket'
  | 'other';

export interface Identity {
  readonly kind: Kind;
  readonly dev: bigint;
  readonly ino: bigint;
  readonly rdev: bigint;
  readonly birthtimeNs: bigint;
  readonly size: bigint;
}

/** Memory devices, which Linux treats each in its own way (FILE-10, FILE-11). */
export type MemoryDevice = 'null' | 'zero' | 'full';
const MEMORY_DEVICES: readonly { readonly kind: MemoryDevice; readonly path: string }[] = [
  { kind: 'null', path: devNull },
  // Windows has one device, and no device numbers that would tell more apart.
  ...(process.platform === 'win32'
    ? []
    : ([
        { kind: 'zero', path: '/dev/zero' },
        { kind: 'full', path: '/dev/full' },
      ] as const)),
];
let memoryDevices: ReadonlyMap<bigint, MemoryDevice> | undefined;

/** By device number. */
function findMemoryDevices(): ReadonlyMap<bigint, MemoryDevice> {
  const found = new Map<bigint, MemoryDevice>();
  for (const { kind, path } of MEMORY_DEVICES) {
    try {
      found.set(fs.statSync(path, { bigint: true }).rdev, kind);
    } catch {
      // Not every host has each of them.
    }
  }
  return found;
}

function kindOf(stat: fs.BigIntStats): Kind {
  if (stat.isFile()) return 'regular';
  if (stat.isDirectory()) return 'directory';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isCharacterDevice()) {
    memoryDevices ??= findMemoryDevices();
    return memoryDevices.get(stat.rdev) ?? 'character';
  }
  if (stat.isFIFO()) return 'fifo';
  return stat.isSocket() ? 'socket' : 'other';
}

/** What `fd` means now; `undefined` if it is not open. */
export function identify(fd: number): Identity | undefined {
  try {
    const stat = fs.fstatSync(fd, { bigint: true });
    const { dev, ino, rdev, birthtimeNs, size } = stat;
    return { kind: kindOf(stat), dev, ino, rdev, birthtimeNs, size };
  } catch {
    return undefined;
  }
}

/** Whether two descriptions are of one file. */
export function isSameFile(one: Identity, other: Identity): boolean {
  return (
    one.ino === other.ino &&
    one.dev === other.dev &&
    one.kind === other.kind &&
    one.rdev === other.rdev &&
    (one.birthtimeNs === other.birthtimeNs || !hostKnowsBirths())
  );
}

type Times = Pick<fs.BigIntStats, 'birthtimeNs' | 'ctimeNs' | 'mtimeNs'>;

/**
 * Whether times of birth are such. Where the host knows none (Linux without statx(2), as in a sandbox; Wine), a file has another of its times
 * in that place, which moves when it is written to. All files have, and seldom a real one is the same as another time.
 *
 * @param files - Of long ago.
 */
export function knowsBirths(files: readonly Times[]): boolean {
  if (files.length === 0) return true;
  return files.some(
    ({ birthtimeNs, ctimeNs, mtimeNs }) => birthtimeNs !== ctimeNs && birthtimeNs !== mtimeNs,
  );
}

let births: boolean | undefined;

/** Whether this host does. Asked when two differ, which is seldom. */
export function hostKnowsBirths(): boolean {
  births ??= knowsBirths(
    [process.execPath, tmpdir(), parse(process.execPath).root].flatMap((path) => {
      try {
        return [fs.statSync(path, { bigint: true })];
      } catch {
        // The permission model may forbid it.
        return [];
      }
    }),
  );
  return births;
}

/** Whether `fd` still means the file that `identity` describes. */
export function stillMeans(fd: number, identity: Identity): boolean {
  const now = identify(fd);
  return now !== undefined && isSameFile(now, identity);
}
