/** `AioFile` over either kernel, opened by its own `open()`. */
import { AioContext, open, selectKernel } from '../../src/index.ts';
import { isWrite } from '../job.ts';
import type { Phase } from '../phase.ts';
import type { Session, Work } from './engine.ts';
import { runLanes } from './lanes.ts';

/** The depth of the context that files share unless they are given one. */
const SHARED_DEPTH = 128;

export async function openFile(backend: 'native' | 'emulated', work: Work): Promise<Session> {
  const { blocks, blockSize, mode, path, queueDepth } = work;
  // A deeper queue than the shared context has is one that a user would have to ask for, too.
  const own =
    queueDepth > SHARED_DEPTH
      ? new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth })
      : undefined;
  const file = await open(path, isWrite(work) ? 'r+' : 'r', 0o666, {
    direct: mode === 'direct' ? 'require' : false,
    ...(own === undefined ? { backend } : { context: own }),
  });
  const run = isWrite(work)
    ? (phase: Phase) =>
        runLanes(
          phase,
          blocks,
          (block, position) => file.write(block, 0, blockSize, position),
          ({ bytesWritten }) => bytesWritten,
        )
    : (phase: Phase) =>
        runLanes(
          phase,
          blocks,
          (block, position) => file.read(block, 0, blockSize, position),
          ({ bytesRead }) => bytesRead,
        );
  return {
    run,
    async close() {
      await file.close();
      await own?.close();
    },
  };
}
