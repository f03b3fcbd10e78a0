/** What loads slowly, and few programs need, is loaded on first use. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { CLI, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

/** `node:crypto` alone takes five milliseconds and more. */
const SLOW = ['crypto', 'readline', 'stream/web', 'assert', 'child_process', 'zlib'];

const home = mkdtempSync(join(tmpdir(), 'kaio-lazy-'));
afterAll(() => rmSync(home, { recursive: true }));

/** Compiled, in a process of its own, and from a file: for `--eval`, Node.js loads modules of its own accord. */
const program = join(home, 'program.mjs');
writeFileSync(
  program,
  `const before = new Set(process.moduleLoadList);
  const { open, replaceFile } = await import(${JSON.stringify(pathToFileURL(join(dirname(dirname(CLI)), 'index.js')).href)});
  const loaded = () => process.moduleLoadList.filter((name) => !before.has(name));
  const file = await open(process.execPath, 'r');
  await file.read(Buffer.alloc(4096), 0, 4096, 0);
  await file.close();
  const opened = loaded();
  await replaceFile(process.argv[2], 'text');
  const answer = { opened, replaced: loaded() };
  console.log(JSON.stringify(answer));`,
);

describe.each(KERNELS)('a program on the $name kernel', ({ name, missing }) => {
  it.skipIf(missing !== undefined)(
    'opens and reads a file without modules of Node.js that load slowly',
    () => {
      const { stdout, stderr, status } = run(process.execPath, [program, join(home, 'file')], {
        env: { ...process.env, KAIO_BACKEND: name },
      });
      assert.equal(status, 0, stderr);
      const { opened, replaced } = JSON.parse(stdout) as { opened: string[]; replaced: string[] };
      const slow = (names: string[]): string[] => SLOW.filter((one) => names.includes(`NativeModule ${one}`));
      assert.deepEqual(slow(opened), []);
      // It needs a name that nobody guesses.
      assert.deepEqual(slow(replaced), ['crypto']);
    },
  );
});
