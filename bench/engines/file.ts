/** `AioFile` over either kernel, opened by its own `open()`. */
import { AioContext, open, selectKernel } from '../../src/index.ts';
import { isMixed, isWrite } from '../job.ts';
import type { Session, Work } from './engine.ts';
import { transfersOf } from './transfers.ts';

/** The depth of the context that files share unless they are given one. */
const SHARED_DEPTH = 128;

export async function openFile(backend: 'native' | 'emulated', work: Work): Promise<Session> {
  const { mode, path, queueDepth } = work;
  // A deeper queue than the shared context has is one that a user would have to ask for, too.
  const own =
    queueDepth > SHARED_DEPTH
      ? new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth })
      : undefined;
  const file = await open(path, isWrite(work) || isMixed(work) ? 'r+' : 'r', 0o666, {
    direct: mode === 'direct' ? 'require' : false,
    ...(own === undefined ? { backend } : { context: own }),
  });
  const run = transfersOf(file, work);
  return {
    run,
    async close() {
      await file.close();
      await own?.close();
    },
  };
}
