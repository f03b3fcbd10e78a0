/** Watching descriptors by libuv's own functions, through `node:ffi`: on the main thread, where there is no addon. */
import { errnoException } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';
import { loadFirstLibc, type PollHandle } from './ffi.ts';
import type { DynamicLibrary, NodeFfi } from './node-ffi-module.ts';

// `uv.h` of libuv 1: its ABI, which the name of the type is compared for.
const UV_POLL = 8;
const UV_READABLE = 1;

interface Uv {
  readonly init: (...words: readonly Word[]) => unknown;
  readonly start: (...words: readonly Word[]) => unknown;
  readonly stop: (handle: bigint) => unknown;
  readonly close: (handle: bigint, callback: bigint) => unknown;
  readonly ref: (handle: bigint) => unknown;
  readonly unref: (handle: bigint) => unknown;
  readonly bytes: bigint;
}

export class UvPolls {
  readonly #node: NodeFfi;
  readonly #library: DynamicLibrary;
  readonly #uv: Uv;
  readonly #calloc: (...words: readonly Word[]) => unknown;
  readonly #free: (handle: bigint) => unknown;
  /** Held, because the functions of a library that is collected are none any more. */
  readonly #libc: DynamicLibrary;
  readonly #open = new Set<PollHandle>();

  /** @throws Error where this Node.js does not export libuv, or another one than is known here. */
  constructor(node: NodeFfi) {
    this.#node = node;
    this.#library = new node.DynamicLibrary(null);
    const bind = (name: string, result: string, ...parameters: string[]) =>
      this.#library.getFunction(name, { arguments: parameters, return: result });
    const typeName = bind('uv_handle_type_name', 'pointer', 'int32')(UV_POLL) as bigint;
    if (node.toString(typeName) !== 'poll') throw new Error('the libuv in this Node.js is an unknown one');
    this.#uv = {
      init: bind('uv_poll_init', 'int32', 'pointer', 'pointer', 'int32'),
      start: bind('uv_poll_start', 'int32', 'pointer', 'int32', 'pointer'),
      stop: bind('uv_poll_stop', 'int32', 'pointer'),
      close: bind('uv_close', 'void', 'pointer', 'pointer'),
      ref: bind('uv_ref', 'void', 'pointer'),
      unref: bind('uv_unref', 'void', 'pointer'),
      bytes: bind('uv_handle_size', 'uint64', 'int32')(UV_POLL) as bigint,
    };
    this.#libc = loadFirstLibc((name) => new node.DynamicLibrary(name));
    this.#calloc = this.#libc.getFunction('calloc', { arguments: ['int64', 'int64'], return: 'pointer' });
    this.#free = this.#libc.getFunction('free', { arguments: ['pointer'], return: 'void' });
    // What libuv could still call while Node.js is taken down would be gone by then.
    process.on('exit', () => {
      for (const handle of this.#open) handle.close();
    });
  }

  /** What libuv calls when it is done with the handle takes that alone, as `free` does. */
  #close(handle: bigint): void {
    this.#uv.close(handle, this.#libc.getSymbol('free'));
  }

  /** @throws Error with `code`, `errno` and `syscall` where libuv refuses. */
  open(fd: number, callback: () => void): PollHandle {
    const uv = this.#uv;
    // C's memory: libuv keeps its address, and JavaScript's would be gone at some exits before libuv is.
    const handle = this.#calloc(1, uv.bytes) as bigint;
    if (handle === 0n) throw new Error('there is no memory for a handle');
    const answer = uv.init(this.#node.getCurrentEventLoop(), handle, fd) as number;
    if (answer < 0) {
      // What was refused is in no list of libuv's.
      this.#free(handle);
      throw errnoException(answer, 'uv_poll_init');
    }
    let pointer: bigint;
    try {
      pointer = this.#library.registerCallback(
        { arguments: ['pointer', 'int32', 'int32'], return: 'void' },
        () => callback(),
      );
    } catch (error) {
      this.#close(handle);
      throw error;
    }
    const started = uv.start(handle, UV_READABLE, pointer) as number;
    if (started < 0) {
      this.#library.unregisterCallback(pointer);
      this.#close(handle);
      throw errnoException(started, 'uv_poll_start');
    }
    const opened = this.#open;
    let closed = false;
    const poll: PollHandle = {
      ref: () => void uv.ref(handle),
      unref: () => void uv.unref(handle),
      close: () => {
        if (closed) return;
        closed = true;
        opened.delete(poll);
        uv.stop(handle);
        this.#library.unregisterCallback(pointer);
        this.#close(handle);
      },
    };
    opened.add(poll);
    return poll;
  }
}
