/** What the native kernel needs of a foreign function interface. Each provider of it is a file of its own, and the only one to load it. */
import type { Word } from '../common/kernel/aio-kernel.ts';

/**
 * What a function of the C library answers. `'count'` is for what is a `long` in C and never above 2^31: no provider has to allocate for
 * it between the call and the reading of errno. An `'address'` has no sign, but for the -1 of an error.
 */
export type FfiResult = 'int' | 'count' | 'long' | 'address';

/** Answers below 0 are negative errnos. */
export type FfiFunction = (...words: readonly Word[]) => number;

/** A descriptor watched by the event loop. */
export interface PollHandle {
  ref(): void;
  unref(): void;
  close(): void;
}

export interface Ffi {
  readonly name: 'koffi' | 'node:ffi';
  readonly version: string;
  /** Bytes of a machine word. */
  readonly wordBytes: 4 | 8;
  /** A function of the C library. Every argument is one machine word. @throws Where there is none of that name. */
  bind(name: string, result: FfiResult, parameters: number): FfiFunction;
  /** lseek(2). Places have 64 bits on every machine. */
  lseek(fd: number, offset: number, whence: number): number;
  /** Stays true as long as the memory is neither detached nor collected, which is the caller's to see to. */
  addressOf(view: ArrayBufferView | ArrayBuffer): number;
  /** Wraps foreign memory. @throws Where the runtime forbids it (Electron). */
  view(address: number, bytes: number): ArrayBuffer;
  /** On the main thread. @throws Where the event loop refuses. */
  poll(fd: number, callback: () => void): PollHandle;
  /** The calls on threads of libuv's pool; absent where it has none. */
  readonly aside?: FfiAside;
}

/** Each throws where there are too many already: nothing is called then. */
export interface FfiAside {
  /** syscall(2), of six words. */
  syscall(number: number, words: readonly Word[], callback: (answer: number) => void): void;
  /** fallocate(2). Places have 64 bits on every machine. */
  fallocate(fd: number, mode: number, offset: number, len: number, callback: (answer: number) => void): void;
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

/** The first C library that loads. @throws AggregateError where none does. */
export function loadFirstLibc<T>(load: (name: string) => T): T {
  const failures: unknown[] = [];
  for (const name of LIBC_NAMES) {
    try {
      return load(name);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no C library could be loaded: tried ${LIBC_NAMES.join(', ')}`);
}
