/** `AioContext` over either kernel. */
import { closeSync, openSync } from 'node:fs';
import { AioContext, selectKernel } from '../../src/index.ts';
import { isWrite } from '../job.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';
import { runLanes } from './lanes.ts';

/** @throws AioStateError where that kernel can't be had: no other is measured in its place. */
export async function openContext(backend: 'native' | 'emulated', work: Work): Promise<Session> {
  const { kernel } = selectKernel({ backend });
  const context = new AioContext({ kernel, queueDepth: work.queueDepth });
  let fd: number;
  try {
    fd = openSync(work.path, openFlags(work));
  } catch (error) {
    await context.close();
    throw error;
  }
  kernel.fget(fd);
  const transfer = isWrite(work)
    ? (block: Buffer, position: number) => context.write(fd, block, position)
    : (block: Buffer, position: number) => context.read(fd, block, position);
  return {
    run: (phase) => runLanes(phase, work.blocks, transfer, (count) => count),
    async close() {
      await context.close();
      kernel.fput(fd);
      closeSync(fd);
    },
  };
}
