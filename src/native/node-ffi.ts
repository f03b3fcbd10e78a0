/**
 * Node's own `node:ffi`, in versions that have it switched on: then no package is needed.
 *
 * It has no errno, no calls on other threads and no watched descriptors. errno is read through a view of this thread's own cell, with
 * nothing in between that could call anything; descriptors are watched by libuv, whose functions Node.js exports; other threads are the
 * addon's. Nothing here hands an address of JavaScript's memory to anything that keeps it.
 */
import { ERRNO } from '../common/abi/errno.ts';
import { AioStateError } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { workerThreads } from '../common/lazy-builtins.ts';
import { type Ffi, type FfiFunction, type FfiResult, loadFirstLibc } from './ffi.ts';
import { type DynamicLibrary, loadNodeFfi } from './node-ffi-module.ts';
import { UvPolls } from './uv-poll.ts';

const WORD_BITS = 64;
const ERRNO_BYTES = 4;
const SAMPLE = 0x6b61696f;

/** C would cut; node:ffi refuses. */
function toWord(word: Word): Word {
  if (typeof word === 'bigint') return BigInt.asIntN(WORD_BITS, word);
  if (Number.isSafeInteger(word)) return word;
  return Number.isFinite(word) ? BigInt.asIntN(WORD_BITS, BigInt(Math.trunc(word))) : 0;
}

/** The functions of a library. Each symbol has one signature in an open library, so each signature has a library of its own. */
class Library {
  readonly #open: () => DynamicLibrary;
  readonly #bySignature = new Map<string, DynamicLibrary>();

  constructor(open: () => DynamicLibrary) {
    this.#open = open;
  }

  bind(name: string, result: string, parameters: number): (...words: readonly Word[]) => number | bigint {
    const key = `${result}${parameters}`;
    let library = this.#bySignature.get(key);
    if (library === undefined) {
      library = this.#open();
      // Kept for ever: closing it makes its functions invalid.
      this.#bySignature.set(key, library);
    }
    return library.getFunction(name, { arguments: Array<string>(parameters).fill('int64'), return: result });
  }
}

/** glibc's name, then musl's, which glibc lacks. */
function errnoAt(library: Library): bigint {
  try {
    return library.bind('__errno_location', 'pointer', 0)() as bigint;
  } catch {
    return library.bind('___errno_location', 'pointer', 0)() as bigint;
  }
}

const RESULTS: Readonly<Record<FfiResult, string>> = {
  int: 'int32',
  count: 'int32',
  long: 'int64',
  address: 'int64',
};

function binder(library: Library, errno: Int32Array): Ffi['bind'] {
  return (name, result, parameters) => {
    const bound = library.bind(name, RESULTS[result], parameters);
    if (result === 'long' || result === 'address') {
      return (...given) => {
        const answer = bound(...given.map(toWord)) as bigint;
        return answer === -1n ? -errno[0]! : Number(answer);
      };
    }
    return (...given) => {
      for (let index = 0; index < given.length; index++) (given as Word[])[index] = toWord(given[index]!);
      const answer = bound(...given) as number;
      return answer === -1 ? -errno[0]! : answer;
    };
  };
}

/** What an experiment may have changed ends in a reason, and in nothing that is called with the wrong registers. */
function faultOf(ffi: Ffi): string | undefined {
  if (ffi.bind('getpid', 'int', 0)() !== process.pid) return 'getpid(2) answers something else';
  const close: FfiFunction = ffi.bind('close', 'int', 1);
  if (close(-1) !== -ERRNO.EBADF) return 'errno cannot be read';
  if (ffi.bind('lseek', 'long', 3)(-1, 0, 0) !== -ERRNO.EBADF) return 'errno of long results cannot be read';
  const sample = new Uint32Array([0, SAMPLE]);
  const at = ffi.addressOf(sample.subarray(1));
  if (at !== ffi.addressOf(sample) + Uint32Array.BYTES_PER_ELEMENT) return 'addresses are wrong';
  if (new Uint32Array(ffi.view(at, Uint32Array.BYTES_PER_ELEMENT))[0] !== SAMPLE) return 'views are wrong';
  return undefined;
}

/**
 * @throws AioStateError `ERR_AIO_BACKEND_UNAVAILABLE` where there is none, or one that does not do what is expected of it; Error
 * `ERR_ACCESS_DENIED` where the permission model forbids it (`--allow-ffi`).
 */
export function openNodeFfi(): Ffi {
  const node = loadNodeFfi();
  const name = loadFirstLibc((path) => {
    new node.DynamicLibrary(path);
    return path;
  });
  const library = new Library(() => new node.DynamicLibrary(name));
  // The cell lives as long as this thread, and so longer than everything that runs in it.
  const errno = new Int32Array(node.toArrayBuffer(errnoAt(library), ERRNO_BYTES, false));
  let polls: UvPolls | undefined;
  const bind = binder(library, errno);
  const ffi: Ffi = {
    name: 'node:ffi',
    version: process.version,
    wordBytes: 8,
    bind,
    lseek: bind('lseek', 'long', 3),
    addressOf: (view) => Number(node.getRawPointer(view)),
    view: (address, bytes) => node.toArrayBuffer(BigInt(address), bytes, false),
    poll: (fd, callback) => {
      if (!workerThreads().isMainThread) throw new Error('node:ffi watches on the main thread only');
      polls ??= new UvPolls(node);
      return polls.open(fd, callback);
    },
  };
  const fault = faultOf(ffi);
  if (fault !== undefined)
    throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', `node:ffi of ${process.version}: ${fault}`);
  return ffi;
}
