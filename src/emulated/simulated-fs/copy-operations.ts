/** `cp` of `node:fs`: files, links and whole trees, by its rules. */
import { posix } from 'node:path';
import { codeOf } from '../../common/errors.ts';
import type { Inode } from '../simulated/inode.ts';
import type { PathCalls } from '../simulated/path-calls.ts';
import { PERMISSIONS } from '../simulated/stats.ts';
import type { Steps } from '../simulated/steps.ts';
import { admit } from './admission.ts';
import type { ContentOperations } from './content-operations.ts';
import type { Ground, NameOperations } from './name-operations.ts';
import { optionsOf } from './options.ts';
import { fsError } from './system-error.ts';

/** Whether directories have the times of what they are copies of, as seen on Node 26.12; 20.20, 22.23 and 24.21 leave them. */
const TIMES_OF_DIRECTORIES = Number.parseInt(process.versions.node, 10) >= 26;

/** The options of `cp`, with what they are by default. */
interface CopyOptions {
  readonly dereference: boolean;
  readonly errorOnExist: boolean;
  readonly filter: ((source: string, target: string) => unknown) | undefined;
  readonly force: boolean;
  readonly mode: number;
  readonly preserveTimestamps: boolean;
  readonly recursive: boolean;
  readonly verbatimSymlinks: boolean;
}

const DIRECTORY_MODE = 0o777;
const ROOT = '/';
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
/** Before Node 24 a link is not copied onto one that leads to the same place or below it, wherever that is; since, only where it is a directory. */
const ASKS_WHERE_LINKS_LEAD = NODE_MAJOR >= 24;
/** A directory that is there already is an error with `errorOnExist` and without `force`: since Node 22, for synchronous calls since 26. */
const REFUSES_DIRECTORIES = { waiting: NODE_MAJOR >= 22, synchronous: NODE_MAJOR >= 26 } as const;
const { dirname, isAbsolute, join, resolve } = posix;

export class CopyOperations {
  readonly #paths: PathCalls;
  readonly #names: NameOperations;
  readonly #contents: ContentOperations;

  constructor({ paths }: Ground, names: NameOperations, contents: ContentOperations) {
    this.#paths = paths;
    this.#names = names;
    this.#contents = contents;
  }

  /** The filter may answer with a promise. */
  cp(...args: [source: unknown, target: unknown, options?: unknown]): Steps<void> {
    return this.#begin(true, ...args);
  }

  /** The filter has to answer at once. */
  cpNow(...args: [source: unknown, target: unknown, options?: unknown]): Steps<void> {
    return this.#begin(false, ...args);
  }

  *#begin(waits: boolean, source: unknown, target: unknown, given?: unknown): Steps<void> {
    // The filter is the program's own code: it is not for Node to call.
    const { filter, ...rest } = optionsOf(given);
    const judged =
      given === undefined ? undefined : { ...rest, ...(typeof filter === 'function' ? {} : { filter }) };
    const [from, to] = admit(
      'cpSync',
      [source, target, typeof given === 'object' && given !== null && !Array.isArray(given) ? judged : given],
      [0, 1],
    );
    const options = { force: true, mode: 0, ...optionsOf(given) } as unknown as CopyOptions;
    if (!(yield* this.#passes(waits, from!, to!, options))) return;
    const there = yield* this.#judge(from!, to!, options);
    yield* this.#judgeParents(from!, to!, options);
    const above = dirname(to!);
    if (!(yield* this.#isThere(above)))
      yield* this.#names.mkdirs(waits ? 'promise' : 'sync', above, DIRECTORY_MODE);
    yield* this.#copy(waits, from!, to!, there, options);
  }

  *#copy(
    waits: boolean,
    from: string,
    to: string,
    target: Inode | undefined,
    options: CopyOptions,
  ): Steps<void> {
    const source = yield* this.#paths.stat(from, options.dereference === true);
    switch (source.kind) {
      case 'directory':
        if (options.recursive !== true)
          throw fsError(
            'ERR_FS_EISDIR',
            'EISDIR',
            'cp',
            from,
            `Recursive option not enabled, cannot copy a directory: ${from}`,
          );
        if (target === undefined) yield* this.#paths.mkdir(to, DIRECTORY_MODE);
        else if (options.force !== true && options.errorOnExist === true) {
          const refuses = waits ? REFUSES_DIRECTORIES.waiting : REFUSES_DIRECTORIES.synchronous;
          if (refuses) throw alreadyThere(to);
        }
        for (const { name } of yield* this.#paths.scandir(from)) {
          const [below, other] = [join(from, name), join(to, name)];
          if (!(yield* this.#passes(waits, below, other, options))) continue;
          const there = yield* this.#judge(below, other, options);
          yield* this.#copy(waits, below, other, there, options);
        }
        if (target === undefined) yield* this.#chmod(to, source);
        if (TIMES_OF_DIRECTORIES) yield* this.#times(to, source, options);
        return;
      case 'link':
        yield* this.#link(waits, source, from, to, target, options);
        return;
      case 'file':
        if (target !== undefined) {
          if (options.force !== true) {
            if (options.errorOnExist !== true) return;
            throw alreadyThere(to);
          }
          yield* this.#paths.unlink(to);
        }
        yield* this.#contents.copy(from, to, options.mode);
        yield* this.#times(to, source, options);
        yield* this.#chmod(to, source);
    }
  }

  *#link(
    waits: boolean,
    { target: said }: Inode,
    from: string,
    to: string,
    there: Inode | undefined,
    { verbatimSymlinks }: CopyOptions,
  ): Steps<void> {
    yield* this.#paths.readlink(from);
    const leads = verbatimSymlinks === true || isAbsolute(said) ? said : resolve(ROOT, dirname(from), said);
    if (there?.kind === 'link') {
      yield* this.#paths.readlink(to);
      const led = isAbsolute(there.target) ? there.target : resolve(ROOT, dirname(to), there.target);
      // Looked at in any case, so that a history is the same under all versions.
      const leadsToDirectory = yield* this.#isThere(from, 'directory');
      const mayRefuse = !ASKS_WHERE_LINKS_LEAD || leadsToDirectory;
      if (mayRefuse && isBelow(leads, led)) {
        const why = `cannot copy ${leads} to a subdirectory of self ${led}`;
        throw fsError('ERR_FS_CP_EINVAL', 'EINVAL', 'cp', to, why);
      }
      // Node looks where the source leads when it can wait, and else where the target does: what leads nowhere is an error there.
      const { kind } = yield* this.#paths.stat(waits ? from : to, true);
      if (kind === 'directory' && isBelow(led, leads)) {
        const why = `cannot overwrite ${led} with ${leads}`;
        throw fsError('ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY', 'EINVAL', 'cp', to, why);
      }
      yield* this.#paths.unlink(to);
    }
    yield* this.#paths.symlink(leads, to);
  }

  /** @returns What is at the target. @throws What says that one can't be copied to the other. */
  *#judge(from: string, to: string, options: CopyOptions): Steps<Inode | undefined> {
    const source = yield* this.#paths.stat(from, options.dereference === true);
    const target = yield* this.#found(to, options);
    const isDirectory = source.kind === 'directory';
    if (target === source)
      throw fsError('ERR_FS_CP_EINVAL', 'EINVAL', 'cp', to, 'src and dest cannot be the same');
    if (target !== undefined && isDirectory && target.kind !== 'directory') {
      const why = `cannot overwrite non-directory ${to} with directory ${from}`;
      throw fsError('ERR_FS_CP_DIR_TO_NON_DIR', 'EISDIR', 'cp', to, why);
    }
    if (target !== undefined && !isDirectory && target.kind === 'directory') {
      const why = `cannot overwrite directory ${to} with non-directory ${from}`;
      throw fsError('ERR_FS_CP_NON_DIR_TO_DIR', 'ENOTDIR', 'cp', to, why);
    }
    if (isDirectory && isBelow(from, to)) throw subdirectoryOfSelf(from, to);
    return target;
  }

  /** Looks for what is copied among the directories above the target, by whatever name, as far as those are there. Only once. */
  *#judgeParents(from: string, to: string, { dereference }: CopyOptions): Steps<void> {
    const source = yield* this.#paths.stat(from, dereference === true);
    // What a path that goes up is in, is what it goes up from.
    const parent = resolve(ROOT, dirname(from));
    let above = resolve(ROOT, dirname(to));
    for (; above !== '/' && above !== parent; above = dirname(above)) {
      try {
        if ((yield* this.#paths.stat(above, true)) === source) throw subdirectoryOfSelf(from, to);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
        return;
      }
    }
  }

  *#found(path: string, { dereference }: CopyOptions): Steps<Inode | undefined> {
    try {
      return yield* this.#paths.stat(path, dereference === true);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      return undefined;
    }
  }

  *#passes(waits: boolean, from: string, to: string, { filter }: CopyOptions): Steps<boolean> {
    if (filter === undefined) return true;
    let answer = filter(from, to);
    if (waits) {
      yield {
        promise: Promise.resolve(answer).then((value) => {
          answer = value;
        }),
      };
    } else if (answer instanceof Promise) {
      throw Object.assign(new TypeError('Expected boolean to be returned from the "filter" function'), {
        code: 'ERR_INVALID_RETURN_VALUE',
      });
    }
    return Boolean(answer);
  }

  *#isThere(path: string, kind?: Inode['kind']): Steps<boolean> {
    try {
      const found = yield* this.#paths.stat(path, true);
      return kind === undefined || found.kind === kind;
    } catch {
      return false;
    }
  }

  *#times(path: string, { attributes }: Inode, { preserveTimestamps }: CopyOptions): Steps<void> {
    if (preserveTimestamps !== true) return;
    const { atimeNs, mtimeNs } = attributes;
    yield* this.#paths.setAttributes('utime', path, true, { atimeNs, mtimeNs });
  }

  *#chmod(path: string, { attributes }: Inode): Steps<void> {
    yield* this.#paths.setAttributes('chmod', path, true, { mode: attributes.mode & PERMISSIONS });
  }
}

function alreadyThere(to: string): Error {
  return fsError('ERR_FS_CP_EEXIST', 'EEXIST', 'cp', to, `${to} already exists`);
}

function subdirectoryOfSelf(from: string, to: string): Error {
  const why = `cannot copy ${from} to a subdirectory of self ${to}`;
  return fsError('ERR_FS_CP_EINVAL', 'EINVAL', 'cp', to, why);
}

/** Whether a path is one above another, as it is written. */
function isBelow(above: string, path: string): boolean {
  const names = resolve(ROOT, above).split('/').filter(Boolean);
  const others = resolve(ROOT, path).split('/').filter(Boolean);
  return names.every((name, index) => others[index] === name);
}
