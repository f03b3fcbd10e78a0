import { strictEqual } from 'node:assert';
import { AioContext, type AioFile, open } from 'kaio';
import { everyCrash, type Simulation, simulate } from 'kaio/emulated';

async function save({ kernel, fs }: Simulation, value: number, syncs: boolean): Promise<void> {
  await using context = new AioContext({ kernel });
  {
    await using file: AioFile = await open('/counter.new', 'w', 0o666, { context });
    await file.writeFile(String(value));
    if (syncs) await file.sync();
  }
  await fs.promises.rename('/counter.new', '/counter');
  await using folder = await open('/', 'r', 0o666, { context });
  await folder.sync();
}

/** @returns What breaks the promise. */
async function test(syncs: boolean): Promise<string> {
  const simulation = simulate({ seed: 1 });
  let acknowledged = 0;
  const program = async (): Promise<void> => {
    for (let value = 1; value <= 3; value++) {
      await save(simulation, value, syncs);
      acknowledged = value;
    }
  };
  const verify = async (after: Simulation): Promise<void> => {
    if (acknowledged === 0) return;
    const found = Number(await after.fs.promises.readFile('/counter', 'utf8'));
    // It may be the one that was being saved.
    strictEqual(found >= acknowledged, true, `${acknowledged} was promised, and ${found} is there`);
  };
  try {
    await everyCrash(simulation, program, verify, { pages: false });
    return 'every crash is survived';
  } catch (error) {
    return (error as Error).message;
  }
}

console.log('with the sync:', await test(true));
console.log('without:', (await test(false)).split('\n')[0]);
