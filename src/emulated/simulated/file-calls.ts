/** The system calls on open files of a simulated disk, as operations. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { FileSupport } from '../files/file.ts';
import type { FileTable } from '../files/file-table.ts';
import { aio_fput_routine } from '../files/fput.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { Disk } from './disk.ts';
import type { Done, Room } from './disk-request.ts';
import type { Attributes } from './inode.ts';
import { asked } from './operation.ts';
import type { Found, PathCalls } from './path-calls.ts';
import { SimulatedFile } from './simulated-file.ts';
import type { Steps } from './steps.ts';

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
  readonly #maxDescriptors: number;
  /** Descriptors that are taken and not in the table yet. */
  #opening = 0;
  /** Files that a call by path has opened for itself. */
  readonly #nameless = new Set<SimulatedFile>();

  constructor(kernel: CallsSupport, disk: Disk, paths: PathCalls, maxDescriptors: number) {
    this.#kernel = kernel;
    this.#disk = disk;
    this.#paths = paths;
    this.#maxDescriptors = maxDescriptors;
  }

  /** The file behind a descriptor, or `undefined`. */
  get(fd: number): SimulatedFile | undefined {
    const file = this.#disk.isDead ? undefined : this.#kernel.files.fget(fd);
    return file instanceof SimulatedFile ? file : undefined;
  }

  /** The file behind a descriptor. @throws Error `EBADF`, when somebody waits for it. */
  *of(fd: number, syscall: string): Steps<SimulatedFile> {
    const file = this.get(fd);
    if (file === undefined)
      yield this.#now(syscall, () => (this.#disk.isDead ? -ERRNO.ENODEV : -ERRNO.EBADF));
    return file!;
  }

  /**
   * Opens a file that comes to have a descriptor by {@link install}, or ends by {@link release}.
   *
   * @throws Error `EMFILE` before anything is made, as open(2) has it.
   */
  *open(path: string, flags: number, mode: number, direct: boolean): Steps<SimulatedFile> {
    if (this.#kernel.files.descriptors.length + this.#opening + this.#nameless.size >= this.#maxDescriptors)
      yield { ...this.#now('open', () => -ERRNO.EMFILE), path };
    this.#opening++;
    try {
      const file = this.#made(yield* this.#paths.open(path, flags, mode, direct));
      this.#nameless.add(file);
      return file;
    } finally {
      this.#opening--;
    }
  }

  install(file: SimulatedFile): number {
    this.#nameless.delete(file);
    return this.#kernel.files.install(file);
  }

  /** Nobody needs a file any more that has no descriptor. */
  release(file: SimulatedFile): void {
    this.#nameless.delete(file);
    file.put();
    aio_fput_routine();
  }

  /** Every file that is open. */
  get opened(): readonly SimulatedFile[] {
    const { files } = this.#kernel;
    const named = files.descriptors.map((fd) => files.fget(fd));
    return [...named.filter((file) => file instanceof SimulatedFile), ...this.#nameless];
  }

  /** One more descriptor of what is open already, beyond all limits. */
  again(found: Found): number {
    return this.#kernel.files.install(this.#made(found));
  }

  #made({ inode, path, mode }: Found): SimulatedFile {
    return new SimulatedFile(this.#kernel, this.#disk, inode, path, mode);
  }

  /** Nothing, when it is somebody's turn again. */
  *turn(): Steps<void> {
    yield this.#now('turn', () => 0);
  }

  /** What this disk cannot do. */
  *refused(code: 'EOPNOTSUPP' | 'EINVAL' | 'EISDIR' | 'ENOTDIR'): Steps<void> {
    yield this.#now(code, () => -ERRNO[code]);
  }

  *close(fd: number): Steps<void> {
    yield this.#now('close', () => {
      if (this.#disk.isDead) return -ERRNO.ENODEV;
      return this.get(fd) === undefined ? -ERRNO.EBADF : this.#kernel.files.close(fd);
    });
  }

  /** @param position - `null` for the file's own. @returns How many bytes there were. */
  *read(
    file: SimulatedFile,
    views: readonly Uint8Array[],
    position: number | null,
    syscall = 'read',
  ): Steps<number> {
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
  ): Steps<number> {
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

  *sync(file: SimulatedFile, datasync: boolean): Steps<void> {
    yield* this.#settled(datasync ? 'fdatasync' : 'fsync', file, (done) =>
      this.#disk.sync(file, datasync, done),
    );
  }

  *stat(file: SimulatedFile): Steps<void> {
    yield* this.#metadata('fstat', file, () => 0);
  }

  *truncate(file: SimulatedFile, size: number): Steps<void> {
    yield* this.#metadata('ftruncate', file, (id) => {
      if (file.mayWrite() !== 0 || file.inode.kind === 'directory') return -ERRNO.EINVAL;
      if (size > MAX_FILE_BYTES) return -ERRNO.EFBIG;
      const now = this.#disk.clock.nowNs();
      if (size !== file.inode.content.size || file.inode.content.allocated > 0)
        file.inode.truncate(id, size, now);
      // ftruncate(2) changes the times in any case, as `fs/open.c:do_sys_ftruncate` asks for.
      else file.inode.modified(now);
      this.#disk.names.watches.changed(file.inode, 'modified');
      return 0;
    });
  }

  *allocate(file: SimulatedFile, room: Room): Steps<void> {
    yield* this.#settled('fallocate', file, (done) => this.#disk.fallocate(file, room, done));
  }

  *setAttributes(syscall: string, file: SimulatedFile, attributes: Partial<Attributes>): Steps<void> {
    yield* this.#metadata(syscall, file, () => {
      this.#paths.changeAttributes(syscall, file.inode, attributes);
      return 0;
    });
  }

  #judgeRead(file: SimulatedFile, position: number, views: readonly Uint8Array[]): number {
    if (!file.mode.readable) return -ERRNO.EBADF;
    // readv(2) of nothing ends before the file is asked; one buffer alone goes by read(2).
    if (views.length > 1 && views.every(({ length }) => length === 0)) return 0;
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

  #metadata(syscall: string, file: SimulatedFile, perform: (id: number) => number): Steps<number> {
    return this.#settled(syscall, file, (done) =>
      this.#disk.metadata(asked(syscall, file.path), perform, done),
    );
  }

  /** Holds the file until the operation has ended, as the kernel does for its own requests. */
  *#settled(syscall: string, file: SimulatedFile, begin: (done: Done) => void): Steps<number> {
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
