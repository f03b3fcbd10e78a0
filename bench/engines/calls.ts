/** The waist in a tight loop: `io_submit`, then the ring in memory, then `io_getevents` where nothing is there yet. */
import { closeSync, openSync } from 'node:fs';
import { Batch } from '../../src/common/context/batch.ts';
import { IocbSlab } from '../../src/common/context/iocb-slab.ts';
import { abi, errnoException } from '../../src/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';
import { isMixed, isWrite, mixWrites } from '../job.ts';
import type { Phase } from '../phase.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';

const EVENT_WORDS = abi.IO_EVENT_BYTES / 4;
const DATA = 0;
const RES = 4;

export async function openCalls(work: Work): Promise<Session> {
  const { blocks, blockSize, queueDepth } = work;
  const kernel = openNativeKernel();
  const { memory } = kernel;
  const fd = openSync(work.path, openFlags(work));
  const ctxp = new BigUint64Array(1);
  const answer = kernel.io_setup(queueDepth, memory.addressOf(ctxp));
  if (answer < 0) {
    closeSync(fd);
    throw errnoException(answer, 'io_setup');
  }
  const ctx = Number(ctxp[0]);
  const ring = kernel.mapRing(ctx);
  if (ring === undefined) throw new Error('the ring of the context cannot be mapped here');
  const slab = new IocbSlab(memory, queueDepth);
  const batch = new Batch(memory, slab);
  const addresses = blocks.map((block) => memory.addressOf(block));
  const events = new Int32Array(queueDepth * EVENT_WORDS);
  const eventsAt = memory.addressOf(events);
  const always = isWrite(work) ? abi.IOCB_CMD_PWRITE : abi.IOCB_CMD_PREAD;
  const opcodeAt = isMixed(work)
    ? (position: number): number =>
        mixWrites(position / blockSize) ? abi.IOCB_CMD_PWRITE : abi.IOCB_CMD_PREAD
    : (): number => always;

  /** Lanes whose transfer has ended. */
  const idle = new Uint32Array(queueDepth);
  let idleCount = 0;

  const run = (phase: Phase): void => {
    let inFlight = 0;
    let over = false;
    const end = (lane: number, res: number): void => {
      if (res < 0) throw errnoException(res, isWrite(work) ? 'pwrite' : 'pread');
      phase.end(lane, blocks[lane]!, res);
      idle[idleCount++] = lane;
      inFlight--;
    };
    const sink = (lane: number, _high: number, res: number): void => end(lane, res);
    idleCount = queueDepth;
    for (let lane = 0; lane < queueDepth; lane++) idle[lane] = lane;
    while (!over || inFlight > 0) {
      batch.clear();
      while (!over && idleCount > 0) {
        const lane = idle[idleCount - 1]!;
        const position = phase.take(lane, blocks[lane]!);
        if (position < 0) {
          over = true;
          break;
        }
        idleCount--;
        slab.prepare(lane, opcodeAt(position), fd, addresses[lane]!, blockSize, position, 0, 0, 0, lane);
        batch.add(lane, blockSize);
      }
      for (let done = 0; done < batch.length; ) {
        const accepted = kernel.io_submit(ctx, batch.length - done, batch.iocbppAt(done));
        if (accepted < 0 && accepted !== -abi.ERRNO.EINTR) throw errnoException(accepted, 'io_submit');
        done += Math.max(0, accepted);
        inFlight += Math.max(0, accepted);
      }
      if (inFlight === 0 || ring.reap(queueDepth, sink) > 0) continue;
      const got = kernel.io_getevents(ctx, 1, queueDepth, eventsAt, 0);
      if (got < 0 && got !== -abi.ERRNO.EINTR) throw errnoException(got, 'io_getevents');
      for (let index = 0; index < got; index++) {
        const at = index * EVENT_WORDS;
        end(events[at + DATA]!, events[at + RES]!);
      }
    }
  };

  return {
    async run(phase) {
      run(phase);
    },
    async close() {
      // Waits for what a failed run left in flight, before the blocks and the slab can go.
      await kernel.destroyInBackground(ctx);
      closeSync(fd);
    },
  };
}
