/** The log at every moment of one short life: what can be left on the disk there, and what it makes of it. */
import { deepStrictEqual } from 'node:assert';
import { AioContext, open } from 'kaio';
import {
  type EveryCrash,
  everyCrash,
  MODELS,
  type ModelName,
  type Simulation,
  simulate,
} from 'kaio/emulated';
import { type Flaw, storageWith } from './flaws.ts';
import { type Recovered, WriteAheadLog } from './write-ahead-log.ts';

const DIRECTORY = '/log';
/** Small, so that a short life has several. */
const SEGMENT_BYTES = 300;
const BATCHES = 16;
const WRITERS = 2;

export interface EveryCrashTestOptions {
  readonly seed: number | bigint | string;
  /** What is wrong with the log. Default: nothing. */
  readonly flaw?: Flaw | undefined;
  /** What the disk promises. Default `'posix'`. */
  readonly model?: ModelName | undefined;
  /** Crashes during the recovery from each crash. Default 1. */
  readonly again?: number | 'every';
  /** Where the page of a failure goes, as `everyCrash` takes it. Default: none. */
  readonly pages?: string | boolean;
}

/** What is tried. */
interface Trial {
  readonly flaw: Flaw | undefined;
  readonly model: ModelName;
}

function recover(simulation: Simulation, { flaw, model }: Trial): Promise<Recovered> {
  const context = new AioContext({ kernel: simulation.kernel, queueDepth: 4 });
  const options = {
    directory: DIRECTORY,
    names: simulation.fs.promises,
    open: (path: string, flags: string) => open(path, flags, 0o666, { context }),
    syncsDirectories: MODELS[model].syncsDirectories,
  };
  return WriteAheadLog.openOn(storageWith(flaw, options), SEGMENT_BYTES);
}

async function contentOf(simulation: Simulation, trial: Trial): Promise<string[]> {
  const { checkpoint, records, log } = await recover(simulation, trial);
  await log.close();
  const saved = checkpoint === undefined ? [] : (JSON.parse(checkpoint.toString()) as string[]);
  return [...saved, ...records.map(String)];
}

/**
 * Runs one log once, with segments and a checkpoint, and crashes it at each of its operations.
 *
 * @throws SimulationError with seed, moment and history when the log breaks its word.
 */
export async function everyCrashTest({
  seed,
  flaw,
  model = 'posix',
  again = 1,
  pages = false,
}: EveryCrashTestOptions): Promise<EveryCrash<void>> {
  const trial: Trial = { flaw, model };
  const simulation = simulate({ seed, model, strictNames: model === 'posix' });
  await simulation.fs.promises.mkdir(DIRECTORY);
  const context = new AioContext({ kernel: simulation.kernel, queueDepth: 1 });
  {
    // Where directories cannot be synced, a sync of anything covers the names that came before it.
    const [path, flags] = MODELS[model].syncsDirectories ? ['/', 'r'] : ['/ready', 'w'];
    await using file = await open(path, flags, 0o666, { context });
    await file.sync();
  }
  const attempted: string[] = [];
  const acknowledged: string[] = [];
  const program = async (): Promise<void> => {
    const { log } = await recover(simulation, trial);
    for (let batch = 0; batch < BATCHES; batch++) {
      const payloads = Array.from({ length: WRITERS }, (_, writer) => `${batch}.${writer} `.padEnd(60, 'x'));
      attempted.push(...payloads);
      await Promise.all(
        payloads.map(async (payload) => {
          await log.append(Buffer.from(payload));
          acknowledged.push(payload);
        }),
      );
      if (batch === BATCHES - 3)
        await log.checkpoint(Buffer.from(JSON.stringify(acknowledged)), acknowledged.length);
    }
    await log.close();
  };
  const verify = async (after: Simulation): Promise<void> => {
    const found = await contentOf(after, trial);
    const must = acknowledged.length;
    deepStrictEqual(
      found.slice(0, must),
      acknowledged,
      'a record that was acknowledged is missing or changed',
    );
    deepStrictEqual(found, attempted.slice(0, found.length), 'there are records that were not appended');
    deepStrictEqual(await contentOf(after, trial), found, 'recovery is not idempotent');
  };
  return everyCrash(simulation, program, verify, { again, kills: true, pages });
}
