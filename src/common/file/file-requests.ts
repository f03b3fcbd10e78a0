/** One request after the other of a file, by the kernel or by the thread pool. */
import { RWF_NOWAIT } from '../abi/constants.ts';
import type { AioContext } from '../context/aio-context.ts';
import { AbortError } from '../errors.ts';
import type { DescriptorCalls } from '../kernel/kernel-files.ts';
import { refuseUnstable } from '../validate.ts';
import { hostCalls } from './descriptor-handle.ts';
import { bytesOf } from './file-arguments.ts';
import { type Answer, FileTransfer, type NowaitReads, type TransferFile } from './file-transfer.ts';
import type { Routing, ThreadPoolReason } from './routing.ts';

export class FileRequests {
  readonly context: AioContext;
  readonly file: TransferFile;
  /** Past the kernel's AIO: the thread pool, or a kernel's own files. */
  readonly calls: DescriptorCalls;
  readonly #routing: Routing;

  constructor(context: AioContext, file: TransferFile, routing: Routing) {
    this.context = context;
    this.file = file;
    this.calls = context.kernel.files?.calls ?? hostCalls;
    this.#routing = routing;
  }

  /** One request for all of it. Preconditions: the device takes it. */
  transfer<T>(
    name: 'read' | 'write',
    bytes: Uint8Array,
    memory: ArrayBufferLike,
    position: number,
    signal: AbortSignal | undefined,
    answer: Answer<T>,
    buffer: unknown,
    nowait?: NowaitReads,
  ): Promise<T> {
    const context = this.context;
    const { byteLength } = bytes;
    const transfer = new FileTransfer(
      name,
      this.file,
      bytes,
      byteLength === 0 ? 0 : context.kernel.memory.addressOf(memory) + bytes.byteOffset,
      byteLength,
      position,
      nowait === undefined ? 0 : RWF_NOWAIT,
      answer,
      buffer,
      nowait,
    );
    context.begin(transfer, signal);
    // It ends in a later turn at the earliest.
    this.file.activity.begin();
    return transfer.promise;
  }

  /** The same for ourselves. @throws What the calls of a file throws: the memory may have gone while somebody else's turn was waited for. */
  whole(name: 'read' | 'write', bytes: Uint8Array, position: number, signal?: AbortSignal): Promise<number> {
    throwIfAborted(signal);
    const { buffer: memory } = bytes;
    refuseUnstable('buffer', memory, bytes.byteLength);
    return this.transfer(name, bytes, memory, position, signal, countAlone, bytes);
  }

  /** Waits for what takes more than one request of the kernel's, which is under way from the call on. */
  async answered<T>(count: Promise<number>, answer: Answer<T>, buffer: unknown): Promise<T> {
    const { activity } = this.file;
    activity.begin();
    try {
      return answer(await count, buffer as never);
    } finally {
      activity.end();
    }
  }

  async readFromPool(bytes: Uint8Array, position: number | null, reason?: ThreadPoolReason): Promise<number> {
    this.#routing.count('read', reason);
    return (await this.calls.read(this.file.fd, bytes, 0, bytes.byteLength, position)).bytesRead;
  }

  async readvFromPool(
    views: readonly NodeJS.ArrayBufferView[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('read', reason);
    return (await this.calls.readv(this.file.fd, views, position ?? undefined)).bytesRead;
  }

  async writeToPool(
    bytes: Uint8Array,
    position: number | null,
    reason?: 'position of the descriptor',
  ): Promise<number> {
    this.#routing.count('write', reason);
    return (await this.calls.write(this.file.fd, bytes, 0, bytes.byteLength, position)).bytesWritten;
  }

  async writevToPool(
    views: readonly NodeJS.ArrayBufferView[],
    position: number | null,
    reason?: ThreadPoolReason,
  ): Promise<number> {
    this.#routing.count('write', reason);
    return (await this.calls.writev(this.file.fd, views, position ?? undefined)).bytesWritten;
  }

  /** Views one after the other, ending at the first short transfer. */
  async inTurn(
    views: readonly NodeJS.ArrayBufferView[],
    position: number,
    move: (bytes: Uint8Array, position: number) => Promise<number>,
  ): Promise<number> {
    let done = 0;
    for (const view of views) {
      if (view.byteLength === 0) continue;
      const moved = await move(bytesOf(view), position + done);
      done += moved;
      if (moved < view.byteLength) break;
    }
    return done;
  }
}

/** The {@link Answer} of those who want the count. */
export function countAlone(count: number): number {
  return count;
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}
