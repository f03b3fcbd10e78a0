import * as fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasReadIter } from '../../../src/emulated/files/procfs.ts';
import { user } from '../user.ts';

const EINVAL = -22;

describe('files of /proc', () => {
  // As observed on Linux 6.18.
  it.each([
    ['1/status', false],
    ['1/task/2/comm', false],
    ['1/attr/current', false],
    ['1/mountinfo', true],
    ['1/task/2/mounts', true],
    ['1/net/tcp', false],
    ['1/net/softnet_stat', true],
    ['net/dev', false],
    ['net/stat/arp_cache', true],
    ['uptime', true],
    ['sys/fs/aio-nr', true],
    ['irq/24/node', true],
    ['irq/24/smp_affinity', false],
    ['irq/default_smp_affinity', false],
    ['pressure/io', false],
    ['kallsyms', false],
    ['fs/ext4/vda/options', true],
    ['fs/jbd2/vda-8/info', false],
  ])('%s can be read by AIO: %s', (name, expected) => {
    expect(hasReadIter(name)).toBe(expected);
  });

  it.skipIf(process.platform !== 'linux')(
    'is read without a context whether it has a read_iter or not',
    () => {
      const u = user();
      const fd = fs.openSync('/proc/self/status', 'r');
      const buffer = Buffer.alloc(64);
      const aio_buf = u.addressOf(buffer);
      expect(u.submit(u.setup(), { aio_lio_opcode: 0, aio_fildes: fd, aio_buf, aio_nbytes: 64 })).toBe(
        EINVAL,
      );
      expect(u.kernel.readSync(fd, buffer)).toBe(64);
      expect(buffer.toString('latin1', 0, 5)).toBe('Name:');
      fs.closeSync(fd);
    },
  );
});
