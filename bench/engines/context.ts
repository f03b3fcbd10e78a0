/** `AioContext` over either kernel, with `io_submit` on this thread or on others. */
import { closeSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { AioContext, selectKernel } from '../../src/index.ts';
import { isMixed, isWrite, mixWrites } from '../job.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';
import { runLanes } from './lanes.ts';

interface ContextChoice {
  readonly submitThreads?: number;
  /** What transfers are given: a descriptor that is promised to stay, one of which nothing is known, or a FileHandle. */
  readonly carrier?: 'held' | 'descriptor' | 'FileHandle';
}

/** @throws AioStateError where that kernel can't be had: no other is measured in its place. */
export async function openContext(
  backend: 'native' | 'emulated',
  work: Work,
  { submitThreads, carrier = 'held' }: ContextChoice = {},
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
  let fd: number | FileHandle;
  try {
    fd =
      carrier === 'FileHandle'
        ? await open(work.path, openFlags(work))
        : openSync(work.path, openFlags(work));
  } catch (error) {
    await context.close();
    throw error;
  }
  const file = fd;
  const held = typeof file === 'number' && carrier === 'held';
  if (held) kernel.fget(file);
  const write = (block: Buffer, position: number): Promise<number> => context.write(file, block, position);
  const read = (block: Buffer, position: number): Promise<number> => context.read(file, block, position);
  const mixed = (block: Buffer, position: number): Promise<number> =>
    mixWrites(position / work.blockSize) ? write(block, position) : read(block, position);
  const transfer = isMixed(work) ? mixed : isWrite(work) ? write : read;
  return {
    run: (phase) => runLanes(phase, work.blocks, transfer, (count) => count),
    async close() {
      await context.close();
      if (held) kernel.fput(file);
      if (typeof file === 'number') closeSync(file);
      else await file.close();
    },
  };
}
