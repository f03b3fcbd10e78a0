/** Files that were closed die young: the garbage collector's short pauses stay short where many files are opened, read and closed. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { KERNELS } from '../../support/kernels.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-short-lives-'));
const path = join(home, 'file');
writeFileSync(path, Buffer.alloc(4096));
afterAll(() => rmSync(home, { recursive: true }));

/** Compiled: a process of its own, whose heap has nothing else in it. */
const PROGRAM = `
  import { getHeapSpaceStatistics } from 'node:v8';
  import { open as openHost } from 'node:fs/promises';
  import { open as openOurs } from ${JSON.stringify(new URL('../../../dist/src/index.js', import.meta.url).href)};
  const FILES = 200;
  const bytes = Buffer.alloc(4096);
  const used = () => getHeapSpaceStatistics()
    .filter(({ space_name }) => space_name === 'new_space' || space_name === 'old_space')
    .reduce((sum, { space_used_size }) => sum + space_used_size, 0);
  const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
  async function survivingBytes(open) {
    for (let i = 0; i < FILES; i++) {
      const file = await open(${JSON.stringify(path)});
      await file.read(bytes, 0, 4096, 0);
      await file.close();
      if (i % 50 === 0) await turn();
    }
    await turn();
    // What outlives two short collections is old.
    gc({ type: 'minor' });
    gc({ type: 'minor' });
    const after = used();
    gc();
    return (after - used()) / FILES;
  }
  // The first round is the compiler's.
  const [, ...hosts] = [await survivingBytes(openHost), await survivingBytes(openHost), await survivingBytes(openHost)];
  const [, ...ours] = [await survivingBytes(openOurs), await survivingBytes(openOurs), await survivingBytes(openOurs)];
  console.log(JSON.stringify({ host: Math.min(...hosts), ours: Math.min(...ours) }));
`;

describe.each(KERNELS)('files of the $name kernel', ({ name, missing }) => {
  it.skipIf(missing !== undefined)('die young when they have been closed', () => {
    const answer = execFileSync(
      process.execPath,
      [
        '--expose-gc',
        '--min-semi-space-size=16',
        '--max-semi-space-size=16',
        '--input-type=module',
        '-e',
        PROGRAM,
      ],
      { encoding: 'utf8', env: { ...process.env, KAIO_BACKEND: name } },
    );
    const { host, ours } = JSON.parse(answer) as { host: number; ours: number };
    // A FileHandle leaves a kilobyte behind; a file that does not die young, more than five.
    expect(ours).toBeLessThan(host + 2000);
  });
});
