/** What `node:fs` does with directories and all that is in them, over a simulated disk. */
import type { Dir, Dirent } from 'node:fs';
import { posix } from 'node:path';
import { codeOf } from '../../common/errors.ts';
import type { Entry, PathCalls } from '../simulated/path-calls.ts';
import type { Steps } from '../simulated/steps.ts';
import { admit } from './admission.ts';
import { direntOf, dirOf, treeDirOf } from './directory.ts';
import type { Face } from './faces.ts';
import { type Ground, RM_SYSCALL } from './name-operations.ts';
import { encoded, optionsOf } from './options.ts';
import { fsError } from './system-error.ts';
import { told } from './told.ts';

/** Whether promises list a tree by what was found last, as seen on Node 20.20, 22.23 and 24.21; 26.12 goes by levels, as all others do. */
const PROMISES_GO_BACK = Number.parseInt(process.versions.node, 10) < 26;

/** A name below a directory. */
interface Below extends Entry {
  /** The directory that it is in. */
  readonly parent: string;
}

export class TreeOperations {
  readonly #paths: PathCalls;
  readonly #ground: Ground;

  constructor(ground: Ground) {
    this.#paths = ground.paths;
    this.#ground = ground;
  }

  *readdir(face: Face, path: unknown, options?: unknown): Steps<(string | Buffer)[] | Dirent[]> {
    const [at] = admit('readdirSync', [path, options]);
    const { recursive, withFileTypes } = optionsOf(options);
    if (recursive !== true) {
      const entries = yield* this.#paths.scandir(at!);
      return withFileTypes
        ? entries.map((entry) => direntOf(entry, parentOf(path, at!), options))
        : entries.map(({ name }) => encoded(name, options));
    }
    // With names alone, Node asks what each is, and links are what they lead to.
    const levels = yield* this.#all(at!, !withFileTypes);
    // The disk is looked at in one order, or histories would differ between versions.
    const found = face === 'promise' && PROMISES_GO_BACK ? lastFirst(at!, levels) : levels;
    return withFileTypes
      ? found.map((entry) => direntOf(entry, entry.parent, options))
      : found.map(({ parent, name }) => encoded(posix.relative(at!, posix.join(parent, name)), options));
  }

  *opendir(path: unknown, options?: unknown): Steps<Dir> {
    const [at] = admit('opendirSync', [path, options]);
    const entries = yield* this.#paths.scandir(at!, 'opendir');
    const { clock } = this.#paths.disk;
    const dir = dirOf(clock, () => this.#ground.files.turn(), entries, parentOf(path, at!), options);
    if (optionsOf(options).recursive !== true) return dir;
    const found = yield* this.#all(at!, false);
    return treeDirOf(
      dir,
      found.map((entry) => direntOf(entry, entry.parent, options)),
    );
  }

  /** Everything below a directory, by levels. */
  *#all(path: string, follow: boolean): Steps<readonly Below[]> {
    const found: Below[] = [];
    const directories = [path];
    for (const parent of directories) {
      for (const entry of yield* this.#paths.scandir(parent)) {
        found.push({ ...entry, parent });
        const next = posix.join(parent, entry.name);
        if (follow ? yield* this.#isDirectory(next) : entry.kind === 'directory') directories.push(next);
      }
    }
    return found;
  }

  *#isDirectory(path: string): Steps<boolean> {
    try {
      return (yield* this.#paths.stat(path, true)).kind === 'directory';
    } catch {
      return false;
    }
  }

  *rmdir(path: unknown, options?: unknown): Steps<void> {
    const [at] = admit('rmdirSync', [path, options]);
    if (optionsOf(options).recursive !== true) {
      yield* this.#paths.rmdir(at!);
      return;
    }
    const { kind } = yield* told(this.#paths.stat(at!, false), { syscall: 'rmdir' });
    if (kind === 'directory') yield* this.#removeTree(at!);
    else yield* this.#paths.rmdir(at!);
  }

  *rm(face: Face, path: unknown, options?: unknown): Steps<void> {
    const [at] = admit('rmSync', [path, options]);
    const { force, recursive } = optionsOf(options);
    try {
      const goesOn = face === 'sync' && force === true && recursive === true;
      const kind = yield* this.#kindToRemove(at!, goesOn);
      if (kind !== 'directory') yield* this.#paths.unlink(at!);
      else if (recursive === true) yield* this.#removeTree(at!, face !== 'sync');
      else throw fsError('ERR_FS_EISDIR', 'EISDIR', 'rm', at!, 'is a directory');
    } catch (error) {
      if (force !== true || codeOf(error) !== 'ENOENT') throw error;
    }
  }

  /** @param goesOn - Whether what cannot be looked at is to be removed all the same, as synchronous calls that are told to force it do. */
  *#kindToRemove(path: string, goesOn: boolean): Steps<Entry['kind'] | undefined> {
    try {
      return (yield* told(this.#paths.stat(path, false), { syscall: RM_SYSCALL })).kind;
    } catch (error) {
      if (!goesOn || codeOf(error) === 'ENOENT') throw error;
      return undefined;
    }
  }

  /**
   * As Node does it: a directory is looked into when it is found to be full, and what is gone by then is as it should be.
   *
   * @param mayBeLink - A link with a slash behind it looks like a directory and is none: where Node waits, it lets it be, and says nothing.
   */
  *#removeTree(path: string, mayBeLink = false): Steps<void> {
    try {
      yield* this.#paths.rmdir(path);
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' || (mayBeLink && code === 'ENOTDIR')) return;
      if (code !== 'ENOTEMPTY') throw error;
    }
    // Paths are put together as they are: to go up from what has been removed is to be nowhere.
    for (const { name } of yield* this.#paths.scandir(path))
      yield* unlessGone(this.#removeWhole(`${path}/${name}`, mayBeLink));
    yield* unlessGone(this.#paths.rmdir(path));
  }

  *#removeWhole(path: string, mayBeLink: boolean): Steps<void> {
    const { kind } = yield* this.#paths.stat(path, false);
    if (kind === 'directory') yield* this.#removeTree(path, mayBeLink);
    else yield* this.#paths.unlink(path);
  }
}

/** What is below a directory, when the directory that was found last is listed next. */
function lastFirst(path: string, found: readonly Below[]): readonly Below[] {
  const below = new Map<string, Below[]>();
  for (const one of found) {
    const beside = below.get(one.parent);
    if (beside === undefined) below.set(one.parent, [one]);
    else beside.push(one);
  }
  const left = [path];
  const all: Below[] = [];
  for (let parent = left.pop(); parent !== undefined; parent = left.pop()) {
    const entries = below.get(parent) ?? [];
    all.push(...entries);
    left.push(...entries.map(({ name }) => posix.join(parent!, name)));
  }
  return all;
}

function* unlessGone(removal: Steps<unknown>): Steps<void> {
  try {
    yield* removal;
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}

/** What Node says where a name is: bytes, where it was asked by bytes. */
function parentOf(path: unknown, text: string): string | Uint8Array {
  return path instanceof Uint8Array ? path : text;
}
