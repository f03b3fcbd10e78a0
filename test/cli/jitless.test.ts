/** Without a compiler V8 has no WebAssembly, where page-aligned memory comes from else. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Report } from '../conformance/index.ts';
import { CLI, type Ended, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const TIME_LIMIT_MS = 300_000;
const library = pathToFileURL(join(dirname(CLI), '../index.js')).href;
const directory = mkdtempSync(join(tmpdir(), 'kaio-jitless-'));
afterAll(() => rmSync(directory, { recursive: true }));

function jitless(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  return run(process.execPath, ['--jitless', ...args], {
    timeout: TIME_LIMIT_MS,
    env: { ...process.env, ...env },
  });
}

const PROGRAM = `
  import { alignedBuffer, open } from ${JSON.stringify(library)};
  const buffer = alignedBuffer(8192);
  const file = await open(process.argv[1], 'r', 0o666, { direct: 'prefer' });
  const { bytesRead } = await file.read(buffer, 0, 8192, 4096);
  const { direct } = file;
  await file.close();
  let refusal;
  try {
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
  } catch (error) {
    refusal = error.name;
  }
  const first = [buffer[0], buffer[8191]];
  console.log(JSON.stringify({ wasm: typeof WebAssembly, bytesRead, first, direct, moves: refusal === undefined }));
`;

describe('node --jitless', () => {
  it('passes the suite on the emulation, direct requests too', { timeout: TIME_LIMIT_MS }, () => {
    const { stdout, status } = jitless([CLI, 'conformance', '--backend', 'emulated', '--json']);
    const { cases } = JSON.parse(stdout) as Report;
    expect(cases.filter(({ outcome }) => outcome === 'failed' || outcome === 'broken')).toEqual([]);
    const passed = cases.filter(({ id, outcome }) => id.startsWith('direct/') && outcome === 'passed');
    expect([status, passed.length > 0]).toEqual([0, true]);
  });

  describe.each(KERNELS)('$name', ({ name, missing }) => {
    it.skipIf(missing !== undefined)('reads into aligned memory that stays where it is', () => {
      const path = join(directory, name);
      writeFileSync(path, Buffer.alloc(16384).fill(7, 4096, 8192).fill(9, 8192, 12288));
      const { stdout } = jitless(['--input-type=module', '--eval', PROGRAM, path], {
        KAIO_BACKEND: name,
      });
      expect(JSON.parse(stdout)).toMatchObject({
        wasm: 'undefined',
        bytesRead: 8192,
        first: [7, 9],
        moves: false,
      });
    });
  });
});
