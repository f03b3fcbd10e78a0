/** What Node.js brings itself: the peers. */
import * as fs from 'node:fs';
import { open } from 'node:fs/promises';
import { isMixed, isWrite, mixWrites } from '../job.ts';
import type { Phase } from '../phase.ts';
import type { Session, Work } from './engine.ts';
import { openFlags } from './flags.ts';
import { transfersOf } from './transfers.ts';

/** `FileHandle.read` and `write`. */
export async function openFsPromises(work: Work): Promise<Session> {
  const handle = await open(work.path, openFlags(work));
  return { run: transfersOf(handle, work), close: () => handle.close() };
}

/** `fs.read` and `fs.write`. */
export async function openFsCallbacks(work: Work): Promise<Session> {
  const { blocks, blockSize } = work;
  const fd = fs.openSync(work.path, openFlags(work));
  const always = (isWrite(work) ? fs.write : fs.read) as typeof fs.read;
  const transferAt = isMixed(work)
    ? (position: number) => (mixWrites(position / blockSize) ? fs.write : fs.read) as typeof fs.read
    : () => always;
  const run = (phase: Phase): Promise<void> =>
    new Promise((resolve, reject) => {
      let lanes = blocks.length;
      let failure: unknown;
      const leave = (): void => {
        if (--lanes > 0) return;
        if (failure === undefined) resolve();
        else reject(failure);
      };
      for (const [lane, block] of blocks.entries()) {
        const next = (): void => {
          try {
            const position = failure === undefined ? phase.take(lane, block) : -1;
            if (position < 0) leave();
            else transferAt(position)(fd, block, 0, blockSize, position, ended);
          } catch (error) {
            failure = error;
            leave();
          }
        };
        const ended = (error: NodeJS.ErrnoException | null, bytes: number): void => {
          try {
            if (error !== null) throw error;
            phase.end(lane, block, bytes);
          } catch (wrong) {
            failure = wrong;
          }
          next();
        };
        next();
      }
    });
  return {
    run,
    async close() {
      fs.closeSync(fd);
    },
  };
}

/** `fs.readSync` and `fs.writeSync`: one at a time, whatever the depth. */
export async function openFsSync(work: Work): Promise<Session> {
  const { blocks, blockSize } = work;
  const fd = fs.openSync(work.path, openFlags(work));
  const always = (isWrite(work) ? fs.writeSync : fs.readSync) as typeof fs.readSync;
  const transferAt = isMixed(work)
    ? (position: number) =>
        (mixWrites(position / blockSize) ? fs.writeSync : fs.readSync) as typeof fs.readSync
    : () => always;
  return {
    async run(phase) {
      const block = blocks[0]!;
      for (;;) {
        const position = phase.take(0, block);
        if (position < 0) return;
        phase.end(0, block, transferAt(position)(fd, block, 0, blockSize, position));
      }
    },
    async close() {
      fs.closeSync(fd);
    },
  };
}
