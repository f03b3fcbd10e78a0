/** The files of a simulated disk, shaped like `node:fs`. */
import type * as NodeFs from 'node:fs';
import type * as NodePromises from 'node:fs/promises';
import { promisify } from 'node:util';
import { AioContext } from '../../common/context/aio-context.ts';
import type { AioFile } from '../../common/file/aio-file-type.ts';
import { descriptorHandle } from '../../common/file/descriptor-handle.ts';
import { makeFile } from '../../common/file/made-file.ts';
import type { AioKernel } from '../../common/kernel/aio-kernel.ts';
import type { Disk } from '../simulated/disk.ts';
import { promised, type Steps } from '../simulated/steps.ts';
import type { VirtualClock } from '../simulated/virtual-clock.ts';
import { ask, NO_FD, NOWHERE, realFs } from './admission.ts';
import { ContentOperations } from './content-operations.ts';
import { CopyOperations } from './copy-operations.ts';
import { DescriptorOperations, readArguments } from './descriptor-operations.ts';
import { disposable, disposableNow, openingBlobs } from './extras.ts';
import { type Call, calling, type Face, promising, synchronous } from './faces.ts';
import { GLOB_THROWS, GlobOperations, HAS_GLOB } from './glob.ts';
import { type Ground, NameOperations, STAT_SAYS_NOTHING_THERE } from './name-operations.ts';
import { flagsOf } from './options.ts';
import { asPromise, withCallback } from './stat-options.ts';
import { StatWatching } from './stat-watching.ts';
import { streamsOver } from './streams.ts';
import { TreeOperations } from './tree-operations.ts';
import { Watching } from './watching.ts';

/** What of `node:fs` there is no simulation of. */
type Absent = 'mkdtempDisposableSync' | 'promises';

/** Of macOS alone. */
const HAS_LCHMOD = 'O_SYMLINK' in realFs.constants;

/** `node:fs/promises`, over a simulated disk. */
export type SimulatedPromises = Omit<typeof NodePromises, 'open' | 'mkdtempDisposable'> & {
  /** As there. What it opens is an AioFile. */
  open(path: NodeFs.PathLike, flags?: string | number, mode?: NodeFs.Mode): Promise<AioFile>;
};

/** What has a callback, and without one a promise. */
type Either = Exclude<keyof SimulatedPromises & keyof typeof NodeFs, 'constants' | 'glob' | 'watch' | Absent>;

/**
 * `node:fs`, over a simulated disk.
 *
 * @remarks Paths begin at the root, with or without a slash, on every host. Arguments are judged by Node's own code, and errors are
 * those that Linux and Node give. There is one user, who may do everything that root may. Methods can be taken off the object.
 * Where Node asks for a callback and `promises` has the method too, a call without one answers by a promise.
 *
 * *Blocking*: synchronous calls make the virtual time pass that they take, and with it whatever else is due.
 */
export type SimulatedFileSystem = Omit<typeof NodeFs, Absent> &
  Pick<SimulatedPromises, Either> & {
    /** As `fs.promises`. */
    readonly promises: SimulatedPromises;
  };

/** What the file system is made over. */
export interface FileSystemParts extends Ground {
  readonly kernel: AioKernel;
}

type Calls = Readonly<Record<string, Call>>;

type Arity = readonly [least: number, most?: number, spread?: Call['spread']];

/** A call of the operation that an object has under that name. @param face - What it is given first, if it asks for it. */
function callOf(owner: object, name: string, [least, most = least, spread]: Arity, ...face: Face[]): Call {
  const method = (owner as Readonly<Record<string, Call['operation']>>)[name]!;
  const operation = method.bind(owner, ...(face as never[]));
  return { operation, arity: [least, most], ...(spread === undefined ? {} : { spread }) };
}

/** The calls of an object, by what they take. */
function callsOf<Name extends string>(
  owner: object,
  table: Readonly<Record<Name, Arity>>,
  ...face: Face[]
): Record<Name, Call> {
  const calls = Object.entries<Arity>(table).map(([name, arity]) => [
    name,
    callOf(owner, name, arity, ...face),
  ]);
  return Object.fromEntries(calls) as Record<Name, Call>;
}

export function simulatedFs(parts: FileSystemParts): SimulatedFileSystem {
  const { clock } = parts.paths.disk;
  const names = new NameOperations(parts);
  const contents = new ContentOperations(parts);
  const trees = new TreeOperations(parts);
  const copies = new CopyOperations(parts, names, contents);
  const descriptors = new DescriptorOperations(parts);

  /** By path: all three faces have them. */
  const common: Calls = {
    ...callsOf(names, {
      access: [1, 2],
      chmod: [2],
      chown: [3],
      lchown: [3],
      link: [2],
      lutimes: [3],
      mkdtemp: [1, 2],
      readlink: [1, 2],
      rename: [2],
      statfs: [1, 2],
      symlink: [2, 3],
      unlink: [1],
      utimes: [3],
    }),
    ...(HAS_LCHMOD ? callsOf(names, { lchmod: [2] }) : {}),
    ...callsOf(trees, { opendir: [1, 2], rmdir: [1, 2] }),
  };
  const { stat, lstat, realpath } = callsOf(names, { stat: [1, 2], lstat: [1, 2], realpath: [1, 2] });
  const exists = callOf(names, 'exists', [1]);
  const realpathByNode = callOf(names, 'realpathByNode', [1, 2]);

  /** What differs a little from face to face. */
  const facedOf = (face: Face): Calls => ({
    ...callsOf(names, { mkdir: [1, 2] }, face),
    ...callsOf(trees, { readdir: [1, 2], rm: [1, 2] }, face),
    ...callsOf(
      contents,
      { appendFile: [2, 3], copyFile: [2, 3], readFile: [1, 2], truncate: [1, 2], writeFile: [2, 3] },
      face,
    ),
  });

  /** By descriptor: callbacks and synchronous calls have them, and FileHandles have their own. */
  const byDescriptor: Calls = {
    ...callsOf(descriptors, {
      close: [1],
      fchmod: [2],
      fchown: [3],
      fdatasync: [1],
      fstat: [1, 2],
      fsync: [1],
      ftruncate: [1, 2],
      futimes: [3],
      readv: [2, 3, withSecond],
      write: [2, 5, withSecond],
      writev: [2, 3, withSecond],
    }),
    open: callOf(names, 'open', [1, 3]),
  };
  const read = callOf(descriptors, 'read', [1, 5]);

  const sync: Calls = {
    ...common,
    ...facedOf('sync'),
    ...byDescriptor,
    read,
    exists,
    lstat: callOf(names, 'lstatIfThere', [1, 2]),
    stat: callOf(names, 'statIfThere', [1, 2]),
    cp: callOf(copies, 'cpNow', [2, 3]),
    realpath: realpathByNode,
  };
  const callbacks: Calls = {
    ...common,
    ...facedOf('callback'),
    // It hands over its nothing.
    cp: callOf(copies, 'cp', [2, 3, (_value, _args, error) => (error === null ? [undefined] : [])]),
    ...byDescriptor,
    fstat: withCallback('fstat', byDescriptor.fstat!),
    lstat: withCallback('lstat', lstat),
    realpath: realpathByNode,
    stat: withCallback(
      'stat',
      STAT_SAYS_NOTHING_THERE.callback
        ? callOf(names, 'statIfThere', [1, 2, (value, _args, error) => (error === null ? [value] : [])])
        : stat,
    ),
  };

  const fs: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(sync))
    fs[`${name}Sync`] = named(`${name}Sync`, synchronous(clock, one));
  for (const [name, one] of Object.entries(callbacks)) fs[name] = named(name, calling(name, one));
  const closeNow = fs.close as (...args: unknown[]) => void;
  // Alone of all, it needs no callback.
  fs.close = named('close', (fd: unknown, callback: unknown = throwing) => closeNow(fd, callback));
  fs.read = named('read', readingWith(read));
  fs.exists = named('exists', existing(calling('exists', exists)));
  for (const name of ['read', 'write', 'readv', 'writev']) promisifyPair(fs, name);
  (fs.realpath as Record<string, unknown>).native = named('native', calling('realpath', realpath));
  (fs.realpathSync as Record<string, unknown>).native = named('native', synchronous(clock, realpath));

  const { constants, Stats, Dirent, Dir } = realFs;
  const { F_OK, R_OK, W_OK, X_OK } = constants;
  const streams = streamsOver(() => fs);
  Object.assign(fs, { constants, Stats, Dirent, Dir, ...streams, F_OK, R_OK, W_OK, X_OK });
  Object.assign(fs, { FileReadStream: streams.ReadStream, FileWriteStream: streams.WriteStream });
  fs.promises = promisesOf(parts, names, {
    ...common,
    ...facedOf('promise'),
    cp: callOf(copies, 'cp', [2, 3]),
    lstat: asPromise(lstat),
    realpath,
    stat: asPromise(STAT_SAYS_NOTHING_THERE.promise ? callOf(names, 'statIfThere', [1, 2]) : stat),
  });
  addOthers(fs, parts.paths.disk);
  if (HAS_GLOB) addGlob(fs, clock, callOf(new GlobOperations(parts.paths), 'glob', [1, 2]));
  promiseWithoutCallback(fs, fs.promises as Record<string, unknown>, callbacks);
  return fs as unknown as SimulatedFileSystem;
}

/** A call that has no callback answers by a promise, where there is one: programs that take an `fs` want either. */
function promiseWithoutCallback(
  fs: Record<string, unknown>,
  promises: Record<string, unknown>,
  calls: Calls,
): void {
  for (const [name, { arity }] of Object.entries(calls)) {
    const promising = promises[name] as ((...args: unknown[]) => Promise<unknown>) | undefined;
    if (promising === undefined) continue;
    const calling = fs[name] as (...args: unknown[]) => void;
    const most = arity[1];
    // Something else where the callback belongs is a mistake, as it is to Node.
    const either = (...args: unknown[]): unknown =>
      args.length > most || args.some((value) => typeof value === 'function')
        ? calling(...args)
        : promising(...args);
    fs[name] = Object.assign(named(name, either), calling);
  }
}

/** What is made over the other calls, as far as this version of Node has it. */
function addOthers(fs: Record<string, unknown>, disk: Disk): void {
  const { watch, events } = new Watching(disk);
  const { watchFile, unwatchFile } = new StatWatching(disk);
  const promises = fs.promises as Record<string, unknown>;
  const over = fs as unknown as Parameters<typeof disposable>[0];
  Object.assign(fs, { watch, watchFile, unwatchFile });
  promises.watch = named('watch', events);
  fs.openAsBlob = named('openAsBlob', openingBlobs(disk, over));
  if ('mkdtempDisposableSync' in realFs)
    fs.mkdtempDisposableSync = named('mkdtempDisposableSync', disposableNow(over));
  if ('mkdtempDisposable' in realFs.promises)
    promises.mkdtempDisposable = named('mkdtempDisposable', disposable(over));
}

/** Its third face gives one after another. */
function addGlob(fs: Record<string, unknown>, clock: VirtualClock, call: Call): void {
  const found = promising(call) as (...args: unknown[]) => Promise<unknown[]>;
  fs.globSync = named('globSync', synchronous(clock, call));
  fs.glob = named('glob', calling('glob', GLOB_THROWS ? call : later(call)));
  (fs.promises as Record<string, unknown>).glob = named('glob', async function* (...args: unknown[]) {
    yield* await found(...args);
  });
}

/** A call that gives its callback also what is wrong with its arguments. */
function later({ operation, arity }: Call): Call {
  function* begun(...args: never[]): Steps<unknown> {
    yield { promise: Promise.resolve() };
    return yield* operation(...args);
  }
  return { operation: begun, arity };
}

function promisesOf(parts: FileSystemParts, names: NameOperations, calls: Calls): SimulatedPromises {
  const promises: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(calls)) promises[name] = named(name, promising(one));
  for (const name of ['readFile', 'writeFile', 'appendFile']) {
    const byPath = promises[name] as (...args: unknown[]) => Promise<unknown>;
    promises[name] = named(name, async (file: unknown, ...args: unknown[]) =>
      isFile(file) ? file[name]!(...args) : byPath(file, ...args),
    );
  }
  promises.constants = realFs.constants;
  let context: AioContext | undefined;
  promises.open = named('open', async (...args: unknown[]) => {
    const [path, flags, mode] = args;
    const fd = await promised(names.open(path, flags, mode));
    context ??= new AioContext({ kernel: parts.kernel });
    const number = flagsOf(flags);
    const { O_APPEND, O_DIRECT = 0, O_RDWR, O_WRONLY } = realFs.constants;
    const direct = (number & O_DIRECT) !== 0;
    return makeFile(
      descriptorHandle(fd, parts.kernel.files!.calls),
      { context, unaligned: 'error' },
      {
        direct,
        reason: direct ? 'the flags say O_DIRECT' : 'not asked for',
        hostCursor: false,
        appends: (number & O_APPEND) !== 0,
        writes: (number & (O_WRONLY | O_RDWR)) !== 0,
        autoClose: true,
        isOwn: false,
      },
    );
  });
  // On most hosts there is none, and Node says so.
  const lchmod = (): Promise<void> => realFs.promises.lchmod(NOWHERE, 0);
  if (!HAS_LCHMOD) promises.lchmod = lchmod;
  return promises as unknown as SimulatedPromises;
}

type FileMethods = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>;

function isFile(value: unknown): value is FileMethods {
  return typeof value === 'object' && value !== null && 'fd' in value && 'readFile' in value;
}

function withSecond(value: unknown, args: readonly unknown[]): unknown[] {
  return [value ?? 0, args[1]];
}

function throwing(error: unknown): void {
  if (error !== null) throw error;
}

/** Its arguments take more forms than those of others. */
function readingWith({ operation }: Call): (...args: unknown[]) => void {
  return (fd, ...all) => {
    const at = all.findIndex((value) => typeof value === 'function');
    // With a length and no place, what comes after is no callback to Node.
    if (at === 3 && all.length === 4) ask('access', [NOWHERE, 0, undefined]);
    const { buffer, offset, length, position } = readArguments(at === -1 ? all : all.slice(0, at), false);
    // To the synchronous call it would be options.
    if (typeof offset === 'object' && offset !== null) ask('readSync', [NO_FD, buffer, { offset }]);
    calling('read', {
      operation,
      arity: [5, 5],
      spread: (value) => [value ?? 0, buffer],
    })(fd, buffer, offset ?? 0, length, position, at === -1 ? undefined : all[at]);
  };
}

/** It says yes or no, and has no errors to tell of. */
function existing(callback: (...args: unknown[]) => void) {
  const exists = (path: unknown, done?: unknown): void =>
    callback(path, typeof done === 'function' ? (_: unknown, found: unknown) => done(found === true) : done);
  Object.defineProperty(exists, promisify.custom, {
    value: (path: unknown) => new Promise((resolve) => exists(path, resolve)),
  });
  return exists;
}

/** What callbacks get as two values, `util.promisify()` makes an object of. */
function promisifyPair(fs: Record<string, unknown>, name: string): void {
  const method = fs[name] as (...args: unknown[]) => void;
  const count = name.startsWith('read') ? 'bytesRead' : 'bytesWritten';
  const what = name.endsWith('v') ? 'buffers' : 'buffer';
  Object.defineProperty(method, promisify.custom, {
    value: (...args: unknown[]) =>
      new Promise((resolve, reject) => {
        method(...args, (error: unknown, value: unknown, buffer: unknown) =>
          error === null ? resolve({ [count]: value, [what]: buffer }) : reject(error),
        );
      }),
  });
}

function named<T extends object>(name: string, method: T): T {
  return Object.defineProperty(method, 'name', { value: name, configurable: true });
}
