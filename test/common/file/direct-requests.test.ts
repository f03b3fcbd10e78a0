import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { RWF_NOWAIT } from '../../../src/common/abi/constants.ts';
import { Activity } from '../../../src/common/file/activity.ts';
import { DeviceQueue } from '../../../src/common/file/device-queue.ts';
import { DirectRequests } from '../../../src/common/file/direct-requests.ts';
import { type DirectFacts, DirectRouting } from '../../../src/common/file/direct-routing.ts';
import type { FileRequests } from '../../../src/common/file/file-requests.ts';
import type { NowaitRequest } from '../../../src/common/file/file-transfer.ts';
import { KnownExtents } from '../../../src/common/file/known-extents.ts';
import { ownCall, type TransferCall } from '../../../src/common/file/transfer-call.ts';
import { type Extent, extentOf } from '../../../src/common/memory/extent.ts';
import { AioContext, alignedBuffer, open } from '../../../src/index.ts';
import { KERNELS } from '../../support/kernels.ts';

const BLOCK = 4096;

/** What the kernel makes of a request: a count, `'EAGAIN'`, `'EOPNOTSUPP'`. */
type Reply = number | 'EAGAIN' | 'EOPNOTSUPP';

/** Requests of a file whose kernel is played here. */
class PlayedRequests {
  readonly file = { fd: 9, activity: new Activity(nothing, nothing), owner: {}, isOpen: undefined };
  /** What the kernel and the pool were asked for, in order. */
  readonly asked: string[] = [];
  /** Ends what the kernel has. */
  readonly underWay: (() => void)[] = [];
  reply: (name: string, position: number, length: number) => Reply = (_name, _position, length) => length;
  heldAtMs = 0;
  isPatient = false;
  poolFails: Error | undefined;

  transfer<T>(
    { name, extent, position, signal, answer }: TransferCall<T>,
    _file?: unknown,
    nowait?: NowaitRequest,
  ): Promise<T> {
    this.asked.push(`${name} ${position / BLOCK} ${nowait?.rw_flags === RWF_NOWAIT ? 'nowait' : 'plain'}`);
    if (this.heldAtMs > 0) nowait?.held?.(this.heldAtMs);
    const end = async (): Promise<T> => {
      const reply = this.reply(name, position, extent.length);
      if (typeof reply === 'number') {
        nowait?.hit(reply);
        if (reply === extent.length || reply === 0 || nowait === undefined)
          return answer(reply, undefined as never);
      } else {
        if (reply === 'EOPNOTSUPP') nowait?.refuseNowait();
        nowait?.missed();
      }
      const done = typeof reply === 'number' ? reply : 0;
      return answer(await nowait!.readOn(extent, position, done, signal), undefined as never);
    };
    if (!this.isPatient) return end();
    return new Promise((resolve, reject) => {
      this.underWay.push(() => end().then(resolve, reject));
    });
  }

  async readFromPool({ length }: Extent, position: number, reason: string): Promise<number> {
    this.asked.push(`pool read ${position / BLOCK}: ${reason}`);
    if (this.poolFails !== undefined) throw this.poolFails;
    return length;
  }

  async writeToPool({ length }: Extent, position: number, reason: string): Promise<number> {
    this.asked.push(`pool write ${position / BLOCK}: ${reason}`);
    if (this.poolFails !== undefined) throw this.poolFails;
    return length;
  }

  async answered<T>(move: () => Promise<number>, { answer }: Pick<TransferCall<T>, 'answer'>): Promise<T> {
    return answer(await move(), undefined as never);
  }
}

function nothing(): void {}

interface Played {
  readonly kernel: PlayedRequests;
  readonly routing: DirectRouting;
  readonly read: (block: number, blocks?: number, signal?: AbortSignal) => Promise<number>;
  readonly write: (block: number, blocks?: number) => Promise<number>;
}

function play(facts: Partial<DirectFacts> = {}): Played {
  const kernel = new PlayedRequests();
  const extents = new KnownExtents({}, 9);
  const routing = new DirectRouting({ end: 8 * BLOCK, device: undefined, extents, nowait: true, ...facts });
  const requests = new DirectRequests(kernel as unknown as FileRequests, { direct: routing }, BLOCK);
  const move = (
    name: 'read' | 'write',
    block: number,
    blocks: number,
    signal?: AbortSignal,
  ): Promise<number> =>
    requests.transfer(ownCall(name, extentOf('buffer', Buffer.alloc(blocks * BLOCK)), block * BLOCK, signal));
  return {
    kernel,
    routing,
    read: (block, blocks = 1, signal) => move('read', block, blocks, signal),
    write: (block, blocks = 1) => move('write', block, blocks),
  };
}

const WOULD = 'would hold the event loop';
const PROBABLY = 'would probably hold the event loop';
const HELD = 'has held the event loop';

describe('direct requests', () => {
  it('ask the kernel with NOWAIT, and no more where it has nothing to wait for', async () => {
    const { kernel, read, write } = play();
    assert.equal(await read(1), BLOCK);
    assert.equal(await write(2), BLOCK);
    assert.deepEqual(kernel.asked, ['read 1 nowait', 'write 2 nowait']);
  });

  it('take the pool where the kernel would wait, and try again now and then', async () => {
    const { kernel, routing, write } = play();
    kernel.reply = () => 'EAGAIN';
    for (let block = 8; block < 12; block++) assert.equal(await write(block), BLOCK);
    assert.deepEqual(kernel.asked, [
      'write 8 nowait',
      `pool write 8: ${WOULD}`,
      `pool write 9: ${PROBABLY}`,
      `pool write 10: ${PROBABLY}`,
      'write 11 nowait',
      `pool write 11: ${WOULD}`,
    ]);
    assert.equal(routing.route('write'), 'threadpool');
    assert.equal(routing.route('read'), 'kernel');
    assert.equal(routing.end, 12 * BLOCK);
    for (let block = 12; block < 400; block++) await write(block);
    const tries = kernel.asked.filter((line) => line.endsWith('nowait')).length;
    // 2 + 4 + 8 + 16 + 32 + 64 + 64 ... unasked.
    assert.ok(tries >= 8 && tries <= 14, `${tries} tries`);
  });

  it('learn of reads, overwrites and writes behind the end apart, and forget when one is taken', async () => {
    const { kernel, routing, read, write } = play();
    kernel.reply = (_name, position, length) => (position >= 8 * BLOCK ? 'EAGAIN' : length);
    await write(8);
    kernel.asked.length = 0;
    await write(3);
    await read(9);
    await read(3);
    assert.equal(kernel.asked[0], 'write 3 nowait');
    assert.equal(kernel.asked.at(-1), `pool read 3: ${PROBABLY}`);
    assert.equal(routing.route('write'), 'kernel');
    // What the pool has written lies inside now.
    kernel.reply = (_name, _position, length) => length;
    kernel.asked.length = 0;
    await write(8);
    await read(3);
    await read(3);
    assert.deepEqual(kernel.asked, ['write 8 nowait', `pool read 3: ${PROBABLY}`, 'read 3 nowait']);
    assert.equal(routing.route('read'), 'kernel');
  });

  it('do not ask again where NOWAIT is not known, per direction', async () => {
    const { kernel, routing, read, write } = play();
    kernel.reply = (name, _position, length) => (name === 'read' ? 'EOPNOTSUPP' : length);
    await read(0);
    for (let block = 0; block < 100; block++) await read(block % 8);
    await write(0);
    assert.equal(kernel.asked.filter((line) => line.startsWith('read')).length, 1);
    assert.equal(kernel.asked.at(-2), 'pool read 3: no RWF_NOWAIT on this file system');
    assert.equal(kernel.asked.at(-1), 'write 0 nowait');
    assert.deepEqual([routing.route('read'), routing.route('write')], ['threadpool', 'kernel']);
  });

  it('go as they are on a kernel without NOWAIT, but for those behind the end', async () => {
    const { kernel, read, write } = play({ nowait: false });
    await read(0);
    await write(7);
    await write(8);
    assert.deepEqual(kernel.asked, [
      'read 0 plain',
      'write 7 plain',
      'pool write 8: writes behind the end of the file',
    ]);
  });

  it('go on after a short count, but not behind the end', async () => {
    const { kernel, read, write } = play();
    kernel.reply = () => 2 * BLOCK;
    assert.equal(await read(0, 4), 4 * BLOCK);
    assert.deepEqual(kernel.asked, ['read 0 nowait', `pool read 2: ${WOULD}`]);
    kernel.asked.length = 0;
    assert.equal(await read(6, 4), 2 * BLOCK, 'the end is known');
    kernel.reply = () => 100;
    assert.equal(await read(0, 4), 100, 'inside a block');
    kernel.reply = () => BLOCK;
    kernel.poolFails = Object.assign(new Error('full'), { code: 'ENOSPC', errno: -28 });
    assert.equal(await write(0, 4), BLOCK, 'what is written is no failure');
    kernel.poolFails = new TypeError('the memory has gone');
    await assert.rejects(write(0, 4), /memory has gone/);
  });

  it('take the pool for a while where they have held the loop, and come back', async () => {
    const { kernel, routing, read } = play();
    kernel.heldAtMs = 7;
    await Promise.all([read(0), read(1)]);
    kernel.heldAtMs = 0;
    const lines = async (): Promise<string[]> => {
      kernel.asked.length = 0;
      for (let index = 0; index < 40; index++) await read(0);
      return kernel.asked.slice();
    };
    const after = await lines();
    const unasked = after.filter((line) => line === `pool read 0: ${HELD}`).length;
    // The second of the same call was on its way, or went to the pool: one hold, not two.
    assert.ok(unasked === 7 || unasked === 8, `${unasked}`);
    assert.equal(routing.route('read'), 'kernel');
    kernel.heldAtMs = 8;
    await read(0);
    kernel.heldAtMs = 0;
    const again = await lines();
    assert.equal(again.filter((line) => line.endsWith(HELD)).length, 16);
  });

  it('wait for the device in their order, and not when they are given up', async () => {
    const device = new DeviceQueue(2, BLOCK);
    const { kernel, read } = play({ device });
    kernel.isPatient = true;
    const giveUp = new AbortController();
    const reads = [read(0), read(1), read(2), read(3, 1, giveUp.signal), read(4)];
    assert.deepEqual(kernel.asked, ['read 0 nowait', 'read 1 nowait']);
    giveUp.abort();
    await assert.rejects(reads[3]!, { name: 'AbortError' });
    for (let index = 0; index < 4; index++) {
      kernel.underWay.shift()!();
      await new Promise(setImmediate);
    }
    await Promise.all([reads[0], reads[1], reads[2], reads[4]]);
    assert.deepEqual(
      kernel.asked.map((line) => line.slice(0, 6)),
      ['read 0', 'read 1', 'read 2', 'read 4'],
    );
    assert.equal(device.waiting, 0);
    assert.equal(await read(0, 3), 3 * BLOCK);
    assert.equal(kernel.asked.at(-1), 'pool read 0: more than the device takes at once');
    assert.ok(device.take(2), 'all has been given back');
  });

  it('take the pool until it is known where the bytes lie', async () => {
    const asked: number[] = [];
    let tell: (to: number) => void = nothing;
    const loadExtents = (_fd: number, from: number): Promise<number> => {
      asked.push(from);
      return new Promise((resolve) => {
        tell = resolve;
      });
    };
    const extents = new KnownExtents({ loadExtents }, 9);
    const begun = extents.begin({ size: 9 * BLOCK, blocks: (9 * BLOCK) / 512, blksize: 512 });
    tell(2 * BLOCK);
    await begun;
    const { kernel, read, routing } = play({ extents });
    await read(1);
    await read(2);
    await read(3);
    const NOT_KNOWN = 'place on the device not in memory';
    assert.deepEqual(kernel.asked, [
      'read 1 nowait',
      `pool read 2: ${NOT_KNOWN}`,
      `pool read 3: ${NOT_KNOWN}`,
    ]);
    assert.deepEqual(asked, [0, 2 * BLOCK]);
    assert.ok(kernel.file.activity.isUnderWay, 'the descriptor is used');
    tell(Number.POSITIVE_INFINITY);
    await new Promise(setImmediate);
    assert.ok(!kernel.file.activity.isUnderWay);
    await read(3);
    assert.equal(kernel.asked.at(-1), 'read 3 nowait');
    // Once may be anything.
    routing.held('read', 1);
    assert.ok(extents.reachTo(BLOCK));
    routing.held('read', 2);
    assert.ok(!extents.reachTo(BLOCK));
  });
});

/** Whether temporary files can be opened with O_DIRECT. */
async function takesDirect(): Promise<boolean> {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-direct-'));
  try {
    writeFileSync(join(directory, 'file'), Buffer.alloc(8 * BLOCK));
    await using file = await open(join(directory, 'file'), 'r', 0o666, { direct: 'prefer' });
    return file.direct;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
const hasDirect = await takesDirect();

for (const { name, open: openKernel, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`a direct file, ${name}`, () => {
    it.skipIf(!hasDirect)('counts what went to the thread pool, and why', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'kaio-direct-'));
      try {
        const path = join(directory, 'file');
        writeFileSync(path, Buffer.alloc(8 * BLOCK, 1));
        await using context = new AioContext({ kernel: openKernel() });
        await using file = await open(path, 'r+', 0o666, { context, direct: 'prefer' });
        await file.sync();
        const buffer = alignedBuffer(BLOCK).fill(7);
        for (let index = 0; index < 8; index++) {
          const { bytesWritten } = await file.write(buffer, 0, BLOCK, (8 + index) * BLOCK);
          assert.equal(bytesWritten, BLOCK);
        }
        const { bytesRead } = await file.read(buffer.fill(0), 0, BLOCK, 15 * BLOCK);
        assert.equal(bytesRead, BLOCK);
        assert.equal(buffer[BLOCK - 1], 7);
        assert.equal((await file.stat()).size, 16 * BLOCK);
        const counts = Object.values(context.stats.threadPool);
        const all = counts.reduce((sum, count) => sum + count, 0);
        // How many depends on the file system; the emulation's requests are on the pool without saying so.
        assert.ok(name === 'emulated' ? all === 0 : all <= 10, JSON.stringify(context.stats.threadPool));
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  });
}
