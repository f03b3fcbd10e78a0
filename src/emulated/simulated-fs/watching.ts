/** `fs.watch`, over a simulated disk: what libuv makes of inotify(7). */
import { AsyncResource } from 'node:async_hooks';
import { EventEmitter } from 'node:events';
import { ERRNO } from '../../common/abi/errno.ts';
import { AbortError, systemError } from '../../common/errors.ts';
import type { Disk } from '../simulated/disk.ts';
import type { Happening } from '../simulated/watches.ts';
import { admit, NOWHERE, realFs } from './admission.ts';
import { encoded, optionsOf } from './options.ts';

type EventType = 'change' | 'rename';

/** What has happened to something that is watched, and was not told yet. */
interface Notice {
  readonly watcher: Watcher;
  readonly happening: Happening;
  readonly name: string;
}

/** The one queue of a process, as libuv has it: what is the same as the last in it is not told twice. */
export class Watching {
  readonly #disk: Disk;
  #notices: Notice[] = [];

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  /** The arguments of `fs.watch`. */
  readonly watch = (path: unknown, ...rest: unknown[]): Watcher => {
    const [first] = rest;
    const options = typeof first === 'function' ? undefined : first;
    const listener = rest.find((value) => typeof value === 'function') as
      | ((event: EventType, name: unknown) => void)
      | undefined;
    // The signal is not for Node to listen to. What is no signal, it judges.
    const { signal } = optionsOf(options);
    const judged = signal instanceof AbortSignal ? { ...optionsOf(options), signal: undefined } : options;
    const [at] = admit('watch', [path, judged, () => {}]);
    const watcher = new Watcher(this.#begun(at!, options));
    if (listener !== undefined) watcher.on('change', listener);
    if (signal instanceof AbortSignal) closeWith(watcher, signal);
    return watcher;
  };

  /** `watch` of `node:fs/promises`. */
  readonly events = async function* (
    this: Watching,
    path: unknown,
    options?: unknown,
  ): AsyncGenerator<{ eventType: EventType; filename: string | Buffer }> {
    const { signal, ...rest } = optionsOf(options);
    // Whatever Node has to say about them, it says when the first event is asked for.
    const judged = signal instanceof AbortSignal ? rest : options;
    await realFs.promises
      .watch(NOWHERE, judged as object)
      [Symbol.asyncIterator]()
      .next()
      .catch((error: NodeJS.ErrnoException) => {
        if (typeof error.errno !== 'number') throw error;
      });
    if (signal instanceof AbortSignal && signal.aborted) throw new AbortError(signal.reason);
    const found: { eventType: EventType; filename: string | Buffer }[] = [];
    let wake = (): void => {};
    const watcher = this.watch(path, rest, (eventType: EventType, filename: string | Buffer) => {
      found.push({ eventType, filename });
      wake();
    });
    const aborted = (): void => wake();
    const abort = signal instanceof AbortSignal ? signal : undefined;
    abort?.addEventListener('abort', aborted);
    try {
      for (;;) {
        if (abort?.aborted) throw new AbortError(abort.reason);
        const next = found.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      abort?.removeEventListener('abort', aborted);
      watcher.close();
    }
  }.bind(this);

  #begun(path: string, options: unknown): (watcher: Watcher) => () => void {
    const { names } = this.#disk;
    const place = this.#disk.isDead ? -ERRNO.ENODEV : names.find(path);
    const inode = typeof place === 'number' ? undefined : place.inode;
    if (inode === undefined)
      throw Object.assign(systemError(typeof place === 'number' ? place : -ERRNO.ENOENT, 'watch', { path }), {
        filename: path,
      });
    const own = path.slice(path.lastIndexOf('/') + 1);
    const isDeep = optionsOf(options).recursive === true;
    return (watcher) => {
      const encode: typeof watcher.encode = (name) => encoded(name, options);
      watcher.encode = encode;
      return names.watches.add({
        inode,
        isDeep,
        notice: (happening, name) => this.#put({ watcher, happening, name: name ?? own }),
      });
    };
  }

  #put(notice: Notice): void {
    const last = this.#notices.at(-1);
    if (last?.watcher === notice.watcher && last.happening === notice.happening && last.name === notice.name)
      return;
    if (this.#notices.length === 0) process.nextTick(() => this.#tell());
    this.#notices.push(notice);
  }

  #tell(): void {
    const notices = this.#notices;
    this.#notices = [];
    if (this.#disk.isDead) return;
    for (const { watcher, happening, name } of notices) watcher.tell(eventOf(happening), name);
  }
}

/** As `uv__inotify_read` of libuv: the bit that says directory is none of those that it takes for a change. */
function eventOf(happening: Happening): EventType {
  return happening === 'modified' || happening === 'attributes' ? 'change' : 'rename';
}

/** What `fs.watch` gives: it emits `change`, `close` and `error`, as there. It keeps no process alive, as nothing else can change a file. */
export class Watcher extends EventEmitter {
  static {
    Object.defineProperty(Watcher, 'name', { value: 'FSWatcher' });
  }
  encode: (name: string) => string | Buffer = (name) => name;
  readonly #resource = new AsyncResource('FSEVENTWRAP');
  #end: (() => void) | undefined;

  /** @param begin - Begins it. @returns What ends it. */
  constructor(begin: (watcher: Watcher) => () => void) {
    super();
    this.#end = begin(this);
  }

  /** Tells of something, unless it was closed. */
  tell(event: EventType, name: string): void {
    if (this.#end === undefined) return;
    this.#resource.runInAsyncScope(() => this.emit('change', event, this.encode(name)));
  }

  close(): void {
    if (this.#end === undefined) return;
    this.#end();
    this.#end = undefined;
    process.nextTick(() => {
      this.#resource.runInAsyncScope(() => this.emit('close'));
      this.#resource.emitDestroy();
    });
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}

function closeWith(watcher: Watcher, signal: AbortSignal): void {
  if (signal.aborted) {
    process.nextTick(() => watcher.close());
    return;
  }
  const close = (): void => watcher.close();
  signal.addEventListener('abort', close, { once: true });
  watcher.once('close', () => signal.removeEventListener('abort', close));
}
