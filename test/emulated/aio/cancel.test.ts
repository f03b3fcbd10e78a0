import { describe, expect, it } from 'vitest';
import { dataView, decodeIoEvent } from '../../../src/common/abi/structs.ts';
import type { FileOperations, FileRequest } from '../../../src/emulated/index.ts';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const EINTR = -4;
const EAGAIN = -11;
const EFAULT = -14;
const EINVAL = -22;
const EINPROGRESS = -115;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A context, and a file whose reads wait as it is told. */
function setting(profile: 'linux-6.x' | 'linux-2.6.20', operations: FileOperations) {
  const u = user({ profile });
  const ctx = u.setup(8);
  const fd = u.kernel.install(operations);
  const target = u.keep(new Uint8Array(8));
  const iocb = (data = 0) =>
    u.iocb({
      aio_lio_opcode: PREAD,
      aio_data: data,
      aio_fildes: fd,
      aio_buf: u.addressOf(target),
      aio_nbytes: 8,
    });
  const bytes = u.keep(new Uint8Array(32));
  const result = u.addressOf(bytes);
  return { ...u, ctx, fd, target, iocb, result, event: () => decodeIoEvent(dataView(bytes)) };
}

describe('io_cancel in linux-6.x', () => {
  it('knows no request that was never submitted, and none with another key', () => {
    const { kernel, ctx, iocb, submit, memory } = setting('linux-6.x', {
      read: () => 'retry',
      cancel: () => true,
    });
    const address = iocb();
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
    submit(ctx, address);
    memory.write(address + 8, Uint8Array.of(1));
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
    memory.write(address + 8, Uint8Array.of(0));
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
  });

  it('does not reach a request of the host that is queued', () => {
    const u = user();
    const file = temporaryFile('x');
    const ctx = u.setup();
    const address = u.iocb({
      aio_lio_opcode: PREAD,
      aio_fildes: file.fd,
      aio_buf: u.addressOf(new Uint8Array(1)),
      aio_nbytes: 1,
    });
    u.submit(ctx, address);
    expect(u.kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
    expect(u.results(ctx)).toEqual([1]);
    file.remove();
  });

  it('ends a request between its runs with EINTR, and its method is not called again', async () => {
    let runs = 0;
    const asked: FileRequest[] = [];
    const { kernel, ctx, iocb, submit, results } = setting('linux-6.x', {
      read(request) {
        runs++;
        asked.push(request);
        return 'retry';
      },
      cancel: () => undefined,
    });
    const [waiting, kicked] = [iocb(), iocb()];
    submit(ctx, waiting, kicked);
    asked[1]!.kick();
    expect(kernel.io_cancel(ctx, waiting, 0)).toBe(EINPROGRESS);
    expect(kernel.io_cancel(ctx, kicked, 0)).toBe(EINPROGRESS);
    expect(kernel.io_cancel(ctx, waiting, 0)).toBe(EINVAL);
    for (const request of asked) request.kick();
    await turn();
    expect(results(ctx)).toEqual([EINTR, EINTR]);
    expect(runs).toBe(2);
  });

  it('ends a request whose answer is awaited, and drops the answer', async () => {
    let answer: ((count: number) => void) | undefined;
    const { kernel, ctx, iocb, submit, results, target } = setting('linux-6.x', {
      read: ({ bytes }) =>
        new Promise((resolve) => {
          bytes.fill(1);
          answer = resolve;
        }),
      cancel: () => true,
    });
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
    expect(results(ctx)).toEqual([EINTR]);
    answer!(8);
    await turn();
    expect(results(ctx)).toEqual([]);
    expect([...target]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('lets the file say what the request came to', () => {
    const { kernel, ctx, iocb, submit, results, target } = setting('linux-6.x', {
      read({ bytes }) {
        bytes.fill(7);
        return undefined;
      },
      cancel(request) {
        request.complete(3);
        return true;
      },
    });
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
    expect(results(ctx)).toEqual([3]);
    expect([...target]).toEqual([7, 7, 7, 0, 0, 0, 0, 0]);
  });

  it('is refused by a file that does not let go: EAGAIN, and the request goes on', () => {
    let asked: FileRequest | undefined;
    const { kernel, ctx, iocb, submit, results } = setting('linux-6.x', {
      read(request) {
        asked = request;
        return undefined;
      },
      cancel: () => false,
    });
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EAGAIN);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EAGAIN);
    asked!.complete(5);
    expect(results(ctx)).toEqual([5]);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
  });

  it('reaches a request that kicked itself in its run, and so does io_destroy', () => {
    let runs = 0;
    const { kernel, ctx, iocb, submit, results } = setting('linux-6.x', {
      read(request) {
        runs++;
        request.kick();
        return 'retry';
      },
      cancel: () => true,
    });
    const [one, other] = [iocb(), iocb()];
    submit(ctx, one, other);
    expect(kernel.io_cancel(ctx, one, 0)).toBe(EINPROGRESS);
    expect(runs).toBe(2);
    expect(kernel.io_destroy(ctx)).toBe(0);
    expect(runs).toBe(2);
    expect(() => results(ctx)).toThrow();
  });

  it('does not reach a file without a cancel method', () => {
    const { kernel, ctx, iocb, submit } = setting('linux-6.x', { read: () => 'retry' });
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINVAL);
    expect(kernel.io_destroy(ctx)).toBe(0);
  });

  it('during a run takes what the run answers, or ends it', async () => {
    let address = 0;
    let later = false;
    const { kernel, ctx, iocb, submit, results } = setting('linux-6.x', {
      read(request) {
        if (request.position === 0) request.advance(1);
        return later ? undefined : 'retry';
      },
      cancel: () => true,
      write: () => 1,
    });
    address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
    later = true;
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0)).toBe(EINPROGRESS);
    await turn();
    expect(results(ctx)).toEqual([EINTR, EINTR]);
  });
});

describe('io_cancel in linux-2.6.20', () => {
  it('writes the event to result and puts none into the ring, and the slot is free again', async () => {
    const { kernel, ctx, iocb, submit, results, result, event } = setting('linux-2.6.20', {
      read: () => 'retry',
      cancel: () => true,
    });
    for (let i = 0; i < 300; i++) {
      const address = iocb(i);
      expect(submit(ctx, address)).toBe(1);
      expect(kernel.io_cancel(ctx, address, result)).toBe(0);
      expect(event()).toEqual({ data: BigInt(i), obj: BigInt(address), res: BigInt(EINTR), res2: 0n });
    }
    await turn();
    expect(results(ctx)).toEqual([]);
  });

  it('finds the newest of several', () => {
    const { kernel, ctx, iocb, submit, result, event, memory } = setting('linux-2.6.20', {
      read: () => undefined,
      cancel: () => true,
    });
    const address = iocb();
    for (const data of [1, 2, 3]) {
      memory.write(address, Uint8Array.of(data));
      submit(ctx, address);
    }
    for (const data of [3n, 2n, 1n]) {
      expect(kernel.io_cancel(ctx, address, result)).toBe(0);
      expect(event().data).toBe(data);
    }
    expect(kernel.io_cancel(ctx, address, result)).toBe(EINVAL);
  });

  it('answers EFAULT for a result that cannot be written, and the request is cancelled all the same', () => {
    const { kernel, ctx, iocb, submit, results } = setting('linux-2.6.20', {
      read: () => 'retry',
      cancel: () => true,
    });
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, 0x1000)).toBe(EFAULT);
    expect(kernel.io_cancel(ctx, address, 0x1000)).toBe(EINVAL);
    expect(results(ctx)).toEqual([]);
  });
});

describe('a cancel that is refused in linux-2.6.20', () => {
  const refusing = (read: FileOperations['read']) => {
    const asked: FileRequest[] = [];
    let refuses = true;
    const s = setting('linux-2.6.20', {
      read(request) {
        asked.push(request);
        return read!(request);
      },
      cancel: () => !refuses,
    });
    const allow = (): void => {
      refuses = false;
    };
    return { ...s, asked, allow };
  };

  it('leaves the mark: the request is served to its end, and has no event', () => {
    const { kernel, ctx, iocb, submit, results, result, asked, target } = refusing(() => undefined);
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EAGAIN);
    expect(asked[0]!.isOver).toBe(false);
    asked[0]!.bytes.fill(7);
    asked[0]!.complete(8);
    expect([...target]).toEqual([7, 7, 7, 7, 7, 7, 7, 7]);
    expect(results(ctx)).toEqual([]);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EINVAL);
  });

  it('leaves the mark: a kick ends the request, and its method is not called again', () => {
    const { kernel, ctx, iocb, submit, results, result, asked } = refusing(() => 'retry');
    const address = iocb();
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EAGAIN);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EAGAIN);
    asked[0]!.kick();
    // io_submit drains.
    submit(ctx, iocb());
    expect(asked[0]!.isOver).toBe(true);
    expect([asked.length, results(ctx)]).toEqual([2, []]);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EINVAL);
  });

  it('gives the slot back, and may succeed the next time', () => {
    const { kernel, ctx, iocb, submit, result, asked, allow, event } = refusing(() => undefined);
    const address = iocb(5);
    let accepted = 0;
    while (submit(ctx, address) === 1) accepted++;
    expect(kernel.io_cancel(ctx, address, result)).toBe(EAGAIN);
    expect(submit(ctx, address)).toBe(EAGAIN);
    asked[accepted - 1]!.complete(1);
    expect(submit(ctx, address)).toBe(1);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EAGAIN);
    allow();
    expect(kernel.io_cancel(ctx, address, result)).toBe(0);
    expect(event()).toEqual({ data: 5n, obj: BigInt(address), res: BigInt(EINTR), res2: 0n });
  });
});

describe('lookup_kiocb in linux-2.6.20', () => {
  it('finds the newest of that iocb, and only then asks whether it can be cancelled', () => {
    const { kernel, ctx, iocb, submit, result, results, memory } = setting('linux-2.6.20', {
      read: () => undefined,
      cancel: () => true,
    });
    let plain: FileRequest | undefined;
    const other = kernel.install({
      read(request) {
        plain = request;
        return undefined;
      },
    });
    const address = iocb();
    submit(ctx, address);
    memory.write(address + 20, new Uint8Array(Uint32Array.of(other).buffer));
    submit(ctx, address);
    expect(kernel.io_cancel(ctx, address, result)).toBe(EINVAL);
    plain!.complete(2);
    expect(results(ctx)).toEqual([2]);
    expect(kernel.io_cancel(ctx, address, result)).toBe(0);
  });
});

describe('aio_cancel_all', () => {
  it('goes from the newest request to the oldest in linux-2.6.20, and so does exit through the contexts', async () => {
    const cancelled: number[] = [];
    const released: number[] = [];
    const { kernel, setup, ctx, submit, fd, addressOf } = setting('linux-2.6.20', {
      read: () => 'retry',
      cancel({ position }) {
        cancelled.push(position);
        return true;
      },
      release: () => void released.push(1),
    });
    const aio_buf = addressOf(new Uint8Array(8));
    const read = (aio_offset: number) => ({
      aio_lio_opcode: PREAD,
      aio_fildes: fd,
      aio_buf,
      aio_nbytes: 8,
      aio_offset,
    });
    submit(ctx, read(0), read(1), read(2));
    submit(setup(), read(3), read(4));
    kernel.close(fd);
    const last = setup();
    submit(last, read(5));
    await kernel.exit();
    expect(cancelled).toEqual([4, 3, 2, 1, 0]);
    expect(released).toEqual([1]);
  });

  it('has the files of its requests released when io_destroy returns, in linux-2.6.20', () => {
    let released = 0;
    const { kernel, ctx, submit, fd, iocb } = setting('linux-2.6.20', {
      read: () => 'retry',
      release: () => void released++,
    });
    submit(ctx, iocb());
    kernel.close(fd);
    expect(released).toBe(0);
    expect(kernel.io_destroy(ctx)).toBe(0);
    expect(released).toBe(1);
  });

  it.each(['io_destroy', 'exit'])('%s calls off what can be, and what waits for a kick', async (how) => {
    const cancelled: number[] = [];
    let released = 0;
    const { kernel, ctx, submit, fd, addressOf, keep } = setting('linux-6.x', {
      read: ({ position }) => (position < 2 ? 'retry' : undefined),
      cancel({ position }) {
        cancelled.push(position);
        return true;
      },
      release: () => void released++,
    });
    const aio_buf = addressOf(keep(new Uint8Array(8)));
    const read = (aio_offset: number) => ({
      aio_lio_opcode: PREAD,
      aio_fildes: fd,
      aio_buf,
      aio_nbytes: 8,
      aio_offset,
    });
    submit(ctx, read(0), read(1), read(2));
    if (how === 'exit') await kernel.exit();
    else {
      expect(kernel.io_destroy(ctx)).toBe(0);
      kernel.close(fd);
    }
    await turn();
    expect(cancelled).toEqual([0, 1, 2]);
    expect([released, kernel.limits.aio_nr(), kernel.close(fd)]).toEqual([1, 0, -9]);
  });
});
