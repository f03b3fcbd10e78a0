/** A completion ring that cannot be seen. */
import { ERRNO } from '../abi/errno.ts';
import { IO_EVENT_BYTES } from '../abi/layout.ts';
import { dataView, decodeIoEvent } from '../abi/structs.ts';
import { errnoException } from '../errors.ts';
import type { AioContextId, AioKernel } from './aio-kernel.ts';
import type { AioRing } from './mapped-ring.ts';

/** The reader's side where the ring can't be seen: a system call. */
export class CalledRing implements AioRing {
  readonly #kernel: AioKernel;
  readonly #ctx: AioContextId;
  readonly #events: DataView;
  readonly #eventsAt: number;
  readonly #room: number;

  constructor(kernel: AioKernel, ctx: AioContextId, room: number) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#room = room;
    this.#events = dataView(new ArrayBuffer(room * IO_EVENT_BYTES));
    this.#eventsAt = kernel.memory.addressOf(this.#events);
  }

  get ready(): number {
    return 0;
  }

  reap(max: number, sink: Parameters<AioRing['reap']>[1]): number {
    let got: number;
    do {
      got = this.#kernel.io_getevents(this.#ctx, 0, Math.min(max, this.#room), this.#eventsAt, 0);
      // Nobody would look again: the eventfd has been read.
    } while (got === -ERRNO.EINTR);
    if (got < 0) throw errnoException(got, 'io_getevents');
    // Decoded before the first sink runs: a sink that submits may reap into the same memory.
    const events = Array.from({ length: got }, (_, index) =>
      decodeIoEvent(this.#events, index * IO_EVENT_BYTES),
    );
    for (const { data, res } of events) {
      sink(Number(data & 0xffffffffn), Number(data >> 32n), Number(res));
    }
    return got;
  }

  detach(): void {}
}
