/** `io_submit` on a thread of its own, by the addon. */
import type { Address, AioContextId, SubmitThread } from '../common/kernel/aio-kernel.ts';
import type { Addon, SubmitThreadHandle } from './addon.ts';

/** @see SubmitThread */
export class AddonSubmitThread implements SubmitThread {
  readonly #addon: Addon;
  readonly #handle: SubmitThreadHandle;
  #closed: Promise<void> | undefined;

  /** @throws Error if there is no thread to be had. */
  constructor(addon: Addon, ctx_id: AioContextId) {
    this.#addon = addon;
    this.#handle = addon.submitThreadOpen(ctx_id);
  }

  io_submit(nr: number, iocbpp: Address): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(new Error('the submit thread is closed'));
    return new Promise((resolve) => this.#addon.submitThreadSubmit(this.#handle, nr, iocbpp, resolve));
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => this.#addon.submitThreadClose(this.#handle, () => resolve()));
    return this.#closed;
  }
}
