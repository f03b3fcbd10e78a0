/**
 * The only importer of koffi, loaded on first use and never at import time.
 *
 * Everything that leaves this file is typed; koffi's own types are loose, and stay in here.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { type Ffi, loadFirstLibc, type PollHandle } from './ffi.ts';
import { loadFromNear, versionOf } from './installed.ts';

/** What this file uses of koffi. */
interface Koffi {
  readonly version: string;
  load(path: string): KoffiLibrary;
  address(value: ArrayBufferView | ArrayBuffer): bigint;
  view(address: bigint, bytes: number): ArrayBuffer;
  errno(): number;
  readonly node: { poll(fd: number, events: { readable: true }, callback: () => void): PollHandle };
}

interface KoffiLibrary {
  func(name: string, result: string, parameters: readonly string[]): KoffiFunction;
}

interface KoffiFunction {
  (...words: readonly Word[]): number;
  async(...wordsAndCallback: readonly (Word | ((error: unknown, result: number) => void))[]): void;
}

const SYSCALL_WORDS = 6;
const WORD_BYTES = process.arch === 'ia32' || process.arch === 'arm' ? 4 : 8;

const words = (count: number): string[] => Array<string>(count).fill(WORD_BYTES === 8 ? 'int64' : 'int32');

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
  return WORD_BYTES === 8 ? call : (...given) => call(...given.map(cut));
}

/** The version of koffi that would be loaded, without loading it. @returns `undefined` where there is none. */
export function installedKoffi(): string | undefined {
  try {
    return versionOf(dirname(loadFromNear((place) => createRequire(place).resolve('koffi'))));
  } catch {
    // Whoever loads it says what is wrong.
    return undefined;
  }
}

/** @throws What `require('koffi')` throws (`MODULE_NOT_FOUND` without the package); AggregateError when no C library loads. */
export function openKoffi(): Ffi {
  const koffi = loadFromNear((place) => createRequire(place)('koffi') as Koffi);
  const library = loadFirstLibc((name) => koffi.load(name));
  const answer = (result: number): number => (result === -1 ? -koffi.errno() : result);
  // koffi keeps errno per thread and hands the worker's over with the result. It has an error for results that it cannot convert.
  const answering =
    (callback: (answer: number) => void) =>
    (error: unknown, result: number): void =>
      callback(error ? -ERRNO.EIO : answer(result));
  let syscall: KoffiFunction | undefined;
  let fallocate: KoffiFunction | undefined;
  let lseek: KoffiFunction | undefined;
  return {
    name: 'koffi',
    version: koffi.version,
    wordBytes: WORD_BYTES,
    bind: (name, result, parameters) => {
      const bound = fitting(library.func(name, result === 'int' ? 'int' : 'long', words(parameters)));
      if (result !== 'address' || WORD_BYTES === 8) return (...given) => answer(bound(...given));
      return (...given) => {
        const address = bound(...given);
        return address === -1 ? -koffi.errno() : address >>> 0;
      };
    },
    lseek: (fd, offset, whence) => {
      lseek ??= bindPlaces(library, 'lseek', 'int64', ['int', 'int64', 'int']);
      return answer(lseek(fd, offset, whence));
    },
    addressOf: (view) => Number(koffi.address(view)),
    view: (address, bytes) => koffi.view(BigInt(address), bytes),
    poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback),
    aside: {
      syscall: (number, given, callback) => {
        syscall ??= library.func('syscall', 'long', words(1 + SYSCALL_WORDS));
        const padded = [...given, ...Array<Word>(SYSCALL_WORDS - given.length).fill(0)];
        syscall.async(number, ...(WORD_BYTES === 8 ? padded : padded.map(cut)), answering(callback));
      },
      fallocate: (fd, mode, offset, len, callback) => {
        fallocate ??= bindPlaces(library, 'fallocate', 'int', ['int', 'int', 'int64', 'int64']);
        fallocate.async(fd, mode, offset, len, answering(callback));
      },
    },
  };
}
