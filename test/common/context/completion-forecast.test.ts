import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { IOCB_BYTES } from '../../../src/common/abi/layout.ts';
import { dataView, decodeIocb } from '../../../src/common/abi/structs.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { CompletionForecast } from '../../../src/common/context/completion-forecast.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

describe('CompletionForecast', () => {
  const streak = (forecast: CompletionForecast): number => {
    let batches = 0;
    for (; !forecast.isInline; batches++) forecast.saw(0);
    return batches;
  };

  it('trusts a run of batches that completed inside the call', () => {
    const forecast = new CompletionForecast();
    forecast.saw(0);
    assert.equal(forecast.isInline, false);
    streak(forecast);
    assert.equal(forecast.isInline, true);
  });

  it('asks for a longer run after each time it was wrong, and not for other batches', () => {
    const forecast = new CompletionForecast();
    const first = streak(forecast);
    forecast.saw(1);
    assert.equal(streak(forecast), first * 2);
    forecast.saw(3);
    forecast.saw(3);
    assert.equal(streak(forecast), first * 4);
  });
});

const native = KERNELS.find(({ name }) => name === 'native')!;

describe.runIf(native.missing === undefined)('a context that foresees completions', () => {
  let directory = '';
  let path = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'kaio-forecast-'));
    path = join(directory, 'file');
    writeFileSync(path, Buffer.alloc(1 << 20, 7), { flush: true });
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  /** Flags of every iocb that goes to the kernel, and how many requests of a call were in flight after it. */
  function watched(): { kernel: AioKernel; flags: number[] } {
    const kernel = native.open();
    const { memory } = kernel;
    const flags: number[] = [];
    const watching = replacing(kernel, {
      io_submit(ctx, nr, iocbpp) {
        for (let index = 0; index < Number(nr); index++) {
          const at = dataView(memory.read(Number(iocbpp) + index * 8, 8)!).getBigUint64(0, true);
          flags.push(decodeIocb(dataView(memory.read(Number(at), IOCB_BYTES)!)).aio_flags);
        }
        return kernel.io_submit(ctx, nr, iocbpp);
      },
    });
    return { kernel: watching, flags };
  }

  async function readCached(context: AioContext, fd: number, times: number): Promise<void> {
    for (let index = 0; index < times; index++)
      assert.equal(await context.read(fd, new Uint8Array(512), 0), 512);
  }

  it('asks for no signal once cached reads have completed inside the call, but always for syncs', async () => {
    const { kernel, flags } = watched();
    const fd = openSync(path, 'r');
    await using context = new AioContext({ kernel, queueDepth: 8, busyPoll: false });
    await readCached(context, fd, 20);
    assert.equal(flags[0], 1);
    assert.equal(flags.at(-1), 0);
    await context.fsync(fd);
    assert.equal(flags.at(-1), 1);
    closeSync(fd);
  });

  it('finds what did not complete inside the call all the same', async () => {
    const { kernel, flags } = watched();
    const cached = openSync(path, 'r');
    const direct = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
    const buffer = alignedBuffer(1 << 20);
    for (const keepsAlive of [true, false]) {
      await using context = new AioContext({ kernel, queueDepth: 8 });
      for (let round = 0; round < 5; round++) {
        await readCached(context, cached, 300);
        assert.equal(flags.at(-1), 0);
        const reading = Array.from({ length: 8 }, (_, lane) =>
          context.read(direct, buffer.subarray(lane << 17, (lane + 1) << 17), lane << 17),
        );
        await new Promise((resolve) => process.nextTick(resolve));
        assert.equal(flags.at(-1), 0);
        // From here on this process is kept alive by nothing but the timer of the test.
        if (!keepsAlive) context.unref();
        assert.deepEqual(await Promise.all(reading), Array(8).fill(1 << 17));
        context.ref();
      }
      assert.ok(buffer.every((byte) => byte === 7));
    }
    closeSync(cached);
    closeSync(direct);
  });
});
