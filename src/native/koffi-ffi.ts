/**
 * The only importer of koffi, loaded on first use and never at import time.
 *
 * Everything that leaves this file is typed; koffi's own types are loose, and stay in here.
 */
import { createRequire } from 'node:module';
import { ERRNO } from '../common/abi/errno.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { type Ffi, loadFirstLibc, type PollHandle } from './ffi.ts';
import { loadFromNear } from './installed.ts';

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

const words = (count: number): string[] => Array<string>(count).fill('int64');

/** On machines of 32 bits, glibc's has places of 32; musl's never has. */
function bindFallocate(library: KoffiLibrary): KoffiFunction {
  const parameters = ['int', 'int', 'int64', 'int64'];
  if (process.arch === 'ia32' || process.arch === 'arm') {
    try {
      return library.func('fallocate64', 'int', parameters);
    } catch {
      // musl.
    }
  }
  return library.func('fallocate', 'int', parameters);
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
  return {
    name: 'koffi',
    version: koffi.version,
    bind: (name, result, parameters) => {
      const bound = library.func(name, result === 'count' ? 'long' : result, words(parameters));
      return (...given) => answer(bound(...given));
    },
    addressOf: (view) => Number(koffi.address(view)),
    view: (address, bytes) => koffi.view(BigInt(address), bytes),
    poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback),
    aside: {
      syscall: (number, given, callback) => {
        syscall ??= library.func('syscall', 'long', ['long', ...words(SYSCALL_WORDS)]);
        const padded = [...given, ...Array<Word>(SYSCALL_WORDS - given.length).fill(0)];
        syscall.async(number, ...padded, answering(callback));
      },
      fallocate: (fd, mode, offset, len, callback) => {
        fallocate ??= bindFallocate(library);
        fallocate.async(fd, mode, offset, len, answering(callback));
      },
    },
  };
}
