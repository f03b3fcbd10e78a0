/**
 * A child of the storage stress that is killed in the middle of what it does.
 *
 * What begins and ends is written to a file, by a system call each, before the call and after it: that is there whatever becomes of the process.
 */
import { openSync, writeSync } from 'node:fs';
import { AioContext, selectKernel } from '../../../src/index.ts';
import { ENDED, FAILED, type Life } from './kill-life.ts';
import { planOf } from './plan.ts';
import { Round } from './round.ts';

async function live({ path, log, options }: Life): Promise<void> {
  const fd = openSync(log, 'w');
  const write = (entry: number): void => void writeSync(fd, Int32Array.of(entry));
  const round = new Round(path, planOf({ ...options, without: new Set(options.without) }), {
    began: write,
    ended: (operation, failed) => write(operation + (failed ? FAILED : ENDED)),
  });
  await round.open();
  process.send!('working');
  await round.run();
  for (const { what } of round.refused) console.error(what);
  process.send!('done');
}

/** Makes what takes time once: kernels, and the code that a transfer takes. */
async function warmUp(): Promise<void> {
  for (const backend of ['native', 'emulated'] as const) {
    try {
      await new AioContext({ kernel: selectKernel({ backend }).kernel, queueDepth: 8 }).close();
    } catch {
      // The plan says which ones are needed.
    }
  }
}

await warmUp();
process.on('message', (life: Life) => void live(life));
process.on('disconnect', () => process.exit(0));
process.send!('ready');
