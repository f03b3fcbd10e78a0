/** `writeFile()` of pieces that is aborted some microtasks after a piece was handed out: as far as FileHandle writes, so does AioFile. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { open } from '../../../src/index.ts';
import { KERNELS } from '../../support/kernels.ts';

const MOST_MICROTASKS = 24;
const home = mkdtempSync(join(tmpdir(), 'kaio-abort-'));

afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Written {
  writeFile(data: AsyncIterable<Uint8Array>, options: { signal: AbortSignal }): Promise<unknown>;
  close(): Promise<unknown>;
}

/** @returns What the call came to, and what is in the file. */
async function aborted(opened: Promise<Written>, path: string, microtasks: number): Promise<string> {
  const controller = new AbortController();
  async function* pieces(): AsyncGenerator<Uint8Array> {
    let left = microtasks;
    const tick = (): void => {
      if (left-- === 0) controller.abort();
      else queueMicrotask(tick);
    };
    tick();
    yield Buffer.from('one');
    yield Buffer.from('');
    yield Buffer.from('two');
  }
  const file = await opened;
  const outcome = await file.writeFile(pieces(), { signal: controller.signal }).then(
    () => 'resolves',
    (error: Error) => error.name,
  );
  await file.close();
  return `${outcome}, '${readFileSync(path, 'utf8')}'`;
}

describe.each(KERNELS.filter(({ missing }) => missing === undefined))('$name', ({ name }) => {
  it('writes as much as FileHandle', async () => {
    const seen = new Set<string>();
    const path = join(home, name);
    for (let microtasks = 0; microtasks <= MOST_MICROTASKS; microtasks++) {
      const handle = openHandle(path, 'w') as unknown as Promise<Written>;
      const expected = await aborted(handle, path, microtasks);
      const backend = name === 'native' ? 'native' : 'emulated';
      const file = open(path, 'w', 0o666, { backend }) as unknown as Promise<Written>;
      assert.equal(await aborted(file, path, microtasks), expected, `after ${microtasks} microtasks`);
      seen.add(expected);
    }
    assert.ok(seen.size > 1, [...seen].join(' '));
  });
});
