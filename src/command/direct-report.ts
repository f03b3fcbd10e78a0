/** What direct I/O is there in a folder, for `kaio doctor`: seen on a file of its own, which is removed again. */
import { closeSync, constants, fsyncSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../common/errors.ts';
import { hostCalls } from '../common/file/descriptor-handle.ts';
import { judgeDirect } from '../common/file/direct-verdict.ts';
import { type Mount, mountOf } from '../common/file/mounts.ts';
import type { AioKernel } from '../common/kernel/aio-kernel.ts';
import { pageAlignedBuffer } from '../common/memory/page-aligned.ts';
import { open } from '../index.ts';

const FILE_BYTES = 65_536;
const FILLING = 0x6b;

export interface DirectReport {
  /** Its kind: `ext4`. */
  readonly file_system: string;
  /** What is mounted where, with the options of the file system. */
  readonly mount: string;
  /** `yes`, or `no: ` and why. */
  readonly direct: string;
  /** How that is known. */
  readonly direct_reason: string;
  /** Bytes that direct transfers have to be multiples of. Absent where there are none. */
  readonly alignment?: {
    readonly memory: number;
    readonly position: number;
    readonly length: number;
    readonly known: string;
  };
  /** Whether buffered reads can ask for what is in the page cache alone: `yes`, or `no: ` and why. */
  readonly nowait: string;
}

/**
 * @param parent - The folder.
 * @param kernel - Which is to be asked.
 * @param backend - Its name, for files.
 */
export async function directReport(
  parent: string,
  kernel: AioKernel,
  backend: 'native' | 'emulated',
): Promise<DirectReport> {
  let directory: string;
  try {
    directory = mkdtempSync(join(parent, 'kaio-doctor-'));
  } catch (error) {
    return notTried(error);
  }
  try {
    const path = join(directory, 'block');
    const mount = await fill(path);
    const where = { file_system: mount?.type ?? 'unknown', mount: describe(mount) };
    return { ...where, ...(await tryDirect(path, kernel)), nowait: await tryNowait(path, backend) };
  } catch (error) {
    // The permission model forbids fsync, and who knows what.
    return notTried(error);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function notTried(error: unknown): DirectReport {
  const direct = `no: ${messageOf(error)}`;
  return {
    file_system: 'unknown',
    mount: 'unknown',
    direct,
    direct_reason: 'not tried',
    nowait: 'not tried',
  };
}

/** Makes the file, with something in it that is on the disk: only that can be seen to be read. */
async function fill(path: string): Promise<Mount | undefined> {
  const fd = openSync(path, 'wx');
  try {
    writeSync(fd, new Uint8Array(FILE_BYTES).fill(FILLING));
    fsyncSync(fd);
    return await mountOf(fd);
  } finally {
    closeSync(fd);
  }
}

function describe(mount: Mount | undefined): string {
  if (mount === undefined) return 'unknown';
  return `${mount.source} on ${mount.point} (${mount.options.join(',')})`;
}

async function tryDirect(
  path: string,
  kernel: AioKernel,
): Promise<Pick<DirectReport, 'direct' | 'direct_reason' | 'alignment'>> {
  const flag: number | undefined = constants.O_DIRECT;
  if (flag === undefined) return no(`${platform()} has no O_DIRECT`);
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | flag);
  } catch (error) {
    if (codeOf(error) === 'EINVAL') return no('the file system does not open files with O_DIRECT');
    return no(messageOf(error));
  }
  try {
    const told = kernel.directAlignment(fd);
    const { direct, reason, alignment, release } = await judgeDirect(kernel, fd, await hostCalls.fstat(fd));
    release();
    if (!direct) return no(reason);
    const wrong = copyWhole(fd);
    if (wrong !== undefined) return no(wrong);
    const { memory, offset: position, length } = alignment!;
    const known = told === undefined ? 'the kernel does not tell' : 'statx';
    return { direct: 'yes', direct_reason: reason, alignment: { memory, position, length, known } };
  } catch (error) {
    return no(messageOf(error));
  } finally {
    closeSync(fd);
  }
}

/** Writes all of the file and reads it back. @returns What is wrong with what came. */
function copyWhole(fd: number): string | undefined {
  const written = new Uint8Array(pageAlignedBuffer(FILE_BYTES), 0, FILE_BYTES).fill(FILLING + 1);
  const read = new Uint8Array(pageAlignedBuffer(FILE_BYTES), 0, FILE_BYTES);
  writeSync(fd, written, 0, FILE_BYTES, 0);
  readSync(fd, read, 0, FILE_BYTES, 0);
  return read.every((byte) => byte === FILLING + 1)
    ? undefined
    : 'the blocks that were read are not the ones written';
}

function no(reason: string): { direct: string; direct_reason: string } {
  return { direct: `no: ${reason}`, direct_reason: reason };
}

/** Reads what is in the page cache, and sees which way it went. */
async function tryNowait(path: string, backend: 'native' | 'emulated'): Promise<string> {
  try {
    await using file = await open(path, 'r', 0o666, { backend });
    const readWhole = () => file.read(Buffer.alloc(FILE_BYTES), 0, FILE_BYTES, 0);
    // The first brings it there, and finds out what the file system says.
    await readWhole();
    const before = file.context.stats.threadPool;
    await readWhole();
    if (file.routes.read === 'nowait') return 'yes';
    if (file.routes.read === 'kernel') return `no: the ${backend} kernel reads without holding anybody up`;
    const after = file.context.stats.threadPool;
    const reason = Object.keys(after).find((one) => after[one] !== before[one]);
    return `no: ${reason ?? 'reads go to the thread pool'}`;
  } catch (error) {
    return `no: ${messageOf(error)}`;
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}

/** For people. */
export function alignmentText({
  memory,
  position,
  length,
  known,
}: NonNullable<DirectReport['alignment']>): string {
  return `memory ${memory}, position ${position}, length ${length} (${known})`;
}
