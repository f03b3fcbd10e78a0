/** Opening files of a simulation, as programs do. */
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { type SimulateOptions, type Simulation, simulate } from '../../../src/emulated/index.ts';
import { type OpenOptions, open } from '../../../src/open.ts';

const contexts = new WeakMap<Simulation, AioContext>();

export function contextOf(simulation: Simulation): AioContext {
  let context = contexts.get(simulation);
  if (context === undefined) {
    context = new AioContext({ kernel: simulation.kernel, queueDepth: 32 });
    contexts.set(simulation, context);
  }
  return context;
}

export function openOn(
  simulation: Simulation,
  path: string,
  flags: string | number = 'r',
  options: OpenOptions = {},
): Promise<AioFile> {
  return open(path, flags, 0o666, { ...options, context: contextOf(simulation) });
}

/** A disk on which nothing goes wrong but what is asked for. */
export function calm(options: Partial<SimulateOptions> = {}): Simulation {
  const faults = { lost: 0, torn: 0, misdirected: 0, ...options.faults };
  return simulate({ seed: 1, kernel: { debug: true }, ...options, faults });
}

export async function write(
  simulation: Simulation,
  path: string,
  content: string,
  flags = 'w',
): Promise<void> {
  await using file = await openOn(simulation, path, flags);
  await file.writeFile(content);
}

/** Content of a file as Latin-1, or `undefined` if there is none. */
export async function read(simulation: Simulation, path: string): Promise<string | undefined> {
  try {
    await using file = await openOn(simulation, path);
    return (await file.readFile()).toString('latin1');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function sync(
  simulation: Simulation,
  path: string,
  how: 'sync' | 'datasync' = 'sync',
): Promise<void> {
  await using file = await openOn(simulation, path);
  await file[how]();
}
