/**
 * Opens files on this thread, where Linux has all of it in memory, and closes them so.
 *
 * `node:fs` gives each open and each close to its thread pool: for a file that is opened, read and closed, waking those threads takes more
 * time than all three calls. Linux can be asked to open what it finds without waiting (openat2(2) with RESOLVE_CACHED, Linux 5.12). What may
 * hold this thread all the same is not opened here: what is no regular file (a FIFO waits for its other end), what is on a file system that asks
 * somebody else (networks, FUSE, overlays), what has a lease. One that took long, as where a virus scanner is asked, sends the next ones to the
 * pool. What is more than a turn of the event loop may have waits for the next one: that is sooner than the pool, and takes half of the CPU.
 */
import { constants } from 'node:fs';
import { ERRNO } from '../common/abi/errno.ts';
import type { OpenedAtOnce } from '../common/kernel/aio-kernel.ts';
import type { DescriptorStats } from './descriptor-stats.ts';
import type { Libc } from './libc.ts';
import type { ProcessMemory } from './memory.ts';

// `uapi/linux/openat2.h`, `uapi/asm-generic/unistd.h` and `fcntl.h`: the same on every architecture that koffi has.
const SYS_OPENAT2 = 437;
const HOW_BYTES = 24;
const RESOLVE_CACHED = 0x20n;
const AT_FDCWD = -100;
const O_PATH = 0x20_0000;
const O_CLOEXEC = 0x8_0000;
const F_SETFL = 4;
const { O_RDONLY } = constants;
const O_NONBLOCK: number = constants.O_NONBLOCK ?? 0;
const O_DIRECT: number = constants.O_DIRECT ?? 0;

/** `uapi/linux/magic.h`: ext4 (and its elders), XFS, btrfs, tmpfs. Opening there asks nobody outside of this kernel. */
const LOCAL: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994]);
const MISSING: ReadonlySet<number> = new Set([-ERRNO.ENOSYS, -ERRNO.EPERM, -ERRNO.EINVAL]);
const STATFS_BYTES = 512;
const PATH_BYTES = 4096;

/** What has no UTF-8. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/** Opens and closes in one turn of the event loop: half a millisecond. */
const MOST_IN_A_TURN = 128;
/** What takes longer has waited for somebody. */
const LONG_MS = 4;
const FIRST_SKIPPED = 16;
const MOST_SKIPPED = 4096;
/** Taken before a program can replace it. */
const { setImmediate } = globalThis;

export class CachedOpens {
  readonly #libc: Libc;
  readonly #stats: DescriptorStats;
  readonly #fstatfs: ReturnType<Libc['bind']>;
  readonly #fcntl: ReturnType<Libc['bind']>;
  readonly #close: ReturnType<Libc['bind']>;
  readonly #how = new BigUint64Array(HOW_BYTES / BigUint64Array.BYTES_PER_ELEMENT);
  readonly #path = new Uint8Array(PATH_BYTES);
  readonly #statfs = new Uint32Array(STATFS_BYTES / Uint32Array.BYTES_PER_ELEMENT);
  readonly #howAt: number;
  readonly #pathAt: number;
  readonly #statfsAt: number;
  readonly #encoder = new TextEncoder();
  readonly #local = new Set<number>();
  #isMissing: boolean;
  #inTurn = 0;
  /** For a later turn, the oldest first. */
  #waiting: (() => void)[] = [];
  #toSkip = 0;
  #skipNext = FIRST_SKIPPED;

  constructor(libc: Libc, memory: ProcessMemory, stats: DescriptorStats) {
    this.#libc = libc;
    this.#stats = stats;
    this.#fstatfs = libc.bind('fstatfs', 'int', 2);
    this.#fcntl = libc.bind('fcntl', 'int', 3);
    this.#close = libc.bind('close', 'int', 1);
    this.#howAt = memory.addressOf(this.#how);
    this.#pathAt = memory.addressOf(this.#path);
    this.#statfsAt = memory.addressOf(this.#statfs);
    this.#how[2] = RESOLVE_CACHED;
    // Node's permission model is asked by Node's own calls alone. Places in structures are those of 64 bits.
    this.#isMissing = libc.wordBytes !== 8 || (process as { permission?: object }).permission !== undefined;
  }

  /** See `AioKernel.turnAtOnce`. */
  turn(): Promise<void> | undefined {
    // Those for the pool have its queue.
    if (this.#isMissing || this.#toSkip > 0) return undefined;
    if (this.#waiting.length === 0 && this.#inTurn < MOST_IN_A_TURN) {
      this.#count(1);
      return undefined;
    }
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** See `AioKernel.openAtOnce`. */
  open(path: string, flags: number): OpenedAtOnce | undefined {
    if (!this.#mayTry() || !this.#setPath(path)) return undefined;
    const began = performance.now();
    const place = this.#openat2(O_PATH | O_CLOEXEC);
    if (place < 0) {
      // Without a path that it could be about: no such call, or a filter.
      if (MISSING.has(place)) this.#isMissing = true;
      return undefined;
    }
    let opened: OpenedAtOnce | undefined;
    try {
      opened = this.#openSame(place, flags);
    } finally {
      this.#close(place);
    }
    this.#judge(performance.now() - began);
    return opened;
  }

  /** See `AioKernel.closeAtOnce`. */
  close(fd: number, release: () => void): number | undefined {
    if (!this.#mayTry()) return undefined;
    // The last of a file that has no name any more has all of its blocks to give back.
    const links = this.#stats.linksOf(fd);
    if (links === undefined || links === 0) return undefined;
    release();
    return this.#close(fd);
  }

  /** @returns `undefined` where it might wait, or is another file by now. */
  #openSame(place: number, flags: number): OpenedAtOnce | undefined {
    const wanted = this.#stats.of(place);
    if (wanted === undefined || !wanted.isFile() || !this.#isLocal(place, wanted.dev)) return undefined;
    // A lease would be waited for otherwise.
    const fd = this.#openat2(O_RDONLY | flags | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return undefined;
    const stat = this.#stats.of(fd);
    const isSame = stat !== undefined && stat.ino === wanted.ino && stat.dev === wanted.dev;
    if (isSame && this.#fcntl(fd, F_SETFL, flags & O_DIRECT) === 0) return { fd, stat };
    this.#close(fd);
    return undefined;
  }

  #mayTry(): boolean {
    if (this.#isMissing) return false;
    if (this.#toSkip === 0) return true;
    this.#toSkip--;
    return false;
  }

  #count(ones: number): void {
    if (this.#inTurn === 0) setImmediate(() => this.#endTurn());
    this.#inTurn += ones;
  }

  #endTurn(): void {
    this.#inTurn = 0;
    // A number of a device may be another's after that.
    this.#local.clear();
    const next = this.#waiting.splice(0, MOST_IN_A_TURN);
    if (next.length > 0) this.#count(next.length);
    for (const goOn of next) goOn();
  }

  #judge(tookMs: number): void {
    if (tookMs < LONG_MS) {
      this.#skipNext = Math.max(FIRST_SKIPPED, this.#skipNext - 1);
      return;
    }
    this.#toSkip = this.#skipNext;
    this.#skipNext = Math.min(this.#skipNext * 2, MOST_SKIPPED);
  }

  #openat2(flags: number): number {
    this.#how[0] = BigInt(flags);
    return this.#libc.syscall(SYS_OPENAT2, AT_FDCWD, this.#pathAt, this.#howAt, HOW_BYTES);
  }

  /** @returns Whether it is a path that C can have. */
  #setPath(path: string): boolean {
    const { read, written } = this.#encoder.encodeInto(path, this.#path);
    if (read < path.length || written === PATH_BYTES || written === 0) return false;
    this.#path[written] = 0;
    // A lone surrogate has no UTF-8, and a 0 would end it.
    return this.#path.indexOf(0) === written && !LONE_SURROGATE.test(path);
  }

  /** @param dev - Of the file; asked once in a turn. */
  #isLocal(fd: number, dev: number): boolean {
    if (this.#local.has(dev)) return true;
    if (this.#fstatfs(fd, this.#statfsAt) < 0) return false;
    // The first word; which half of it depends on the architecture.
    const isLocal = LOCAL.has(this.#statfs[0]!) || LOCAL.has(this.#statfs[1]!);
    if (isLocal) this.#local.add(dev);
    return isLocal;
  }
}
