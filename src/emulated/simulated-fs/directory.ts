/** Node's classes for what is in a directory. */
import type { Dir, Dirent } from 'node:fs';
import type { Entry } from '../simulated/path-calls.ts';
import { run, runNow, type Steps } from '../simulated/steps.ts';
import type { VirtualClock } from '../simulated/virtual-clock.ts';
import { realFs } from './admission.ts';
import { encoded, optionsOf } from './options.ts';

const { UV_DIRENT_DIR, UV_DIRENT_FILE, UV_DIRENT_LINK } = realFs.constants as unknown as Record<
  string,
  number
>;
const KINDS: Readonly<Record<Entry['kind'], number>> = {
  file: UV_DIRENT_FILE!,
  directory: UV_DIRENT_DIR!,
  link: UV_DIRENT_LINK!,
};
const BUFFER_SIZE = 32;

const DirentClass = realFs.Dirent as unknown as new (
  name: string | Buffer,
  type: number,
  path: string | Uint8Array,
) => Dirent;
const DirClass = realFs.Dir as unknown as new (
  handle: DirHandle,
  path: string | Uint8Array,
  options: object,
) => Dir;

export function direntOf({ name, kind }: Entry, path: string | Uint8Array, options?: unknown): Dirent {
  return new DirentClass(encoded(name, options), KINDS[kind], path);
}

interface DirRequest {
  oncomplete(error: unknown, result?: unknown): void;
}

/** What Node's Dir reads from: the way in which its own, in C++, is asked. */
interface DirHandle {
  read(encoding: unknown, bufferSize: number, request?: DirRequest): unknown;
  close(request?: DirRequest): unknown;
}

/** @param turn - Passes the time that a look at it takes. */
export function dirOf(
  clock: VirtualClock,
  turn: () => Steps<void>,
  entries: readonly Entry[],
  path: string | Uint8Array,
  options?: unknown,
): Dir {
  let at = 0;
  const answer = <T>(request: DirRequest | undefined, value: () => T): T | undefined => {
    if (request === undefined) {
      runNow(clock, turn());
      return value();
    }
    run(turn(), (error) =>
      process.nextTick(() => {
        if (error === null) request.oncomplete(null, value());
        else request.oncomplete(error);
      }),
    );
    return undefined;
  };
  const handle: DirHandle = {
    read: (encoding, bufferSize, request) =>
      answer(request, () => {
        const some = entries.slice(at, at + bufferSize);
        at += some.length;
        return some.length === 0
          ? null
          : some.flatMap(({ name, kind }) => [encoded(name, { encoding }), KINDS[kind]]);
      }),
    close: (request) => answer(request, () => undefined),
  };
  const { encoding = 'utf8', bufferSize = BUFFER_SIZE } = optionsOf(options);
  return new DirClass(handle, path, { encoding, bufferSize });
}

/** A Dir of all that is below a directory: Node's own would look for that on the host. */
export function treeDirOf(dir: Dir, dirents: readonly Dirent[]): Dir {
  const left = dirents.values();
  const next = (): Dirent | null => left.next().value ?? null;
  const read = (
    callback?: (error: null, dirent: Dirent | null) => void,
  ): Promise<Dirent | null> | undefined => {
    const dirent = next();
    if (callback === undefined) return Promise.resolve(dirent);
    process.nextTick(callback, null, dirent);
    return undefined;
  };
  async function* entries(): AsyncGenerator<Dirent, void> {
    try {
      for (let dirent = next(); dirent !== null; dirent = next()) yield dirent;
    } finally {
      await dir.close();
    }
  }
  return Object.defineProperties(dir, {
    read: { value: read },
    readSync: { value: next },
    entries: { value: entries },
    [Symbol.asyncIterator]: { value: entries },
  });
}
