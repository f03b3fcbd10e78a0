/**
 * Prints a digest of the histories of some simulations. It is the same on every host and under every version of Node.js;
 * check-node-versions compares.
 */
import { createHash } from 'node:crypto';
import { everyCrash, MODELS, type ModelName, type Simulation, simulate } from '../../src/emulated/index.ts';
import { AioContext, type AioFile, open } from '../../src/index.ts';

const SEEDS = 20;
const ROUNDS = 10;
const REQUESTS = 16;
const MOST_BYTES = 5000;
const MOST_POSITION = 20_000;
const FAULTS = { EIO: 0.02, ENOSPC: 0.02, EAGAIN: 0.1, shortRead: 0.2, shortWrite: 0.2, misdirected: 0.1 };

/** Everything that a file can do, much of it at once. */
async function program(simulation: Simulation): Promise<void> {
  const { random } = simulation;
  const context = new AioContext({ kernel: simulation.kernel, queueDepth: 8 });
  const files = await Promise.all(['/one', '/two'].map((path) => open(path, 'w+', 0o666, { context })));
  const request = (file: AioFile): Promise<unknown> => {
    const position = random.below(MOST_POSITION);
    const bytes = random.bytes(1 + random.below(MOST_BYTES));
    switch (random.below(6)) {
      case 0:
        return file.datasync();
      case 1:
        return file.readv([new Uint8Array(10), bytes], position);
      case 2:
        return file.truncate(position);
      case 3:
        return file.read(bytes, { position });
      default:
        return file.write(bytes, { position });
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    await Promise.allSettled(Array.from({ length: REQUESTS }, () => request(random.pick(files))));
    await simulation.sleep(random.below(3));
  }
  await simulation.fs.promises.rename('/two', '/three');
  await names(simulation);
  let streamed = 0;
  try {
    for await (const chunk of files[0]!.createReadStream({ autoClose: false })) streamed += chunk.length;
  } catch (error) {
    simulation.note(code(error));
  }
  simulation.note(`${streamed} bytes streamed`);
  for (const file of files) await file.close();
  await context.close();
}

/** By names, in all three ways. */
async function names(simulation: Simulation): Promise<void> {
  const { fs, random } = simulation;
  fs.mkdirSync('/directory/below', { recursive: true });
  const temporary = fs.mkdtempSync('/directory/');
  fs.symlinkSync('below', '/directory/link');
  for (let count = 0; count < ROUNDS; count++) {
    const path = `/directory/link/${random.below(4)}`;
    const tries = [
      () =>
        fs.writeFileSync(path, random.bytes(random.below(MOST_BYTES)), {
          flag: random.pick(['w', 'a', 'wx']),
        }),
      () => fs.promises.link(path, `${path}-linked`),
      () => new Promise<void>((resolve) => fs.rename(path, temporary, () => resolve())),
      () => fs.promises.cp('/directory', '/copy', { recursive: true }),
      () => fs.rmSync('/copy', { recursive: true, force: true }),
      () => fs.promises.rm('/copy', { recursive: true }),
      () => fs.copyFileSync(path, `${path}-copied`),
      () => new Promise<void>((resolve) => fs.writeFile(path, '', () => resolve())),
      async () => fs.appendFileSync('/errors', await fs.promises.realpath(path)),
      async () => fs.appendFileSync('/errors', String((await fs.promises.stat(path)).size)),
    ];
    try {
      await random.pick(tries)();
    } catch (error) {
      simulation.note(code(error));
    }
  }
}

/** Not the message: Node.js words it, and newer versions differently. */
function code(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}

const digest = createHash('sha256');
for (let seed = 1; seed <= SEEDS; seed++) {
  const simulation = simulate({ seed, faults: FAULTS });
  const after = await simulation.crashDuring(program, { withinEvents: 400 });
  for (const name of after.fs.readdirSync('/', { recursive: true }) as string[]) {
    digest.update(`${name} ${after.fs.lstatSync(name).mode}`);
    digest.update(await after.fs.promises.readFile(name).catch(code));
  }
  digest.update(String(after.trace));
}
for (const model of Object.keys(MODELS) as ModelName[]) {
  const simulation = simulate({ seed: 1, model, faults: { garbage: 0.1, damaged: 0.1, unreadable: 0.05 } });
  await everyCrash(
    simulation,
    program,
    async (after, { event, outcome }) => {
      digest.update(`${event} ${outcome} ${after.digest()} ${after.trace.tail(10)}`);
    },
    // Synchronous calls go on before anything is verified, and nothing is asked of what they have done.
    { when: ({ id }) => id % 7 === 0, state: () => undefined },
  );
  const after = await simulation.process().fs.promises.readdir('/');
  digest.update(after.join());
}
console.log(digest.digest('hex'));
