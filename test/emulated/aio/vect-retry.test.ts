import { describe, expect, it } from 'vitest';
import type { FileAnswer, FileOperations, FileRequest } from '../../../src/emulated/index.ts';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const PREADV = 7;
const PWRITEV = 8;

/** A file that moves at most three bytes in a call, and keeps the calls. */
function slow(more: Partial<FileOperations> = {}) {
  const calls: { position: number; length: number }[] = [];
  const content = Buffer.from('abcdefghij');
  const written = Buffer.alloc(16, '.');
  const operations: FileOperations = {
    read({ position, length, bytes }) {
      calls.push({ position, length });
      const count = Math.max(0, Math.min(3, bytes.length, content.length - position));
      bytes.set(content.subarray(position, position + count));
      return count;
    },
    write({ position, length, bytes }) {
      calls.push({ position, length });
      written.set(bytes.subarray(0, 3), position);
      return Math.min(3, bytes.length);
    },
    ...more,
  };
  return { calls, written, operations };
}

describe('aio_rw_vect_retry', () => {
  it('calls the method once in linux-6.x, and passes the short count on', () => {
    const u = user();
    const { calls, operations } = slow();
    const ctx = u.setup();
    const fd = u.kernel.install(operations);
    const aio_buf = u.addressOf(new Uint8Array(8));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf, aio_nbytes: 8 });
    u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf, aio_nbytes: 8 });
    expect(u.results(ctx)).toEqual([3, 3]);
    expect(calls).toHaveLength(2);
  });

  it('loops in linux-2.6.20: writes until done, reads until done or nothing comes', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const { calls, written, operations } = slow();
    const ctx = u.setup();
    const fd = u.kernel.install(operations);
    const target = u.keep(new Uint8Array(16));
    const source = u.addressOf(Buffer.from('ABCDEFGH'));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf: u.addressOf(target), aio_nbytes: 16 });
    u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf: source, aio_nbytes: 8, aio_offset: 1 });
    expect(u.results(ctx)).toEqual([10, 8]);
    expect(Buffer.from(target).toString('latin1', 0, 10)).toBe('abcdefghij');
    expect(written.toString('latin1', 0, 10)).toBe('.ABCDEFGH.');
    expect(calls.map(({ position }) => position)).toEqual([0, 3, 6, 9, 10, 1, 4, 7]);
  });

  it('does not loop over reads from a stream, and does over writes', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const { operations } = slow({ stream: true });
    const ctx = u.setup();
    const fd = u.kernel.install(operations);
    const aio_buf = u.addressOf(new Uint8Array(8));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes: fd, aio_buf, aio_nbytes: 8 });
    u.submit(ctx, { aio_lio_opcode: PWRITE, aio_fildes: fd, aio_buf, aio_nbytes: 8 });
    expect(u.results(ctx)).toEqual([3, 8]);
  });

  it('advances over segments, also empty ones, and shortens the current one', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const { written, operations } = slow();
    const ctx = u.setup();
    const fd = u.kernel.install(operations);
    const [one, two] = [u.keep(new Uint8Array(4)), u.keep(new Uint8Array(8))];
    const into = u.iovec([u.addressOf(one), 4], [0, 0], [u.addressOf(two), 8]);
    u.submit(ctx, { aio_lio_opcode: PREADV, aio_fildes: fd, aio_buf: into, aio_nbytes: 3 });
    const from = u.iovec([u.addressOf(Buffer.from('12')), 2], [u.addressOf(Buffer.from('345678')), 6]);
    u.submit(ctx, { aio_lio_opcode: PWRITEV, aio_fildes: fd, aio_buf: from, aio_nbytes: 2 });
    expect(u.results(ctx)).toEqual([10, 8]);
    expect(Buffer.concat([one, two]).toString('latin1')).toBe('abcdefghij\0\0');
    expect(written.toString('latin1', 0, 8)).toBe('12345678');
  });

  it('tells an error after progress as the error, in linux-2.6.20', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    let calls = 0;
    const fd = u.kernel.install({ write: () => (calls++ === 0 ? 2 : -28) });
    const write = {
      aio_lio_opcode: PWRITE,
      aio_fildes: fd,
      aio_buf: u.addressOf(new Uint8Array(8)),
      aio_nbytes: 8,
    };
    u.submit(ctx, write);
    u.submit(ctx, write);
    expect(u.results(ctx)).toEqual([-28, -28]);
  });

  it('goes on when an answer came later', async () => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    const lengths: number[] = [];
    const fd = u.kernel.install({
      write: async ({ length }) => {
        lengths.push(length);
        await new Promise((resolve) => setImmediate(resolve));
        return Math.min(3, length);
      },
    });
    u.submit(ctx, {
      aio_lio_opcode: PWRITE,
      aio_fildes: fd,
      aio_buf: u.addressOf(new Uint8Array(8)),
      aio_nbytes: 8,
    });
    expect(await u.completed(ctx, 1)).toEqual([8]);
    expect(lengths).toEqual([8, 5, 2]);
  });

  const kicking = (answer: (request: FileRequest, run: number) => FileAnswer, stream = false) => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    let run = 0;
    const read = (request: FileRequest) => {
      request.kick();
      return answer(request, run++);
    };
    const aio_fildes = u.kernel.install({ read, stream });
    const aio_buf = u.addressOf(new Uint8Array(8));
    u.submit(ctx, { aio_lio_opcode: PREAD, aio_fildes, aio_buf, aio_nbytes: 8 });
    return u.results(ctx);
  };

  it('tells the total only where nothing is left or nothing more comes', () => {
    const endsWith = (advance: number, answer: FileAnswer) =>
      kicking((request, run) => {
        if (run > 0) return answer;
        request.advance(advance);
        return 'retry';
      });
    expect(endsWith(2, 6)).toEqual([8]);
    expect(endsWith(2, 0)).toEqual([2]);
    expect(endsWith(2, -5)).toEqual([-5]);
  });

  it('tells of a stream what the last call brought', () => {
    const endsWith = (advance: number, answer: FileAnswer) =>
      kicking((request, run) => {
        if (run > 0) return answer;
        request.advance(advance);
        return 'retry';
      }, true);
    expect(endsWith(2, 3)).toEqual([3]);
    expect(endsWith(2, 6)).toEqual([8]);
    expect(endsWith(2, 0)).toEqual([2]);
  });

  it('needs no further run for a method that has moved everything itself, whatever it answers', () => {
    for (const answer of ['retry', -5, 0] as const) {
      let runs = 0;
      const results = kicking((request) => {
        runs++;
        request.advance(8);
        return answer;
      });
      expect([results, runs]).toEqual([[8], 1]);
    }
  });

  it('is left by a request that was queued: its end is what the file says by complete()', () => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    const queued: FileRequest[] = [];
    let calls = 0;
    const read = (request: FileRequest): FileAnswer | undefined => {
      calls++;
      if (calls === 1) return 2;
      if (calls === 3) request.complete(1);
      else queued.push(request);
      return undefined;
    };
    const aio_fildes = u.kernel.install({ read });
    const aio_buf = u.addressOf(new Uint8Array(8));
    const iocb = { aio_lio_opcode: PREAD, aio_fildes, aio_buf, aio_nbytes: 8 };
    u.submit(ctx, iocb);
    expect(u.results(ctx)).toEqual([]);
    queued[0]!.complete(3);
    u.submit(ctx, iocb);
    expect([u.results(ctx), calls]).toEqual([[3, 1], 3]);
  });

  it.each(['io_getevents', 'the event loop'])('reads a host file to its end: %s', async (how) => {
    const u = user({ profile: 'linux-2.6.20' });
    const ctx = u.setup();
    const file = temporaryFile('0123456789');
    const target = u.keep(new Uint8Array(64));
    u.submit(ctx, {
      aio_lio_opcode: PREAD,
      aio_fildes: file.fd,
      aio_buf: u.addressOf(target),
      aio_nbytes: 64,
      aio_offset: 4,
    });
    expect(how === 'io_getevents' ? u.results(ctx) : await u.completed(ctx, 1)).toEqual([6]);
    expect(Buffer.from(target).toString('latin1', 0, 6)).toBe('456789');
    file.remove();
  });
});
