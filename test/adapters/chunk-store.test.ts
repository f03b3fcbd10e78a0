import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ChunkStore, type ChunkStoreOptions } from 'kaio/chunk-store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'kaio-adapter-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const FILES = [
  { path: 'a', length: 5 },
  { path: join('sub', 'b'), length: 1 },
  { path: 'empty', length: 0 },
  { path: 'c', length: 20 },
];

const put = (store: ChunkStore, index: number, chunk: Uint8Array) =>
  new Promise<void>((resolve, reject) =>
    store.put(index, chunk, (error) => (error ? reject(error) : resolve())),
  );
const get = (store: ChunkStore, index: number, range?: object | null) =>
  new Promise<string>((resolve, reject) =>
    store.get(index, range, (error, chunk) => (error ? reject(error) : resolve(String(chunk)))),
  );
const close = (store: ChunkStore) =>
  new Promise<void>((resolve, reject) => store.close((error) => (error ? reject(error) : resolve())));

describe.each(['native', 'emulated'] as const)('kaio/chunk-store on the %s backend', (backend) => {
  it('passes the suite of abstract-chunk-store', async () => {
    const program = fileURLToPath(new URL('./published-suite.mjs', import.meta.url));
    const args = [program, 'chunk-store', 'kaio', backend];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    expect(stdout).toMatch(/^# tests 343\n# pass {2}343$/m);
  });

  it('keeps chunks in several files, each where it belongs', async () => {
    const store = new ChunkStore(8, { path: folder, files: FILES, backend });
    expect(store.length).toBe(26);
    await Promise.all(
      ['abcdefgh', 'ijklmnop', 'qrstuvwx', 'yz'].map((text, at) => put(store, at, Buffer.from(text))),
    );
    expect(await get(store, 0)).toBe('abcdefgh');
    expect(await get(store, 0, { offset: 4, length: 3 })).toBe('efg');
    expect(await get(store, 3, null)).toBe('yz');
    await close(store);
    const read = (name: string) => fs.readFileSync(join(folder, name), 'utf8');
    expect([read('a'), read('sub/b'), read('c')]).toEqual(['abcde', 'f', 'ghijklmnopqrstuvwxyz']);
  });

  it('refuses what is no chunk, by a code', async () => {
    const store = new ChunkStore(8, { path: join(folder, 'file'), length: 20, backend });
    await expect(get(store, 0)).rejects.toMatchObject({ code: 'ENOENT' });
    await put(store, 0, Buffer.alloc(8));
    await expect(get(store, 1)).rejects.toMatchObject({ code: 'ERR_AIO_SHORT_FILE' });
    await expect(put(store, 2, Buffer.alloc(8))).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
    await put(store, 2, Buffer.alloc(4));
    for (const index of [3, -1, 1.5])
      await expect(get(store, index)).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await expect(get(store, 0, { offset: 9 })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' });
    await close(store);
    await expect(get(store, 0)).rejects.toMatchObject({ code: 'ERR_AIO_CLOSED' });
  });
});

it.each<[string, ChunkStoreOptions]>([
  ['leads out', { path: 'torrent', files: [{ path: '../../etc/passwd', length: 1 }] }],
  ['leads to the folder itself', { path: 'torrent', files: [{ path: 'x/..', length: 1 }] }],
  ['has no files', { files: [] }],
  ['is longer than its files', { files: [{ path: 'x', length: 1 }], length: 2 }],
])('refuses a store that %s', (_, options) => {
  expect(() => new ChunkStore(8, options)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }),
  );
});
