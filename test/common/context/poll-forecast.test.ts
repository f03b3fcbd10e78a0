import assert from 'node:assert/strict';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it, vi } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { PollForecast } from '../../../src/common/context/poll-forecast.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

describe('PollForecast', () => {
  const skipped = (forecast: PollForecast): number => {
    let batches = 0;
    while (!forecast.accepts(1)) batches++;
    return batches;
  };

  it('accepts few requests in flight, and leaves many to one wake-up', () => {
    const forecast = new PollForecast();
    assert.equal(forecast.accepts(4), true);
    assert.equal(forecast.accepts(5), false);
  });

  it('waits twice as long after each failure, and half as long after each success', () => {
    const forecast = new PollForecast();
    for (const batches of [1, 2, 4, 8]) {
      forecast.missed();
      assert.equal(skipped(forecast), batches);
    }
    forecast.hit();
    forecast.missed();
    assert.equal(skipped(forecast), 8);
  });

  it('rests when the thread was away, longer each time that this happens soon', () => {
    let now = 1000;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    try {
      const forecast = new PollForecast();
      const rest = (): number => {
        const begun = now;
        forecast.pushedOff();
        while (!forecast.accepts(1)) now++;
        return now - begun;
      };
      assert.deepEqual([rest(), rest(), rest()], [16, 32, 64]);
      now += 64;
      assert.equal(rest(), 16, 'it had polled for as long as it had rested');
    } finally {
      clock.mockRestore();
    }
  });

  it('never gives up', () => {
    const forecast = new PollForecast();
    for (let misses = 0; misses < 20; misses++) {
      forecast.missed();
      assert.ok(skipped(forecast) <= 4096);
    }
  });
});

const native = KERNELS.find(({ name }) => name === 'native')!;
const BLOCK = 4096;
const BLOCKS = 8;
/** Looks that are too many. */
const MANY = 300;

describe.runIf(native.missing === undefined)('a context that polls', () => {
  let directory = '';
  let fd = -1;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'kaio-poll-'));
    const path = join(directory, 'file');
    writeFileSync(path, Buffer.alloc(BLOCKS * BLOCK, 7), { flush: true });
    fd = openSync(path, constants.O_RDONLY | constants.O_DIRECT);
  });
  afterAll(() => {
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });

  /** A kernel that counts wake-ups through the eventfd, and whose ring shows nothing at the first `blind` looks after each submit. */
  function watched(blind = 0): { kernel: AioKernel; wakeUps: () => number } {
    const kernel = native.open();
    let wakeUps = 0;
    let left = 0;
    const watching = replacing(kernel, {
      io_submit(ctx, nr, iocbpp) {
        left = blind;
        return kernel.io_submit(ctx, nr, iocbpp);
      },
      eventfd_read(eventfd) {
        wakeUps++;
        // What the ring hides is signalled already: the signal comes again when the ring shows it.
        if (left > 0) return 0n;
        return kernel.eventfd_read(eventfd);
      },
      mapRing(ctx) {
        const ring = kernel.mapRing(ctx);
        if (ring === undefined) return undefined;
        return {
          get ready() {
            return ring.ready;
          },
          reap: (most, sink) => (left-- > 0 ? 0 : ring.reap(most, sink)),
          detach: () => ring.detach(),
        };
      },
    });
    return { kernel: watching, wakeUps: () => wakeUps };
  }

  async function read(context: AioContext, lanes: number): Promise<void> {
    const buffer = alignedBuffer(lanes * BLOCK);
    const reads = Array.from({ length: lanes }, (_, lane) =>
      context.read(fd, buffer.subarray(lane * BLOCK, (lane + 1) * BLOCK), lane * BLOCK),
    );
    assert.deepEqual(await Promise.all(reads), Array(lanes).fill(BLOCK));
    assert.ok(buffer.every((byte) => byte === 7));
  }

  it('is woken for no direct read of few in flight', async () => {
    // A context each: once a device was too slow, whatever it was busy with, the next read does not poll.
    for (const lanes of [1, 2, 3, 4]) {
      const { kernel, wakeUps } = watched();
      await using context = new AioContext({ kernel, queueDepth: 8 });
      await read(context, lanes);
      assert.equal(wakeUps(), 0);
    }
  });

  it('is woken for many, and for any if it is told not to poll', async () => {
    for (const [lanes, busyPoll] of [
      [8, true],
      [1, false],
    ] as const) {
      // The look right after the submit finds nothing, however busy this machine and quick its disk are.
      const { kernel, wakeUps } = watched(1);
      await using context = new AioContext({ kernel, queueDepth: 8, busyPoll });
      await read(context, lanes);
      assert.ok(wakeUps() > 0, `${lanes} in flight`);
    }
  });

  it('finds what takes long all the same, and is woken for the next', async () => {
    const { kernel, wakeUps } = watched(MANY);
    await using context = new AioContext({ kernel, queueDepth: 8 });
    await read(context, 1);
    assert.equal(wakeUps(), 0);
    await read(context, 1);
    assert.ok(wakeUps() > 0);
  });

  it('lets timers run meanwhile, and finds completions after unref()', async () => {
    const { kernel } = watched(MANY);
    await using context = new AioContext({ kernel, queueDepth: 8 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const reading = read(context, 1);
    await new Promise((resolve) => process.nextTick(resolve));
    context.unref();
    await reading;
    clearInterval(timer);
    assert.ok(ticks > 1);
    context.ref();
  });

  it('refuses what is no boolean', () => {
    assert.throws(() => new AioContext({ kernel: native.open(), busyPoll: 1 as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  });
});
