/**
 * The only importer of koffi, loaded on first use and never at import time.
 *
 * Everything that leaves this file is typed; koffi's own types are loose, and stay in here.
 */
import { createRequire } from 'node:module';
import { ERRNO } from '../common/abi/errno.ts';
import { AioStateError } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { loadFromNear } from './installed.ts';
import { koffiRefusal } from './refusals.ts';

/** What this file uses of koffi. */
interface Koffi {
  readonly version: string;
  load(path: string): KoffiLibrary;
  address(value: ArrayBufferView | ArrayBuffer): bigint;
  view(address: bigint, bytes: number): ArrayBuffer;
  errno(): number;
  errno(value: number): number;
  readonly node: { poll(fd: number, events: { readable: true }, callback: () => void): PollHandle };
}

interface KoffiLibrary {
  func(name: string, result: string, parameters: readonly string[]): KoffiFunction;
}

interface KoffiFunction {
  (...words: readonly Word[]): number;
  async(...wordsAndCallback: readonly (Word | ((error: unknown, result: number) => void))[]): void;
}

/** A descriptor watched by the event loop. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

/** glibc, then musl: by its own name, and by the one Alpine installs. */
const LIBC_NAMES = ['libc.so.6', 'libc.so', `ld-musl-${muslArchitecture()}.so.1`];

function muslArchitecture(): string {
  const names: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    arm64: 'aarch64',
    ia32: 'i386',
    arm: 'armhf',
    ppc64: 'powerpc64le',
    loong64: 'loongarch64',
  };
  return names[process.arch] ?? process.arch;
}

/** The C library, called through registers: every argument is one machine word. */
export interface Libc {
  readonly koffiVersion: string;
  /** Bytes of a machine word. */
  readonly wordBytes: 4 | 8;
  /** `syscall(2)`. @returns `>= 0` or a negative errno. */
  syscall(number: number, a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word): number;
  /**
   * The same on a thread of libuv's pool.
   *
   * @throws What koffi throws when it has 256 such calls already; nothing is called then.
   */
  syscallAsync(number: number, words: readonly Word[], callback: (answer: number) => void): void;
  /**
   * fallocate(2) on a thread of libuv's pool. Places have 64 bits on every machine.
   *
   * @throws As {@link syscallAsync}.
   */
  fallocateAsync(
    fd: number,
    mode: number,
    offset: number,
    len: number,
    callback: (answer: number) => void,
  ): void;
  /**
   * A function of libc by name.
   *
   * @param result - `'int'` and `'long'` answers of -1 become negative errnos; `'address'` answers of -1 too, and the others have no sign.
   */
  bind(
    name: string,
    result: 'int' | 'long' | 'address',
    parameters: number,
  ): (...words: readonly Word[]) => number;
  /** lseek(2). Places have 64 bits on every machine. @returns The place, or a negative errno. */
  lseek(fd: number, offset: number, whence: number): number;
  addressOf(view: ArrayBufferView | ArrayBuffer): number;
  /** Wraps foreign memory. Only for the kernel's own ring. Throws where the runtime forbids it (Electron). */
  view(address: number, bytes: number): ArrayBuffer;
  poll(fd: number, callback: () => void): PollHandle;
}

const MAX_WORDS = 6;
const WORD_BYTES = process.arch === 'ia32' || process.arch === 'arm' ? 4 : 8;
let loaded: Libc | undefined;

function loadLibrary(koffi: Koffi): KoffiLibrary {
  const failures: unknown[] = [];
  for (const name of LIBC_NAMES) {
    try {
      return koffi.load(name);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no C library could be loaded: tried ${LIBC_NAMES.join(', ')}`);
}

/** @throws AioStateError where koffi would end the process; what `require('koffi')` throws. */
function loadKoffi(): Koffi {
  const refusal = koffiRefusal();
  if (refusal !== undefined) throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', refusal.reason);
  return loadFromNear((place) => createRequire(place)('koffi') as Koffi);
}

/** A function of places in files. On machines of 32 bits, glibc's has places of 32 unless its name says 64; musl's never has. */
function bindPlaces(library: KoffiLibrary, name: string, ...signature: [string, string[]]): KoffiFunction {
  if (WORD_BYTES === 4) {
    try {
      return library.func(`${name}64`, ...signature);
    } catch {
      // musl.
    }
  }
  return library.func(name, ...signature);
}

/** What a register of 32 bits takes of a word, as C would cut it. */
function cut(word: Word): number {
  if (typeof word === 'bigint') return Number(BigInt.asIntN(32, word));
  return word | 0;
}

/** Wide words go as they are; koffi reads numbers and bigints alike. */
function fitting(call: KoffiFunction): (...words: readonly Word[]) => number {
  return WORD_BYTES === 8 ? call : (...words) => call(...words.map(cut));
}

/**
 * Loads koffi and the C library.
 *
 * @throws What `require('koffi')` throws (`code` `MODULE_NOT_FOUND` without the package), an AggregateError
 * when no C library loads, or AioStateError `ERR_AIO_BACKEND_UNAVAILABLE` where it must not be tried.
 */
export function loadLibc(): Libc {
  if (loaded !== undefined) return loaded;
  const koffi = loadKoffi();
  const library = loadLibrary(koffi);
  const words = (count: number): string[] => Array<string>(count).fill(WORD_BYTES === 8 ? 'int64' : 'int32');
  const syscallByWords = library.func('syscall', 'long', ['long', ...words(MAX_WORDS)]);
  const syscall = fitting(syscallByWords);
  const answer = (result: number): number => (result === -1 ? -koffi.errno() : result);
  // koffi keeps errno per thread and hands the worker's over with the result. It has an error for results that it cannot convert.
  const answering =
    (callback: (answer: number) => void) =>
    (error: unknown, result: number): void =>
      callback(error ? -ERRNO.EIO : answer(result));
  let fallocate: KoffiFunction | undefined;
  const lseek = bindPlaces(library, 'lseek', 'int64', ['int', 'int64', 'int']);

  loaded = {
    koffiVersion: koffi.version,
    wordBytes: WORD_BYTES,
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) => answer(syscall(number, a, b, c, d, e, f)),
    syscallAsync: (number, given, callback) => {
      const padded = [...given, ...Array<Word>(MAX_WORDS - given.length).fill(0)];
      syscallByWords.async(number, ...(WORD_BYTES === 8 ? padded : padded.map(cut)), answering(callback));
    },
    fallocateAsync: (fd, mode, offset, len, callback) => {
      fallocate ??= bindPlaces(library, 'fallocate', 'int', ['int', 'int', 'int64', 'int64']);
      fallocate.async(fd, mode, offset, len, answering(callback));
    },
    bind: (name, result, parameters) => {
      const bound = fitting(library.func(name, result === 'int' ? 'int' : 'long', words(parameters)));
      if (result !== 'address' || WORD_BYTES === 8) return (...given) => answer(bound(...given));
      return (...given) => {
        const address = bound(...given);
        return address === -1 ? -koffi.errno() : address >>> 0;
      };
    },
    lseek: (fd, offset, whence) => answer(lseek(fd, offset, whence)),
    addressOf: (view) => Number(koffi.address(view)),
    view: (address, bytes) => koffi.view(BigInt(address), bytes),
    poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback),
  };
  return loaded;
}
