/**
 * One build, one case, one process: a turn of reads for each message, answered with the CPU time that it took.
 *
 * It uses what kaio exports and nothing of its inside, so that a build may be of any commit.
 */
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openFlags } from './engines/flags.ts';
import { messageOf } from './errors.ts';
import { GUARD_BLOCK_BYTES, GUARD_FILE_BYTES, type GuardAnswer, type GuardJob } from './guard-job.ts';
import { blockOrder } from './order.ts';

type Kaio = typeof import('../src/index.ts');
/** Reads the block at a position into the memory of a lane. */
type Transfer = (block: Buffer, position: number) => Promise<unknown>;

const SEED = 1;

async function transferOf(kaio: Kaio, { case: one, path }: GuardJob): Promise<Transfer> {
  const { way, backend, direct, depth } = one;
  const options = { backend, direct: direct ? ('require' as const) : (false as const) };
  switch (way) {
    case 'context': {
      const { kernel } = kaio.selectKernel({ backend });
      // The context and the descriptor end with the process.
      const context = new kaio.AioContext({ kernel, queueDepth: depth, submitThread: false });
      const mode = direct ? 'direct' : 'cached';
      const fd = openSync(
        path,
        openFlags({ rw: 'randread', mode, blockSize: GUARD_BLOCK_BYTES, queueDepth: depth }),
      );
      return (block, position) => context.read(fd, block, position);
    }
    case 'file': {
      const file = await kaio.open(path, 'r', 0o666, options);
      return (block, position) => file.read(block, 0, GUARD_BLOCK_BYTES, position);
    }
    case 'open':
      return async (block, position) => {
        const file = await kaio.open(path, 'r', 0o666, options);
        await file.read(block, 0, GUARD_BLOCK_BYTES, position);
        await file.close();
      };
  }
}

async function turns(job: GuardJob): Promise<() => Promise<number>> {
  const kaio = (await import(pathToFileURL(join(job.build, 'dist/src/index.js')).href)) as Kaio;
  const transfer = await transferOf(kaio, job);
  const { depth, transfers } = job.case;
  const blocks = Array.from({ length: depth }, () => kaio.alignedBuffer(GUARD_BLOCK_BYTES));
  const order = blockOrder(GUARD_FILE_BYTES / GUARD_BLOCK_BYTES, true, SEED);
  const turn = async (): Promise<number> => {
    let taken = 0;
    const lane = async (block: Buffer): Promise<void> => {
      while (taken < transfers) await transfer(block, order[taken++ % order.length]! * GUARD_BLOCK_BYTES);
    };
    const before = process.cpuUsage();
    await Promise.all(blocks.map(lane));
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  for (let count = 0; count < job.warmUpTurns; count++) await turn();
  return turn;
}

function answer(one: GuardAnswer): void {
  process.send!(one);
}

async function main(job: GuardJob): Promise<void> {
  const turn = await turns(job);
  process.on('message', () => {
    turn().then(
      (cpuUs) => answer({ cpuUs }),
      (error: unknown) => answer({ failure: messageOf(error) }),
    );
  });
  answer({ cpuUs: 0 });
}

process.once('disconnect', () => process.exit());
main(JSON.parse(process.argv[2]!) as GuardJob).catch((error: unknown) =>
  answer({ failure: messageOf(error) }),
);
