/** `fs.watchFile`, over a simulated disk. */
import { EventEmitter } from 'node:events';
import type { BigIntStats, Stats } from 'node:fs';
import { posix } from 'node:path';
import { NSEC_PER_MSEC } from '../../common/time-units.ts';
import type { Disk } from '../simulated/disk.ts';
import { Inode } from '../simulated/inode.ts';
import { statsOf } from '../simulated/stats.ts';
import { admit, ask, NOWHERE, realFs } from './admission.ts';
import { optionsOf } from './options.ts';

type AnyStats = Stats | BigIntStats;
type Listener = (current: AnyStats, previous: AnyStats) => void;

const ROOT = '/';
const INTERVAL_MS = 5007;

/**
 * The files of a process that are looked at again and again.
 *
 * Nobody looks while nothing changes, or virtual time would never stand still: after a change of anything on the disk comes one look, at
 * the moment at which it would have come anyway.
 */
export class StatWatching {
  readonly #disk: Disk;
  readonly #watchers = new Map<string, StatWatcher>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** The arguments of `fs.watchFile`. */
  readonly watchFile = (path: unknown, ...rest: unknown[]): StatWatcher => {
    const listener = rest.find((value) => typeof value === 'function') as Listener | undefined;
    const options = typeof rest[0] === 'function' ? undefined : rest[0];
    // Node begins to watch what cannot be there, and is told at once to leave it.
    const judged = rest.map((value) => (typeof value === 'function' ? () => {} : value));
    try {
      ask('watchFile', [NOWHERE, ...judged]);
    } finally {
      realFs.unwatchFile(NOWHERE);
    }
    const at = this.#keyOf(path);
    let watcher = this.#watchers.get(at);
    if (watcher === undefined) {
      watcher = new StatWatcher(this.#disk, at, options);
      this.#watchers.set(at, watcher);
    }
    watcher.on('change', listener!);
    return watcher;
  };

  readonly unwatchFile = (path: unknown, listener?: unknown): void => {
    const at = this.#keyOf(path);
    const watcher = this.#watchers.get(at);
    if (watcher === undefined) return;
    if (typeof listener === 'function') watcher.off('change', listener as Listener);
    else watcher.removeAllListeners('change');
    if (watcher.listenerCount('change') > 0) return;
    watcher.stop();
    this.#watchers.delete(at);
  };

  #keyOf(path: unknown): string {
    return posix.resolve(ROOT, admit('accessSync', [path])[0]!);
  }
}

/** What `fs.watchFile` gives. It keeps no process alive, as nothing else can change a file. */
export class StatWatcher extends EventEmitter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #isBig: boolean;
  readonly #intervalNs: number;
  readonly #since: number;
  readonly #end: () => void;
  #last: AnyStats;
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(disk: Disk, path: string, options: unknown) {
    super();
    const { bigint = false, interval = INTERVAL_MS } = optionsOf(options);
    this.#disk = disk;
    this.#path = path;
    this.#isBig = bigint === true;
    // libuv's clock knows nothing smaller.
    this.#intervalNs = Math.max(1, Number(interval)) * NSEC_PER_MSEC;
    this.#since = disk.clock.nowNs();
    const { stats, isThere } = this.#look();
    this.#last = stats;
    // Of what is not there it tells once, and of what is there when it changes.
    if (!isThere) process.nextTick(() => this.#tell(stats, stats));
    this.#end = disk.names.watches.listen(() => this.#plan());
  }

  /** It looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#end();
    this.#cancel?.();
    process.nextTick(() => this.emit('stop'));
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #plan(): void {
    if (this.#cancel !== undefined) return;
    const passed = (this.#disk.clock.nowNs() - this.#since) % this.#intervalNs;
    this.#cancel = this.#disk.clock.after(this.#intervalNs - passed, () => {
      this.#cancel = undefined;
      const before = this.#last;
      const { stats } = this.#look();
      if (isSame(before, stats)) return;
      this.#last = stats;
      // Not inside of a call that waits for its own turn.
      process.nextTick(() => this.#tell(stats, before));
    });
  }

  #tell(stats: AnyStats, before: AnyStats): void {
    if (!this.#isStopped && !this.#disk.isDead) this.emit('change', stats, before);
  }

  #look(): { readonly stats: AnyStats; readonly isThere: boolean } {
    const place = this.#disk.names.find(this.#path);
    const inode = typeof place === 'number' ? undefined : place.inode;
    return {
      stats: inode === undefined ? nothing(this.#isBig) : statsOf(inode, this.#isBig),
      isThere: inode !== undefined,
    };
  }
}

/** As libuv compares them; looking at a file changes nothing. */
function isSame(one: AnyStats, other: AnyStats): boolean {
  const fields = ['ctimeMs', 'mtimeMs', 'birthtimeMs', 'size', 'mode', 'uid', 'gid', 'ino', 'dev'] as const;
  return fields.every((name) => one[name] === other[name]);
}

/** Stats of nothing: zeros. */
function nothing(isBig: boolean): AnyStats {
  const none = { mode: 0, uid: 0, gid: 0, atimeNs: 0, mtimeNs: 0, ctimeNs: 0 };
  const stats = statsOf(new Inode(0, 'file', none), isBig) as unknown as Record<string, unknown>;
  for (const [name, value] of Object.entries(stats)) {
    if (typeof value === 'number') stats[name] = 0;
    if (typeof value === 'bigint') stats[name] = 0n;
  }
  return stats as unknown as AnyStats;
}
