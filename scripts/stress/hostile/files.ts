/** The files of a child: their content is known by position, or by what was written. */
import {
  closeSync,
  constants,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { type AioContext, type AioFile, open } from '../../../src/index.ts';
import type { Opening } from './program.ts';

export const FILE_BYTES = 1 << 20;
const PAGE_BYTES = 4096;
const CELL_BYTES = 512;
const { O_RDONLY, O_RDWR } = constants;
const O_DIRECT: number | undefined = constants.O_DIRECT;

/** Each word of eight bytes says where it is, and of which file. */
function positions(file: number): Buffer {
  const words = new BigUint64Array(FILE_BYTES / 8);
  for (let index = 0; index < words.length; index++) words[index] = (BigInt(file) << 40n) | BigInt(index * 8);
  return Buffer.from(words.buffer);
}

/** A file nobody writes to. */
export class ReadFile {
  readonly path: string;
  readonly content: Buffer;

  constructor(path: string, id: number) {
    this.path = path;
    this.content = positions(id);
    writeFileSync(path, this.content);
  }

  /** @returns What is wrong. */
  check(): string | undefined {
    return readFileSync(this.path).equals(this.content)
      ? undefined
      : `${this.path} was written to, although it was never opened for that`;
  }
}

/** A write, or a read that wants to know whether there were any. */
export interface WriteWatch {
  /** The bytes. */
  readonly start: number;
  readonly end: number;
  /** The cells that are watched. */
  readonly first: number;
  readonly last: number;
  readonly versions: readonly number[];
}

/** A file that is written to: what is known of each cell of it. */
export class WrittenFile {
  readonly path: string;
  readonly content: Buffer;
  /** Counts up whenever a write begins or ends. */
  readonly #versions = new Uint32Array(FILE_BYTES / CELL_BYTES);
  readonly #writing = new Uint32Array(FILE_BYTES / CELL_BYTES);
  readonly #unknown = new Uint8Array(FILE_BYTES / CELL_BYTES);

  constructor(path: string, id: number) {
    this.path = path;
    this.content = positions(id);
    writeFileSync(path, this.content);
  }

  #watch(start: number, end: number, unit: number): WriteWatch {
    const from = Math.floor(start / unit) * unit;
    const to = Math.min(Math.ceil(end / unit) * unit, FILE_BYTES);
    const [first, last] = [from / CELL_BYTES, to / CELL_BYTES - 1];
    return { start, end, first, last, versions: [...this.#versions.subarray(first, last + 1)] };
  }

  beginRead(position: number, bytes: number): WriteWatch {
    return this.#watch(position, position + bytes, CELL_BYTES);
  }

  /** Whether the content of all of it is known, and was the same all the time. */
  endRead({ first, last, versions }: WriteWatch): boolean {
    for (let cell = first; cell <= last; cell++) {
      if (this.#versions[cell] !== versions[cell - first]) return false;
      if (this.#writing[cell]! > 0 || this.#unknown[cell]! > 0) return false;
    }
    return true;
  }

  /**
   * Whole pages are watched: of one that a buffered write changes in part while a direct one to it is in flight, Linux may keep the rest as
   * it was before. It says so itself: "Possible data corruption due to collision with buffered I/O" in its log, EIO from the next fsync().
   */
  beginWrite(position: number, bytes: number): WriteWatch {
    const watch = (): WriteWatch =>
      this.#watch(position, position + bytes, bytes === 0 ? CELL_BYTES : PAGE_BYTES);
    const { first, last } = watch();
    for (let cell = first; cell <= last; cell++) {
      this.#versions[cell]!++;
      this.#writing[cell]!++;
    }
    return watch();
  }

  /** @param data - What was written, or `undefined` where that is not known. */
  endWrite(watch: WriteWatch, position: number, data: Uint8Array | undefined): void {
    for (let cell = watch.first; cell <= watch.last; cell++) {
      const alone = this.#versions[cell] === watch.versions[cell - watch.first] && this.#writing[cell] === 1;
      this.#versions[cell]!++;
      this.#writing[cell]!--;
      const from = cell * CELL_BYTES;
      // Beside what is written: as it was.
      if (alone && (from + CELL_BYTES <= watch.start || from >= watch.end)) continue;
      const whole = data !== undefined && position <= from && position + data.length >= from + CELL_BYTES;
      const wasKnown = this.#unknown[cell] === 0;
      if (alone && data !== undefined && (whole || wasKnown)) {
        const start = Math.max(from, position);
        const end = Math.min(from + CELL_BYTES, position + data.length);
        if (end > start) this.content.set(data.subarray(start - position, end - position), start);
        this.#unknown[cell] = 0;
      } else {
        this.#unknown[cell] = 1;
      }
    }
  }

  /** Preconditions: nothing is being written. @returns What is wrong. */
  check(): string | undefined {
    const now = readFileSync(this.path);
    for (let cell = 0; cell < this.#unknown.length; cell++) {
      if (this.#unknown[cell] !== 0) continue;
      const from = cell * CELL_BYTES;
      if (now.compare(this.content, from, from + CELL_BYTES, from, from + CELL_BYTES) !== 0)
        return `${this.path} does not hold at ${from} what was written there`;
    }
    return undefined;
  }
}

/** Opened files that all programs of a child share. */
export class Files {
  readonly directory: string;
  readonly read: ReadFile;
  readonly written: WrittenFile;
  /** What takes the number of a descriptor that was closed. */
  readonly other: ReadFile;
  readonly buffered: number;
  readonly direct: number;
  readonly handle: FileHandle;
  readonly writtenBuffered: number;
  readonly writtenDirect: number;
  /** Why there is no direct I/O. */
  readonly noDirect: string | undefined;

  private constructor(directory: string, handle: FileHandle, read: ReadFile) {
    this.directory = directory;
    this.read = read;
    this.handle = handle;
    this.written = new WrittenFile(join(directory, 'written'), 2);
    this.other = new ReadFile(join(directory, 'other'), 3);
    this.buffered = openSync(read.path, O_RDONLY);
    this.writtenBuffered = openSync(this.written.path, O_RDWR);
    let direct: number | undefined;
    let reason: string | undefined;
    try {
      if (O_DIRECT === undefined) throw new Error(`${process.platform} has no O_DIRECT`);
      direct = openSync(read.path, O_RDONLY | O_DIRECT);
    } catch (error) {
      reason = (error as Error).message;
    }
    this.noDirect = reason;
    this.direct = direct ?? openSync(read.path, O_RDONLY);
    this.writtenDirect =
      direct === undefined
        ? openSync(this.written.path, O_RDWR)
        : openSync(this.written.path, O_RDWR | O_DIRECT!);
    // What is dirty would make each direct transfer write it back first.
    fsyncSync(this.writtenBuffered);
    fsyncSync(this.buffered);
  }

  static async make(where: string): Promise<Files> {
    const directory = mkdtempSync(join(where, 'kaio-hostile-'));
    const read = new ReadFile(join(directory, 'read'), 1);
    return new Files(directory, await openHandle(read.path, 'r'), read);
  }

  /** Opens one of them by the product. */
  open(opening: Opening, context?: AioContext): Promise<AioFile> {
    const isWritten = opening.startsWith('written');
    return open(isWritten ? this.written.path : this.read.path, isWritten ? 'r+' : 'r', 0o666, {
      direct: opening === 'buffered' || opening === 'written' ? false : 'prefer',
      ...(context === undefined ? {} : { context }),
      ...(opening === 'widened' ? { unaligned: 'copy' as const } : {}),
      ...(opening === 'written direct' ? { unaligned: 'read-modify-write' as const } : {}),
    });
  }

  check(): string | undefined {
    return this.read.check() ?? this.other.check() ?? this.written.check();
  }

  remove(): void {
    for (const fd of [this.buffered, this.direct, this.writtenBuffered, this.writtenDirect]) closeSync(fd);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** Where in the file, such that the file does not grow. */
export function positionFor(page: number, bytes: number, write: boolean): number {
  const position = (page * PAGE_BYTES) % FILE_BYTES;
  return write ? Math.min(position, Math.floor((FILE_BYTES - bytes) / PAGE_BYTES) * PAGE_BYTES) : position;
}
