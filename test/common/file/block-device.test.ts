import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, rmSync, type Stats, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { blockDeviceOf } from '../../../src/common/file/block-device.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { fromDescriptor, open } from '../../../src/open.ts';
import { KERNELS } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-device-'));
const loops = new Set<string>();

function command(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

let images = 0;
/** A loop device over a file of zeros that takes no room. */
function loop(bytes: number, sectorBytes: number, ...more: string[]): string {
  const image = join(directory, `image-${images++}`);
  command('truncate', '--size', String(bytes), image);
  const device = command('losetup', '--find', '--show', '--sector-size', String(sectorBytes), ...more, image);
  loops.add(device);
  return device;
}

function detach(device: string): void {
  command('losetup', '--detach', device);
  loops.delete(device);
}

const MIB = 1 << 20;
const GIB = 1 << 30;

/** Why there are no loop devices to be had. */
function refusal(): string | undefined {
  if (process.platform !== 'linux') return `there are none on ${process.platform}`;
  try {
    for (const sectorBytes of [512, 4096]) detach(loop(MIB, sectorBytes));
    return undefined;
  } catch (error) {
    return (error as Error).message.trim();
  }
}
const missingHere = refusal();
if (missingHere !== undefined)
  console.log(`block devices are not tested, for want of loop devices: ${missingHere}`);

afterAll(() => {
  for (const device of loops) detach(device);
  rmSync(directory, { recursive: true, force: true });
});

/** Bytes that tell where they stand. */
function pattern(position: number, length: number): Buffer {
  const bytes = alignedBuffer(length);
  for (let at = 0; at < length; at += 8) bytes.writeDoubleLE(position + at, at);
  return bytes;
}

it('a device that sysfs does not know is not described', async () => {
  const stat = { isBlockDevice: () => true, rdev: 0xfff00fff } as unknown as Stats;
  assert.equal(await blockDeviceOf(stat), undefined);
});

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined || missingHere !== undefined)(`block devices, ${backend}`, () => {
    const at = (name: string, flags: string | number = 'r+', more = {}) =>
      open(name, flags, 0o666, { backend, ...more });

    it('other files are none', async () => {
      const name = join(directory, 'file');
      await using file = await at(name, 'w');
      assert.equal(file.blockDevice, undefined);
      await using device = await at('/dev/null');
      assert.equal(device.blockDevice, undefined);
      assert.equal('blockDevice' in file, true);
    });

    describe.each([512, 4096])('with sectors of %i bytes', (sectorBytes) => {
      const sizeBytes = 6 * MIB + 4096 * 3;
      let device = '';
      beforeAll(() => {
        device = loop(sizeBytes, sectorBytes);
      });

      it('tell what they are, opened or taken over', async () => {
        const expected = {
          sizeBytes,
          logicalSectorBytes: sectorBytes,
          physicalSectorBytes: sectorBytes,
          readOnly: false,
        };
        await using file = await at(device);
        assert.deepEqual(file.blockDevice, expected);
        assert.equal((await file.stat()).size, 0);
        await using borrowed = await fromDescriptor(file.fd, { backend });
        assert.deepEqual(borrowed.blockDevice, expected);
        await using direct = await at(device, 'r+', { direct: 'require' });
        assert.deepEqual(direct.blockDevice, expected);
        assert.equal(direct.direct, true);
      });

      it.each([false, 'require'] as const)(
        'are read and written to their end, direct: %s',
        async (direct) => {
          await using file = await at(device, 'r+', { direct });
          assert.equal(file.direct, direct !== false);
          if (direct !== false) {
            // Memory may be asked for less than a sector.
            assert.deepEqual([file.alignment.offset, file.alignment.length], [sectorBytes, sectorBytes]);
            assert.ok(file.alignment.memory <= sectorBytes);
          }
          // In pieces that the device takes, odd in number.
          const whole = pattern(direct === false ? 0 : 8, sizeBytes);
          assert.equal((await file.writeFully(whole, { position: 0 })).bytesWritten, sizeBytes);
          await file.datasync();

          const block = (): Buffer => alignedBuffer(2 * sectorBytes);
          const last = sizeBytes - sectorBytes;
          assert.equal((await file.read(block(), 0, 2 * sectorBytes, last)).bytesRead, sectorBytes);
          for (const beyond of [sizeBytes, sizeBytes + sectorBytes, 2 ** 40])
            assert.equal((await file.read(block(), 0, 2 * sectorBytes, beyond)).bytesRead, 0, String(beyond));
          const across = await file.write(
            whole.subarray(last - sectorBytes, last + sectorBytes),
            0,
            2 * sectorBytes,
            last,
          );
          assert.equal(across.bytesWritten, sectorBytes);
          await file.write(whole.subarray(last), 0, sectorBytes, last);
          for (const beyond of [sizeBytes, sizeBytes + sectorBytes, 2 ** 40]) {
            const writing = file.write(block(), 0, 2 * sectorBytes, beyond);
            await assert.rejects(writing, { code: 'ENOSPC', syscall: 'write' });
          }
          await assert.rejects(file.writeFully(block(), { position: last }), {
            code: 'ENOSPC',
            bytesDone: sectorBytes,
          });
          await file.write(whole.subarray(last), 0, sectorBytes, last);

          const target = alignedBuffer(sizeBytes + MIB);
          const { bytesRead } = await file.readFully(target, { position: 0 });
          assert.equal(bytesRead, sizeBytes);
          assert.ok(target.subarray(0, sizeBytes).equals(whole));
        },
      );

      it.each([false, 'require'] as const)('are whole files and streams, direct: %s', async (direct) => {
        const options = { direct, unaligned: 'copy' };
        const content = pattern(direct === false ? 16 : 32, sizeBytes);
        {
          await using writer = await at(device, 'w', options);
          await writer.writeFile(content);
          // There is no more room than the device has.
          await assert.rejects(writer.writeFile(alignedBuffer(sectorBytes)), { code: 'ENOSPC' });
          await writer.sync();
        }
        const reader = () => at(device, 'r', options);
        {
          await using file = await reader();
          const bytes = await file.readFile();
          assert.equal(bytes.length, sizeBytes);
          assert.ok(bytes.equals(content));
          assert.equal((await file.readFile()).length, 0);
        }
        const streams = [
          async () => (await reader()).createReadStream(),
          async () => (await reader()).readableWebStream({ autoClose: true }),
        ];
        for (const stream of streams) {
          const chunks: Buffer[] = [];
          for await (const chunk of (await stream()) as AsyncIterable<Uint8Array>)
            chunks.push(Buffer.from(chunk));
          assert.ok(Buffer.concat(chunks).equals(content));
        }
        await using borrowedFrom = await reader();
        await using borrowed = await fromDescriptor(borrowedFrom.fd, {
          backend,
          direct: direct !== false,
          unaligned: 'copy',
        });
        assert.ok((await borrowed.readFile()).equals(content));
      });

      it('forget a range of sectors, and have no room to make', async () => {
        await using file = await at(device);
        await file.writeFully(pattern(0, MIB), { position: 0 });
        await file.punchHole(4096, 8192);
        const bytes = (await file.readFully(Buffer.alloc(MIB), { position: 0 })).buffer;
        const expected = pattern(0, MIB).fill(0, 4096, 4096 + 8192);
        assert.ok(bytes.equals(expected));
        const refused = (code: string) => ({ code, syscall: 'fallocate' });
        await assert.rejects(file.punchHole(4096, 100), refused('EINVAL'));
        await assert.rejects(file.punchHole(sectorBytes / 2, sectorBytes), refused('EINVAL'));
        await assert.rejects(file.allocate(0, MIB), refused('EOPNOTSUPP'));
      });
    });

    it('may be larger than 4 GiB', async () => {
      const sizeBytes = 5 * GIB + 4096;
      const device = loop(sizeBytes, 4096);
      for (const direct of [false, 'require'] as const) {
        await using file = await at(device, 'r+', { direct });
        assert.equal(file.blockDevice?.sizeBytes, sizeBytes);
        for (const position of [4 * GIB - 4096, 4 * GIB, 5 * GIB]) {
          await file.write(pattern(position, 4096), 0, 4096, position);
          const { bytesRead, buffer } = await file.read(alignedBuffer(8192), 0, 8192, position);
          assert.equal(bytesRead, position === 5 * GIB ? 4096 : 8192);
          assert.ok(buffer.subarray(0, 4096).equals(pattern(position, 4096)));
        }
        assert.equal((await file.read(alignedBuffer(4096), 0, 4096, sizeBytes)).bytesRead, 0);
        await assert.rejects(file.write(alignedBuffer(4096), 0, 4096, sizeBytes), { code: 'ENOSPC' });
      }
      // More than is read at once: said before anything is read, where kaio reads it.
      await using direct = await at(device, 'r', { direct: 'require' });
      await assert.rejects(direct.readFile(), { code: 'ERR_FS_FILE_TOO_LARGE' });
      await using copying = await at(device, 'r', { direct: 'require', unaligned: 'copy' });
      let streamed = 0;
      for await (const chunk of copying.createReadStream({ start: 5 * GIB }))
        streamed += (chunk as Buffer).length;
      assert.equal(streamed, 4096);
    });

    it('may be read-only', async () => {
      const device = loop(MIB, 512, '--read-only');
      await using file = await at(device, 'r');
      assert.equal(file.blockDevice?.readOnly, true);
      // As Linux has it, that is no reason not to open it.
      for (const direct of [false, 'require'] as const) {
        await using writer = await at(device, 'r+', { direct });
        await assert.rejects(writer.write(alignedBuffer(512), 0, 512, 0), {
          code: 'EPERM',
          syscall: 'write',
        });
        assert.equal((await writer.read(alignedBuffer(512), 0, 512, 0)).bytesRead, 512);
      }
    });

    it('may be partitions', async (context) => {
      const device = loop(4 * MIB, 4096);
      try {
        command('addpart', device, '1', '2048', '4096');
      } catch (error) {
        return context.skip(`no partition can be made here: ${(error as Error).message}`);
      }
      const name = join(directory, `partition-${images++}`);
      const sys = `/sys/class/block/${device.slice('/dev/'.length)}p1/dev`;
      const [major, minor] = command('cat', sys).split(':') as [string, string];
      command('mknod', name, 'b', major, minor);
      try {
        await using file = await at(name, 'r+', { direct: 'require' });
        assert.deepEqual(file.blockDevice, {
          sizeBytes: 2 * MIB,
          logicalSectorBytes: 4096,
          physicalSectorBytes: 4096,
          readOnly: false,
        });
        assert.equal(file.alignment.offset, 4096);
        assert.equal((await file.readFile()).length, 2 * MIB);
        await file.write(pattern(0, 4096), 0, 4096, 0);
        await using disk = await at(device, 'r', { direct: 'require' });
        assert.ok((await disk.read(alignedBuffer(4096), 0, 4096, MIB)).buffer.equals(pattern(0, 4096)));
      } finally {
        command('delpart', device, '1');
      }
    });

    it('are had by one with O_EXCL, and by nobody who asks for that while they are mounted', async (context) => {
      const device = loop(16 * MIB, 512);
      const { O_RDWR, O_EXCL } = constants;
      const busy = { code: 'EBUSY', syscall: 'open' };
      for (const direct of [false, 'prefer', 'require'] as const) {
        const file = await at(device, O_RDWR | O_EXCL, { direct });
        await assert.rejects(at(device, O_RDWR | O_EXCL, { direct }), busy);
        await (await at(device, O_RDWR, { direct })).close();
        await file.close();
      }
      const folder = mkdtempSync(join(directory, 'mounted-'));
      try {
        command('mkfs.ext4', '-q', device);
        command('mount', device, folder);
      } catch (error) {
        return context.skip(`nothing can be mounted here: ${(error as Error).message}`);
      }
      try {
        for (const direct of [false, 'prefer', 'require'] as const)
          await assert.rejects(at(device, O_RDWR | O_EXCL, { direct }), busy);
        assert.ok(statSync(device).isBlockDevice());
      } finally {
        command('umount', folder);
      }
    });
  });
}
