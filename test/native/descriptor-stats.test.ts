/** What the native kernel tells of descriptors, beside what Node's fstat does. */
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { KERNELS } from '../support/kernels.ts';

const native = KERNELS.find(({ name }) => name === 'native')!;
const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-stat-'));
afterAll(() => fs.rmSync(directory, { recursive: true }));

function file(bytes: number, then: (fd: number) => void = () => {}): string {
  const path = join(directory, `${bytes}-${fs.readdirSync(directory).length}`);
  fs.writeFileSync(path, Buffer.alloc(bytes, 1));
  const fd = fs.openSync(path, 'r+');
  then(fd);
  fs.closeSync(fd);
  return path;
}

describe.skipIf(native.missing !== undefined)('the native kernel’s stat', () => {
  it.each([
    ['an empty file', () => file(0)],
    ['a file', () => file(10_000)],
    ['a file with a hole', () => file(5000, (fd) => fs.ftruncateSync(fd, 2 ** 33))],
    ['a folder', () => directory],
    ['a device', () => '/dev/null'],
    ['another device', () => '/dev/urandom'],
    ['a process file', () => '/proc/self/status'],
  ])('of %s is what fstat says', (_, path) => {
    const kernel = native.open();
    const fd = fs.openSync(path(), 'r');
    try {
      const stats = fs.fstatSync(fd);
      const { dev, ino, rdev, size, blocks, blksize } = stats;
      const told = kernel.stat!(fd)!;
      assert.deepEqual(
        { ...told, isFile: told.isFile(), isBlockDevice: told.isBlockDevice() },
        {
          ...{ dev, ino, rdev, size, blocks, blksize },
          isFile: stats.isFile(),
          isBlockDevice: stats.isBlockDevice(),
        },
      );
    } finally {
      fs.closeSync(fd);
    }
  });

  it('of a closed descriptor is nothing', () => {
    const kernel = native.open();
    const fd = fs.openSync(directory, 'r');
    fs.closeSync(fd);
    assert.equal(kernel.stat!(fd), undefined);
  });
});
