/** The system calls on open files of a simulated disk, as operations. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { FileSupport } from '../files/file.ts';
import type { FileTable } from '../files/file-table.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { Disk, Done, Room } from './disk.ts';
import type { Attributes } from './inode.ts';
import type { Operation } from './operation.ts';
import type { Found, PathCalls } from './path-calls.ts';
import { SimulatedFile } from './simulated-file.ts';

/** The largest file of ext4 with blocks of 4 KiB. */
const MAX_FILE_BYTES = 2 ** 44 - 4096;

/** What the calls need of the kernel that they belong to. */
export interface CallsSupport extends FileSupport {
  readonly files: FileTable;
  readonly mm: AddressSpace;
}

export class FileCalls {
  readonly #kernel: CallsSupport;
  readonly #disk: Disk;
  readonly #paths: PathCalls;

  constructor(kernel: CallsSupport, disk: Disk, paths: PathCalls) {
    this.#kernel = kernel;
    this.#disk = disk;
    this.#paths = paths;
  }

  /** The file behind a descriptor, or `undefined`. */
  get(fd: number): SimulatedFile | undefined {
    const file = this.#disk.isDead ? undefined : this.#kernel.files.fget(fd);
    return file instanceof SimulatedFile ? file : undefined;
  }

  /** The file behind a descriptor. @throws Error `EBADF`, when somebody waits for it. */
  *of(fd: number, syscall: string): Operation<SimulatedFile> {
    const file = this.get(fd);
    if (file === undefined)
      yield this.#now(syscall, () => (this.#disk.isDead ? -ERRNO.ENODEV : -ERRNO.EBADF));
    return file!;
  }

  /** An open file that has no descriptor yet. */
  made({ inode, path, mode }: Found): SimulatedFile {
    return new SimulatedFile(this.#kernel, this.#disk, inode, path, mode);
  }

  install(file: SimulatedFile): number {
    return this.#kernel.files.install(file);
  }

  /** Nothing, when it is somebody's turn again. */
  *turn(): Operation<void> {
    yield this.#now('turn', () => 0);
  }

  /** What this disk cannot do. */
  *refused(code: 'EOPNOTSUPP' | 'EINVAL' | 'EISDIR' | 'ENOTDIR'): Operation<void> {
    yield this.#now(code, () => -ERRNO[code]);
  }

  *close(fd: number): Operation<void> {
    yield this.#now('close', () =>
      this.get(fd) === undefined ? -ERRNO.EBADF : this.#kernel.files.close(fd),
    );
  }

  /** @param position - `null` for the file's own. @returns How many bytes there were. */
  *read(
    file: SimulatedFile,
    views: readonly Uint8Array[],
    position: number | null,
    syscall = 'read',
  ): Operation<number> {
    const place = (): number => position ?? file.position;
    const error = this.#judgeRead(file, place(), views);
    if (error !== 0) yield this.#now(syscall, () => error);
    const wanted = views.reduce((sum, { length }) => sum + length, 0);
    return yield* this.#settled(syscall, file, (done) => {
      this.#disk.read(file, place, wanted, (result, bytes) => {
        let from = 0;
        for (const view of views) {
          const part = bytes.subarray(from, from + view.length);
          // Memory that was transferred away meanwhile has no room for anything.
          if (view.length >= part.length) view.set(part);
          from += part.length;
        }
        if (position === null && result > 0) file.position += result;
        done(result);
      });
    });
  }

  /** @param position - `null` for the file's own. @returns How many bytes were written. */
  *write(
    file: SimulatedFile,
    views: readonly Uint8Array[],
    position: number | null,
    syscall = 'write',
  ): Operation<number> {
    const place = (): number => position ?? file.position;
    const bytes = Buffer.concat(views);
    const error = this.#judgeWrite(file, place(), bytes.length, views);
    if (error !== 0) yield this.#now(syscall, () => error);
    if (bytes.length === 0) return yield this.#now(syscall, () => 0);
    return yield* this.#settled(syscall, file, (done) => {
      this.#disk.write(file, place, bytes, file.mode.sync, (result) => {
        if (position === null && result > 0)
          file.position = file.append ? file.inode.content.size : file.position + result;
        done(result);
      });
    });
  }

  *sync(file: SimulatedFile, datasync: boolean): Operation<void> {
    yield* this.#settled(datasync ? 'fdatasync' : 'fsync', file, (done) =>
      this.#disk.sync(file, datasync, done),
    );
  }

  *stat(file: SimulatedFile): Operation<void> {
    yield* this.#metadata('fstat', file, () => 0);
  }

  *truncate(file: SimulatedFile, size: number): Operation<void> {
    yield* this.#metadata('ftruncate', file, (id) => {
      if (file.mayWrite() !== 0 || file.inode.kind === 'directory') return -ERRNO.EINVAL;
      if (size > MAX_FILE_BYTES) return -ERRNO.EFBIG;
      if (size !== file.inode.content.size || file.inode.content.allocated > 0)
        file.inode.truncate(id, size, this.#disk.clock.nowNs());
      return 0;
    });
  }

  *allocate(file: SimulatedFile, room: Room): Operation<void> {
    yield* this.#settled('fallocate', file, (done) => this.#disk.fallocate(file, room, done));
  }

  *setAttributes(syscall: string, file: SimulatedFile, attributes: Partial<Attributes>): Operation<void> {
    yield* this.#metadata(syscall, file, () => {
      this.#paths.changeAttributes(syscall, file.inode, attributes);
      return 0;
    });
  }

  #judgeRead(file: SimulatedFile, position: number, views: readonly Uint8Array[]): number {
    if (!file.mode.readable) return -ERRNO.EBADF;
    if (file.inode.kind === 'directory') return -ERRNO.EISDIR;
    const { size } = file.inode.content;
    return position < size && file.isMisaligned(position, this.#segments(views)) ? -ERRNO.EINVAL : 0;
  }

  #judgeWrite(file: SimulatedFile, position: number, length: number, views: readonly Uint8Array[]): number {
    const error = file.mayWrite();
    if (error !== 0 || length === 0) return error;
    if (file.isMisaligned(position, this.#segments(views))) return -ERRNO.EINVAL;
    return !file.append && position + length > MAX_FILE_BYTES ? -ERRNO.EFBIG : 0;
  }

  #metadata(syscall: string, file: SimulatedFile, perform: (id: number) => number): Operation<number> {
    return this.#settled(syscall, file, (done) =>
      this.#disk.metadata(`${syscall} ${file.path}`, perform, done),
    );
  }

  /** Holds the file until the operation has ended, as the kernel does for its own requests. */
  *#settled(syscall: string, file: SimulatedFile, begin: (done: Done) => void): Operation<number> {
    return yield {
      syscall,
      begin: (done) => {
        file.get();
        begin((result) => {
          file.put();
          done(result);
        });
      },
    };
  }

  /** What takes no time, and ends no sooner than somebody waits for it. */
  #now(syscall: string, perform: () => number): { syscall: string; begin: (done: Done) => void } {
    return { syscall, begin: (done) => void this.#disk.clock.after(0, () => done(perform())) };
  }

  #segments(views: readonly Uint8Array[]): (readonly [number, number])[] {
    return views.map((view) => [this.#kernel.mm.addressOf(view), view.length] as const);
  }
}
