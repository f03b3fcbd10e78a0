import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  emulatedKernel,
  type FileAnswer,
  type FileOperations,
  type FileRequest,
} from '../../../src/emulated/index.ts';
import { AioContext } from '../../../src/index.ts';
import { user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const FSYNC = 2;
const FDSYNC = 3;
const POLL = 5;
const EIO = -5;
const EBADF = -9;
const EINVAL = -22;
const ENOSPC = -28;
const turn = () => new Promise((resolve) => setImmediate(resolve));

const warnings: (Error & { code?: string })[] = [];
const collect = (warning: Error): void => void warnings.push(warning);
beforeEach(() => {
  warnings.length = 0;
  process.on('warning', collect);
});
afterEach(() => {
  process.removeListener('warning', collect);
});
const faults = async (): Promise<number> => {
  await turn();
  return warnings.filter(({ code }) => code === 'AIO_FAULTY_FILE').length;
};

/** A context, an installed file, and requests for it. */
function setting(operations: FileOperations) {
  const u = user();
  const ctx = u.setup(8);
  const fd = u.kernel.install(operations);
  const target = u.keep(Buffer.from('........'));
  const aio_buf = u.addressOf(target);
  const request = (aio_lio_opcode: number, aio_nbytes = 8) => ({
    aio_lio_opcode,
    aio_fildes: fd,
    aio_buf,
    aio_nbytes,
  });
  const bare = (aio_lio_opcode: number) => ({ aio_lio_opcode, aio_fildes: fd });
  /** The context is as good as new. */
  const usable = (): void => {
    u.submit(ctx, { aio_lio_opcode: POLL, aio_fildes: u.kernel.eventfd(1, 0), aio_buf: 1 });
    expect(u.results(ctx)).toEqual([1]);
    expect(u.kernel.io_destroy(ctx)).toBe(0);
    expect(u.kernel.limits.aio_nr()).toBe(0);
  };
  return { ...u, ctx, fd, target, request, bare, usable };
}

describe('kernel.install', () => {
  it('answers now, later by a promise, later by a callback', async () => {
    const answers: ((request: FileRequest) => FileAnswer | Promise<FileAnswer> | undefined)[] = [
      ({ bytes }) => bytes.fill(65).length,
      async ({ bytes }) => {
        await turn();
        return bytes.fill(66, 0, 3).subarray(0, 3).length;
      },
      (request) => {
        setImmediate(() => request.complete(request.bytes.fill(67, 0, 2).subarray(0, 2).length));
        return undefined;
      },
      (request) => {
        request.bytes[0] = 68;
        request.complete(1);
        return undefined;
      },
    ];
    const { submit, ctx, request, completed, target, kernel } = setting({
      read: (asked) => answers.shift()!(asked),
    });
    const shown = ['AAAAAAAA', 'BBBAAAAA', 'CCBAAAAA', 'DCBAAAAA'];
    for (const [index, expected] of [8, 3, 2, 1].entries()) {
      expect(submit(ctx, request(PREAD))).toBe(1);
      expect(kernel.mapRing(ctx)!.ready).toBe(index === 0 || index === 3 ? 1 : 0);
      expect(await completed(ctx, 1)).toEqual([expected]);
      expect(target.toString()).toBe(shown[index]);
    }
    expect(await faults()).toBe(0);
  });

  it('gives a write its data, the place and the flags', () => {
    const seen: unknown[] = [];
    const { submit, ctx, fd, keep, addressOf, results } = setting({
      write({ bytes, position, length, rw_flags, operation }) {
        seen.push([Buffer.from(bytes).toString(), position, length, rw_flags, operation]);
        return length;
      },
    });
    const aio_buf = addressOf(keep(Buffer.from('data')));
    submit(ctx, {
      aio_lio_opcode: PWRITE,
      aio_fildes: fd,
      aio_buf,
      aio_nbytes: 4,
      aio_offset: 7,
      aio_rw_flags: 2,
    });
    expect(results(ctx)).toEqual([4]);
    expect(seen).toEqual([['data', 7, 4, 2, 'write']]);
  });

  it('refuses what the file has no method for', () => {
    const none = setting({});
    expect([PREAD, PWRITE].map((opcode) => none.submit(none.ctx, none.request(opcode)))).toEqual([
      EINVAL,
      EINVAL,
    ]);
    expect([FSYNC, FDSYNC].map((opcode) => none.submit(none.ctx, none.bare(opcode)))).toEqual([
      EINVAL,
      EINVAL,
    ]);
    // Without a poll method a file is always ready, as a regular file.
    none.submit(none.ctx, { ...none.bare(POLL), aio_buf: 4 });
    expect(none.results(none.ctx)).toEqual([4]);
    const half = setting({ fdatasync: () => 0 });
    expect([FSYNC, FDSYNC].map((opcode) => half.submit(half.ctx, half.bare(opcode)))).toEqual([EINVAL, 1]);
    expect(half.results(half.ctx)).toEqual([0]);
    const sync = setting({ fsync: ({ operation }) => (operation === 'fsync' ? 0 : -5) });
    expect([FSYNC, FDSYNC].map((opcode) => sync.submit(sync.ctx, sync.bare(opcode)))).toEqual([1, 1]);
    expect(sync.results(sync.ctx)).toEqual([0, -5]);
  });

  it('does not call methods for nothing, or for memory that is not there', () => {
    const { submit, ctx, request, results, fd } = setting({ read: () => expect.fail('called') });
    submit(ctx, request(PREAD, 0));
    submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: 0x1000, aio_nbytes: 8 });
    expect(results(ctx)).toEqual([0, -14]);
  });

  it('lets polls wait, and wakes them', () => {
    let bits = 0;
    const { submit, ctx, bare, results, kernel, fd } = setting({ poll: () => bits });
    submit(ctx, { ...bare(POLL), aio_buf: 1 }, { ...bare(POLL), aio_buf: 4 });
    expect(results(ctx)).toEqual([]);
    expect(kernel.wake_up(fd)).toBe(0);
    expect(results(ctx)).toEqual([]);
    bits = 1;
    expect(kernel.wake_up(fd)).toBe(0);
    expect(results(ctx)).toEqual([1]);
    expect(kernel.wake_up(fd, 0x104)).toBe(0);
    expect(results(ctx)).toEqual([0x104]);
    submit(ctx, { ...bare(POLL), aio_buf: 1 });
    expect(results(ctx)).toEqual([1]);
    expect(kernel.wake_up(fd + 1)).toBe(EBADF);
    expect(kernel.wake_up(0)).toBe(EBADF);
    expect(kernel.wake_up(kernel.install({}))).toBe(EINVAL);
    expect(kernel.wake_up(kernel.pipe()[0], 1)).toBe(EINVAL);
    expect(() => kernel.wake_up(fd, -1)).toThrow(RangeError);
  });

  it('releases the file once, after its descriptor and its last request', async () => {
    let released = 0;
    let asked: FileRequest | undefined;
    const { submit, ctx, request, completed, kernel, fd } = setting({
      read(one) {
        asked = one;
        return undefined;
      },
      release: () => void released++,
    });
    submit(ctx, request(PREAD));
    expect(kernel.close(fd)).toBe(0);
    expect(kernel.close(fd)).toBe(EBADF);
    expect(submit(ctx, request(PREAD))).toBe(EBADF);
    await turn();
    expect(released).toBe(0);
    asked!.complete(4);
    // Never from inside the completion: deferred fput.
    expect(released).toBe(0);
    expect(await completed(ctx, 1)).toEqual([4]);
    await turn();
    expect(released).toBe(1);
    const other = kernel.install({ release: () => void released++ });
    kernel.close(other);
    expect(released).toBe(2);
  });

  it.each([
    ['nothing', undefined],
    ['a number', 1],
    ['a method that is none', { read: 5 }],
    ['null', null],
  ])('refuses %s with a TypeError', (_name, operations) => {
    const { kernel } = user();
    expect(() => kernel.install(operations as FileOperations)).toThrow(
      expect.objectContaining({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }),
    );
  });

  it('serves AioContext, above the waist', async () => {
    const kernel = emulatedKernel({ debug: true });
    const content = Buffer.alloc(100);
    const fd = kernel.install({
      write: async ({ bytes, position }) => content.set(bytes, position) ?? bytes.length,
      read: ({ bytes, position }) => content.copy(bytes, 0, position, position + bytes.length),
      fsync: () => 0,
    });
    await using context = new AioContext({ kernel });
    expect(await context.write(fd, Buffer.from('hello'), 10)).toBe(5);
    const target = Buffer.alloc(5);
    expect(await context.read(fd, target, 10)).toBe(5);
    expect(target.toString()).toBe('hello');
    await context.fsync(fd);
  });
});

describe('AbortSignal', () => {
  it('cancels what waits in a file of the user, or in a pipe', async () => {
    const kernel = emulatedKernel({ debug: true });
    await using context = new AioContext({ kernel });
    const installed = kernel.install({ read: () => new Promise(() => {}), cancel: () => true });
    for (const fd of [installed, kernel.pipe()[0]]) {
      const abort = new AbortController();
      const read = context.read(fd, new Uint8Array(4), 0, { signal: abort.signal });
      await turn();
      abort.abort();
      await expect(read).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' });
    }
  });
});

describe('a faulty file', () => {
  it('that throws gets EIO and a warning; a code of its own is the errno', async () => {
    const errors: unknown[] = [
      new Error('oops'),
      'not even an Error',
      Object.assign(new Error('full'), { code: 'ENOSPC' }),
    ];
    const { submit, ctx, request, results, usable } = setting({
      read() {
        throw errors.shift();
      },
    });
    for (let i = 0; i < 3; i++) submit(ctx, request(PREAD));
    expect(results(ctx)).toEqual([EIO, EIO, ENOSPC]);
    expect(await faults()).toBe(2);
    usable();
  });

  it('whose promise is rejected gets EIO and a warning, or the errno', async () => {
    const errors: unknown[] = [undefined, Object.assign(new Error('full'), { code: 'ENOSPC' })];
    const { submit, ctx, request, completed, usable } = setting({
      read: () => Promise.reject(errors.shift()),
    });
    submit(ctx, request(PREAD), request(PREAD));
    expect(await completed(ctx, 2)).toEqual([EIO, ENOSPC]);
    expect(await faults()).toBe(1);
    usable();
  });

  it.each([
    ['more bytes than asked for', 9],
    ['a fraction', 1.5],
    ['NaN', Number.NaN],
    ['no errno', -5000],
    ['a string', 'done'],
    ['an object', {}],
    ['null', null],
  ])('that answers %s gets EIO and a warning, and the memory is left alone', async (_name, answer) => {
    const { submit, ctx, request, results, completed, target, usable } = setting({
      read: ({ bytes }) => {
        bytes.fill(88);
        return answer as number;
      },
      write: async () => answer as number,
    });
    submit(ctx, request(PREAD));
    expect(results(ctx)).toEqual([EIO]);
    submit(ctx, request(PWRITE));
    expect(await completed(ctx, 1)).toEqual([EIO]);
    expect(target.toString()).toBe('........');
    expect(await faults()).toBe(2);
    usable();
  });

  /** Answers by the callback, and then again. */
  const andThen =
    (again: (request: FileRequest) => FileAnswer | Promise<FileAnswer> | undefined) =>
    (request: FileRequest) => {
      request.complete(1);
      return again(request);
    };
  it.each<[string, (request: FileRequest) => FileAnswer | Promise<FileAnswer> | undefined]>([
    ['by the callback and a number', andThen(() => 2)],
    ['by the callback and a promise', andThen(() => Promise.resolve(2))],
    ['by the callback and a rejected promise', andThen(() => Promise.reject(new Error('no')))],
    [
      'by the callback twice',
      andThen((request) => {
        request.complete(2);
        return undefined;
      }),
    ],
    [
      'by the callback and by throwing',
      andThen(() => {
        throw Object.assign(new Error('late'), { code: 'EIO' });
      }),
    ],
    [
      'by the callback twice, later',
      (request) => {
        setImmediate(() => {
          request.complete(1);
          request.complete(2);
        });
        return undefined;
      },
    ],
    [
      'by a promise, then by the callback',
      (request) => {
        const answer = Promise.resolve(1);
        void answer.then(() => setImmediate(() => request.complete(2)));
        return answer;
      },
    ],
    [
      'long after the event',
      (request) => {
        setTimeout(() => request.complete(2), 2);
        return 1;
      },
    ],
  ])('that answers twice (%s) has one event, with the first answer, and a warning', async (_name, read) => {
    const { submit, ctx, request, completed, results, usable } = setting({ read });
    submit(ctx, request(PREAD));
    expect(await completed(ctx, 1)).toEqual([1]);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(results(ctx)).toEqual([]);
    expect(await faults()).toBe(1);
    usable();
  });

  it('that never answers does not hold up io_destroy, nor a destroy in the background', async () => {
    const { submit, ctx, request, kernel, setup, target } = setting({ read: () => new Promise(() => {}) });
    submit(ctx, request(PREAD), request(PREAD));
    expect(kernel.io_destroy(ctx)).toBe(0);
    const other = setup();
    submit(other, request(PREAD));
    expect(await kernel.destroyInBackground(other)).toBe(0);
    expect(kernel.limits.aio_nr()).toBe(0);
    expect(target.toString()).toBe('........');
  });

  it('that answers after the end of its context reaches neither memory nor ring', async () => {
    const asked: FileRequest[] = [];
    let released = 0;
    const { submit, ctx, request, kernel, setup, target, fd, results } = setting({
      read(one) {
        asked.push(one);
        return undefined;
      },
      release: () => void released++,
    });
    submit(ctx, request(PREAD), request(PREAD));
    const bytes = asked.map((one) => one.bytes);
    expect(kernel.io_destroy(ctx)).toBe(0);
    const other = setup();
    expect(asked.map(({ isOver }) => isOver)).toEqual([true, true]);
    for (const one of bytes) one.fill(88);
    asked[0]!.advance(3);
    asked[0]!.kick();
    asked[0]!.complete(8);
    await turn();
    expect(target.toString()).toBe('........');
    expect(results(other)).toEqual([]);
    kernel.close(fd);
    await turn();
    // The other request still has the file: its operation has not ended.
    expect(released).toBe(0);
    asked[1]!.complete(8);
    await turn();
    expect(released).toBe(1);
    expect(await faults()).toBe(0);
  });

  it('that destroys its own context from inside a method is not handed a dead one', async () => {
    let ctx = 0;
    const { submit, request, kernel, target, setup, fd } = setting({
      read({ bytes }) {
        expect(kernel.io_destroy(ctx)).toBe(0);
        return bytes.fill(88).length;
      },
      write: async () => {
        expect(await kernel.destroyInBackground(ctx)).toBe(0);
        return 8;
      },
    });
    ctx = setup(4);
    expect(submit(ctx, request(PREAD), request(PREAD))).toBe(1);
    expect(target.toString()).toBe('........');
    expect(submit(ctx, request(PREAD))).toBe(EINVAL);
    ctx = setup(4);
    submit(ctx, request(PWRITE));
    await new Promise((resolve) => setTimeout(resolve, 5));
    kernel.close(fd);
    expect(await faults()).toBe(0);
  });

  it('that throws in poll, cancel or release, or polls nonsense, is contained', async () => {
    const { submit, ctx, bare, request, kernel, fd, iocb, results } = setting({
      read: () => 'retry',
      poll() {
        throw new Error('poll');
      },
      cancel() {
        throw new Error('cancel');
      },
      release() {
        throw new Error('release');
      },
    });
    submit(ctx, { ...bare(POLL), aio_buf: 1 });
    const waiting = iocb(request(PREAD));
    submit(ctx, waiting);
    expect(kernel.io_cancel(ctx, waiting, 0)).toBe(EIO);
    expect(results(ctx)).toEqual([]);
    kernel.close(fd);
    expect(kernel.io_destroy(ctx)).toBe(0);
    await turn();
    const nonsense = setting({ poll: () => 'ready' as unknown as number });
    nonsense.submit(nonsense.ctx, { ...nonsense.bare(POLL), aio_buf: 1 });
    expect(nonsense.results(nonsense.ctx)).toEqual([]);
    nonsense.usable();
    expect(await faults()).toBe(5);
  });

  it('whose advance goes too far is told so', () => {
    const { submit, ctx, request, results } = setting({
      read(asked) {
        for (const count of [9, -1, 1.5]) expect(() => asked.advance(count)).toThrow(RangeError);
        asked.advance(8);
        expect([asked.length, asked.bytes.length]).toEqual([0, 0]);
        return 0;
      },
    });
    submit(ctx, request(PREAD));
    expect(results(ctx)).toEqual([8]);
  });
});
