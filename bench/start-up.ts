/** How long a program takes to its first read, with kaio and without. */
import { runProgram } from './process.ts';

const LIMIT_MS = 30_000;

/** Both read the program that runs them; time is counted from the start of the process. */
function program(specifier: string): string {
  return `
    import { open } from ${JSON.stringify(specifier)};
    const file = await open(process.execPath, 'r');
    await file.read(Buffer.alloc(4096), 0, 4096, 0);
    const ms = performance.now();
    await file.close();
    console.log(ms);`;
}

async function once(specifier: string, signal?: AbortSignal): Promise<number> {
  const { stdout, stderr, status } = await runProgram(
    process.execPath,
    ['--input-type=module', '--eval', program(specifier)],
    { limitMs: LIMIT_MS, signal },
  );
  if (status !== 0) throw new Error(stderr.trim().split('\n')[0]);
  return Number(stdout);
}

/** @returns Milliseconds that kaio takes more than `node:fs/promises`, each round. */
export async function startUpDifferences(rounds: number, signal?: AbortSignal): Promise<number[]> {
  const kaio = new URL('../src/index.js', import.meta.url).href;
  const differences: number[] = [];
  // The first round fills the page cache with the program's files.
  for (let round = -1; round < rounds; round++) {
    const plain = await once('node:fs/promises', signal);
    const ours = await once(kaio, signal);
    if (round >= 0) differences.push(ours - plain);
  }
  return differences;
}
