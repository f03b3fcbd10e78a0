/** The table that finds files by descriptor. */
import { ERRNO } from '../../common/abi/errno.ts';
import type { DirectAlignment } from '../../common/kernel/aio-kernel.ts';
import { EventFd } from './eventfd.ts';
import type { File, FileSupport } from './file.ts';
import { aio_fput_routine } from './fput.ts';
import { HostFile } from './host-file.ts';
import { type Identity, identify, isSameFile } from './identity.ts';
import { SyncBarrier } from './sync-barrier.ts';

/** Descriptors of the kernel's own files: beyond what any host gives out. */
export const FIRST_OWN_FD = 0x4000_0000;
const LAST_FD = 0x7fff_ffff;

interface Held {
  readonly file: HostFile;
  count: number;
}

export class FileTable {
  readonly #host: FileSupport | undefined;
  readonly #own: (File | undefined)[] = [];
  readonly #held = new Map<number, Held>();
  readonly #batch = new Map<number, HostFile>();
  /** As {@link #batch}, by what was found before. */
  readonly #named = new Map<number, HostFile>();
  /** Of FileHandles that are held open. */
  readonly #lent = new Set<HostFile>();

  /** @param host - Without it, no descriptor of the host means anything here. */
  constructor(host: FileSupport | undefined) {
    this.#host = host;
  }

  /** The file behind a descriptor, or `undefined`: EBADF. */
  fget(fd: number): File | undefined {
    if (fd >= FIRST_OWN_FD) return this.#own[fd - FIRST_OWN_FD];
    const held = this.#held.get(fd);
    if (held !== undefined) return held.file;
    let file = this.#batch.get(fd);
    if (file === undefined) {
      file = this.openHost(fd);
      if (file !== undefined) this.#batch.set(fd, file);
    }
    return file;
  }

  /**
   * The file behind a descriptor of the host's as it was when it was named: for reads, which are looked at once more before anybody gets
   * what they have read.
   */
  fgetNamed(fd: number, identity: Identity): HostFile | undefined {
    if (this.#host === undefined) return undefined;
    let file = this.#named.get(fd);
    if (file === undefined || file.identity !== identity) {
      file = new HostFile(fd, identity, this.#host, this.#barrierOf(identity));
      this.#named.set(fd, file);
    }
    return file;
  }

  /** Forgets what was found for one call: afterwards a descriptor may mean another file. */
  endBatch(): void {
    if (this.#batch.size > 0) this.#batch.clear();
    if (this.#named.size > 0) this.#named.clear();
  }

  /**
   * From now on `fd` is trusted to stay what it is. A descriptor that is not open is left alone.
   *
   * @param direct - What its transfers have to be aligned to, as if it had been opened with O_DIRECT.
   */
  hold(fd: number, direct?: DirectAlignment): void {
    const held = this.#held.get(fd);
    if (held !== undefined) {
      held.count++;
      return;
    }
    const file = fd >= FIRST_OWN_FD ? undefined : this.openHost(fd);
    if (file === undefined) return;
    file.held = true;
    file.direct = direct;
    this.#held.set(fd, { file, count: 1 });
  }

  /** Whether `fd` is trusted to stay what it is. */
  holds(fd: number): boolean {
    return this.#held.has(fd);
  }

  release(fd: number): void {
    const held = this.#held.get(fd);
    if (held === undefined) return;
    held.count--;
    if (held.count > 0) return;
    held.file.held = false;
    this.#held.delete(fd);
  }

  eventfd(descriptor: number): EventFd | undefined {
    const file = descriptor >= FIRST_OWN_FD ? this.#own[descriptor - FIRST_OWN_FD] : undefined;
    return file instanceof EventFd ? file : undefined;
  }

  /** Gives a file of the kernel's own a descriptor, which holds the reference that it was made with. */
  install(file: File): number {
    const free = this.#own.indexOf(undefined);
    const index = free === -1 ? this.#own.length : free;
    this.#own[index] = file;
    return FIRST_OWN_FD + index;
  }

  /** Closes a descriptor of the kernel's own. Requests that use the file keep it. */
  close(fd: number): number {
    const file = fd >= FIRST_OWN_FD ? this.#own[fd - FIRST_OWN_FD] : undefined;
    if (file === undefined) return -ERRNO.EBADF;
    this.#own[fd - FIRST_OWN_FD] = undefined;
    file.put();
    // Whoever closes a descriptor can stand the release of its file.
    aio_fput_routine();
    return 0;
  }

  /** Every descriptor of the kernel's own. */
  get descriptors(): readonly number[] {
    return this.#own.flatMap((file, index) => (file === undefined ? [] : [FIRST_OWN_FD + index]));
  }

  /** A FileHandle is held open from now on: its file, beside what its descriptor means to others. */
  lend(file: HostFile): void {
    file.barrier = this.#barrierOf(file.identity);
    this.#lent.add(file);
  }

  /** Ends {@link lend}. */
  takeBack(file: HostFile): void {
    this.#lent.delete(file);
  }

  /** What a descriptor of the host means now. */
  openHost(fd: number): HostFile | undefined {
    if (this.#host === undefined) return undefined;
    if (!Number.isInteger(fd) || fd < 0 || fd > LAST_FD) return undefined;
    const identity = identify(fd);
    return identity === undefined
      ? undefined
      : new HostFile(fd, identity, this.#host, this.#barrierOf(identity));
  }

  /** Two descriptors may mean one file: a sync through either covers the writes through both. */
  #barrierOf(identity: Identity): SyncBarrier {
    for (const { file } of this.#held.values()) {
      if (isSameFile(file.identity, identity)) return file.barrier;
    }
    for (const { identity: lent, barrier } of this.#lent) {
      if (isSameFile(lent, identity)) return barrier;
    }
    return new SyncBarrier();
  }
}
