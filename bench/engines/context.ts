/** `AioContext` over either kernel, with `io_submit` on this thread or on others. */
import { closeSync, openSync } from 'node:fs';
import { AioContext, selectKernel } from '../../src/index.ts';
import { isWrite } from '../job.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';
import { runLanes } from './lanes.ts';

/** @throws AioStateError where that kernel can't be had: no other is measured in its place. */
export async function openContext(
  backend: 'native' | 'emulated',
  work: Work,
  submitThreads?: number,
): Promise<Session> {
  const { kernel } = selectKernel({ backend });
  const context = new AioContext({
    kernel,
    queueDepth: work.queueDepth,
    submitThread: submitThreads ?? false,
  });
  if (submitThreads !== undefined && context.submitThreads === 0) {
    await context.close();
    throw new Error('there are no threads for io_submit without the addon: npm run build:addon');
  }
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
