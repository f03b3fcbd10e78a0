import * as fs from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { pageAlignedBuffer } from '../../../src/common/memory/page-aligned.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { open } from '../../../src/open.ts';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const PREADV = 7;
const PAGE = 4096;
const EINVAL = -22;

const files: ReturnType<typeof temporaryFile>[] = [];
const file = (content: Uint8Array) => {
  const made = temporaryFile(content);
  files.push(made);
  return made;
};
afterEach(() => {
  for (const made of files.splice(0)) made.remove();
});

describe.each(['threadpool', 'workers'] as const)('direct I/O imitated: %s', (executor) => {
  it('refuses, as an event, what O_DIRECT would refuse', () => {
    const u = user({ executor });
    const { fd, content } = file(Buffer.alloc(2 * PAGE, 5));
    u.kernel.fget(fd, { memory: 512, offset: 512 });
    const ctx = u.setup(64);
    const at = u.addressOf(new Uint8Array(pageAlignedBuffer(4 * PAGE)));
    const run = (aio_buf: number, aio_nbytes: number, aio_offset = 0, aio_lio_opcode = PREAD): number => {
      expect(u.submit(ctx, { aio_lio_opcode, aio_fildes: fd, aio_buf, aio_nbytes, aio_offset })).toBe(1);
      return u.results(ctx)[0]!;
    };
    expect(run(at, 512)).toBe(512);
    expect(run(at + 512, PAGE, 1024)).toBe(PAGE);
    for (const opcode of [PREAD, PWRITE]) {
      expect(run(at + 1, 512, 0, opcode)).toBe(EINVAL);
      expect(run(at, 511, 0, opcode)).toBe(EINVAL);
      expect(run(at, 512, 1, opcode)).toBe(EINVAL);
      expect(run(at + 1, 0, 1, opcode)).toBe(0);
    }
    expect(content()).toBe('\x05'.repeat(2 * PAGE));
    // Behind the end nothing is judged; across it a read is short.
    expect(run(at + 1, 7, 2 * PAGE)).toBe(0);
    expect(run(at, 2 * PAGE, PAGE)).toBe(PAGE);
    for (const [second, expected] of [
      [at + PAGE, 1024],
      [at + PAGE + 8, EINVAL],
    ] as const)
      expect(run(u.iovec([at, 512], [second, 512]), 2, 0, PREADV)).toBe(expected);
    u.kernel.fput(fd);
    expect(run(at + 1, 7, 1)).toBe(7);
  });
});

describe.skipIf(fs.constants.O_DIRECT !== undefined)('open() with direct preferred, without O_DIRECT', () => {
  it('is buffered, and asks for alignment all the same, above the kernel and in it', async () => {
    await using context = new AioContext({ kernel: emulatedKernel(), queueDepth: 8 });
    const { path, content } = file(Buffer.alloc(2 * PAGE, 5));
    const made = await open(path, 'r+', 0o666, { direct: 'prefer', context });
    expect(made.direct).toBe(false);
    expect(made.directReason).toMatch(/has no O_DIRECT; transfers have to be aligned/);
    expect(made.alignment).toEqual({ memory: PAGE, offset: PAGE, length: PAGE });
    const buffer = alignedBuffer(PAGE);
    expect((await made.read(buffer, { position: PAGE })).bytesRead).toBe(PAGE);
    await expect(made.read(buffer, { position: 1 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(context.read(made.fd, buffer, 1)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(made.write(buffer, 0, 100, 0)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await made.close();
    const copying = await open(path, 'r+', 0o666, {
      direct: 'prefer',
      unaligned: 'read-modify-write',
      context,
    });
    expect((await copying.write(Buffer.from('abc'), 0, 3, 7)).bytesWritten).toBe(3);
    const odd = Buffer.alloc(5);
    expect((await copying.read(odd, 0, 5, 6)).bytesRead).toBe(5);
    expect(odd.toString('latin1')).toBe('\x05abc\x05');
    await copying.close();
    expect(content()).toHaveLength(2 * PAGE);
    await expect(open(path, 'r', 0o666, { direct: 'require', context })).rejects.toMatchObject({
      code: 'EINVAL',
    });
  });
});
