import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AsyncBuffer, parquetReadObjects, asyncBufferFromFile as theirs } from 'hyparquet';
import { parquetWriteFile } from 'hyparquet-writer/src/node.js';
import { open } from 'kaio';
import { asyncBuffer, asyncBufferFromFile } from 'kaio/parquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROWS = 20_000;
const folder = fs.mkdtempSync(join(tmpdir(), 'kaio-adapter-'));
const path = join(folder, 'rows.parquet');
const names = Array.from({ length: ROWS }, (_, id) => `name ${id * 7919}`);

beforeAll(() => {
  const ids = Array.from({ length: ROWS }, (_, id) => id);
  parquetWriteFile({
    filename: path,
    columnData: [
      { name: 'id', data: ids, type: 'INT32' },
      { name: 'name', data: names, type: 'STRING' },
    ],
    rowGroupSize: 5000,
  });
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

describe.each(['native', 'emulated'] as const)('kaio/parquet on the %s backend', (backend) => {
  it.each([false, 'prefer'] as const)('reads what hyparquet reads, direct: %s', async (direct) => {
    const file = await asyncBufferFromFile(path, { backend, direct });
    // hyparquet's own type takes it.
    const taken: AsyncBuffer = file;
    const wanted = { columns: ['name', 'id'], rowStart: 7000, rowEnd: 13_000 };
    const rows = await parquetReadObjects({ file: taken, ...wanted });
    expect(rows).toEqual(await parquetReadObjects({ file: await theirs(path), ...wanted }));
    expect(rows).toHaveLength(6000);
    await file.close();
  });

  it('cuts pieces as ArrayBuffer.slice() does', async () => {
    const bytes = fs.readFileSync(path);
    const whole = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
    const file = await open(path, 'r', 0, { backend });
    const buffer = await asyncBuffer(file);
    for (const [start, end] of [[0], [5, 9], [-8], [-8, -4], [9, 5], [3.7, 8.2], [1e9], [0, 1e9]] as [
      number,
      number?,
    ][])
      expect(Buffer.from(await buffer.slice(start, end))).toEqual(Buffer.from(whole.slice(start, end)));
    await file.close();
  });

  it('says so where the file has become shorter', async () => {
    const other = join(folder, `short-${backend}`);
    fs.copyFileSync(path, other);
    await using file = await asyncBufferFromFile(other, { backend });
    fs.truncateSync(other, 100);
    await expect(file.slice(50, 200)).rejects.toMatchObject({ code: 'ERR_AIO_SHORT_FILE' });
  });
});
