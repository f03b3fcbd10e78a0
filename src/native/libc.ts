/** The C library through whichever foreign function interface there is: chosen once, on first use and never at import time. */
import { AioStateError, codeOf } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { environmentVariable } from '../common/runtime.ts';
import { loadAddon } from './addon.ts';
import type { Ffi, FfiAside, FfiFunction, FfiResult, PollHandle } from './ffi.ts';
import { openKoffi } from './koffi-ffi.ts';
import { openNodeFfi } from './node-ffi.ts';
import { koffiRefusal } from './refusals.ts';
import { loadingRefusal } from './trial.ts';

/** The C library, called through registers: every argument is one machine word. */
export interface Libc {
  /** For people: the foreign function interface and its version. */
  readonly ffi: { readonly name: Ffi['name']; readonly version: string };
  /** Bytes of a machine word. */
  readonly wordBytes: 4 | 8;
  /** `syscall(2)`, of those that answer numbers below 2^31. @returns `>= 0` or a negative errno. */
  syscall(number: number, a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word): number;
  /** The calls on other threads; `undefined` where there is neither koffi nor the addon. */
  readonly aside: FfiAside | undefined;
  /** A function of libc by name. Answers below 0 are negative errnos. */
  bind(name: string, result: FfiResult, parameters: number): FfiFunction;
  /** lseek(2). Places have 64 bits on every machine. @returns The place, or a negative errno. */
  lseek(fd: number, offset: number, whence: number): number;
  addressOf(view: ArrayBufferView | ArrayBuffer): number;
  /** Wraps foreign memory. Only for the kernel's own ring. Throws where the runtime forbids it (Electron). */
  view(address: number, bytes: number): ArrayBuffer;
  poll(fd: number, callback: () => void): PollHandle;
}

/** `fallocate`, on machines whose registers hold a place. Source: each architecture's `uapi/asm/unistd.h`. */
const FALLOCATE: Readonly<Record<string, number>> = {
  x64: 285,
  arm64: 47,
  riscv64: 47,
  loong64: 47,
  ppc64: 309,
  s390x: 314,
};

const SYSCALL_WORDS = 7;
const CHOICES = ['auto', 'koffi', 'node'];
let loaded: Libc | undefined;

/** koffi first: its calls take 0.15 us where those of node:ffi take 0.5 (Node.js 26.12, koffi 3.3.4). */
function openFfi(): Ffi {
  const refusal = loadingRefusal();
  if (refusal !== undefined) throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', refusal.reason);
  const choice = environmentVariable('KAIO_FFI') || 'auto';
  if (!CHOICES.includes(choice))
    throw new AioStateError(
      'ERR_AIO_BACKEND_UNAVAILABLE',
      `KAIO_FFI asks for '${choice}': there is ${CHOICES.join(', ')}`,
    );
  if (choice === 'node') return openNodeFfi();
  try {
    const missing = koffiRefusal();
    if (missing !== undefined) throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', missing.reason);
    return openKoffi();
  } catch (error) {
    if (choice === 'koffi') throw error;
    try {
      return openNodeFfi();
    } catch (other) {
      // What people can cure: a flag of the permission model where there is no package, else the package.
      const forbidden = codeOf(other) === 'ERR_ACCESS_DENIED' && codeOf(error) === 'MODULE_NOT_FOUND';
      throw forbidden ? other : error;
    }
  }
}

/** The addon's, where the interface has none. */
function addonAside(): FfiAside | undefined {
  const { addon } = loadAddon();
  const fallocate = FALLOCATE[process.arch];
  if (addon === undefined || fallocate === undefined) return undefined;
  const syscall: FfiAside['syscall'] = (number, words, callback) =>
    addon.syscallAside(number, ...padded(words), callback);
  return {
    syscall,
    fallocate: (fd, mode, offset, len, callback) => syscall(fallocate, [fd, mode, offset, len], callback),
  };
}

type SixWords = readonly [Word, Word, Word, Word, Word, Word];

function padded(words: readonly Word[]): SixWords {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
  return [a, b, c, d, e, f];
}

/**
 * Loads a foreign function interface and the C library.
 *
 * `KAIO_FFI=koffi` or `KAIO_FFI=node` asks for one of them; else it is koffi, or `node:ffi` where koffi cannot be loaded.
 *
 * @throws What koffi throws when it is required (`code` `MODULE_NOT_FOUND` without the package), an AggregateError
 * when no C library loads, or AioStateError `ERR_AIO_BACKEND_UNAVAILABLE` where it must not be tried.
 */
export function loadLibc(): Libc {
  if (loaded !== undefined) return loaded;
  const ffi = openFfi();
  const syscall = ffi.bind('syscall', 'count', SYSCALL_WORDS);
  loaded = {
    ffi,
    aside: ffi.aside ?? addonAside(),
    syscall: (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) => syscall(number, a, b, c, d, e, f),
    wordBytes: ffi.wordBytes,
    bind: ffi.bind,
    lseek: ffi.lseek,
    addressOf: ffi.addressOf,
    view: ffi.view,
    poll: ffi.poll,
  };
  return loaded;
}
