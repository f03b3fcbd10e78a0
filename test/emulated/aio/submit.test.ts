import * as fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { temporaryFile, user } from '../user.ts';

const PREAD = 0;
const UNKNOWN_OPCODE = 99;
const EBADF = -9;
const EAGAIN = -11;
const EFAULT = -14;
const EINVAL = -22;
const EOPNOTSUPP = -95;
const KERNEL_ADDRESS = 0x7fff_ffff_f000;

/** An iocb with every fault, which are taken away one after the other. */
function ladder(profile: 'linux-6.x' | 'linux-2.6.20') {
  const u = user({ profile });
  const file = temporaryFile('x', 'r');
  const ctx = u.setup(1);
  const bytes = u.keep(new Uint8Array(64));
  const view = new DataView(bytes.buffer);
  const address = u.addressOf(bytes);
  view.setUint32(8, 7, true);
  view.setUint32(12, 0x4000, true);
  view.setUint16(16, UNKNOWN_OPCODE, true);
  view.setUint32(20, 1_000_000, true);
  view.setBigUint64(24, BigInt(KERNEL_ADDRESS), true);
  view.setBigInt64(32, -1n, true);
  view.setBigInt64(40, -1n, true);
  view.setBigUint64(48, 1n, true);
  view.setUint32(56, 1, true);
  view.setUint32(60, 1_000_001, true);
  const held = u.kernel.install({ read: () => 'retry' });
  const waiting = u.iocb({
    aio_lio_opcode: PREAD,
    aio_fildes: held,
    aio_buf: u.addressOf(u.keep(new Uint8Array(1))),
    aio_nbytes: 1,
  });
  return {
    ...u,
    ctx,
    view,
    fd: file.fd,
    answer: () => u.submit(ctx, address),
    key: () => view.getUint32(8, true),
    /** Takes every slot. */
    fill(): void {
      while (u.submit(ctx, waiting) === 1);
    },
    /** Gives them all back, with the context. */
    another(): number {
      u.kernel.io_destroy(ctx);
      return u.setup(1);
    },
    address,
    done: () => file.remove(),
  };
}

describe('the ladder of io_submit: the first rung that fails decides', () => {
  it('in the order of today', () => {
    const { submit, answer, key, fill, another, view, address, fd, kernel, done } = ladder('linux-6.x');
    fill();
    expect(answer()).toBe(EINVAL); // aio_reserved2
    view.setBigUint64(48, 0n, true);
    expect(answer()).toBe(EINVAL); // aio_nbytes below 0
    view.setBigInt64(32, 8n, true);
    expect(answer()).toBe(EAGAIN); // no slot
    const ctx = another();
    const again = () => submit(ctx, address);
    expect(again()).toBe(EBADF); // descriptor
    view.setUint32(20, fd, true);
    expect(again()).toBe(EBADF); // eventfd
    view.setUint32(60, fd, true);
    expect(again()).toBe(EINVAL); // no eventfd
    expect(key()).toBe(7);
    view.setUint32(60, kernel.eventfd(0, 0), true);
    expect(again()).toBe(EINVAL); // opcode
    expect(key()).toBe(0);
    view.setUint16(16, 1, true);
    expect(again()).toBe(EOPNOTSUPP); // flags
    view.setUint32(12, 0, true);
    expect(again()).toBe(EBADF); // open mode
    view.setUint16(16, PREAD, true);
    expect(again()).toBe(EFAULT); // buffer
    view.setBigUint64(24, 0x1000n, true);
    expect(again()).toBe(EINVAL); // place
    view.setBigInt64(40, 0n, true);
    expect(again()).toBe(1); // an event from here on
    done();
  });

  it('in the order of 2007', () => {
    const { submit, answer, key, fill, another, view, address, fd, kernel, done } = ladder('linux-2.6.20');
    fill();
    expect(answer()).toBe(EINVAL); // aio_reserved2
    view.setBigUint64(48, 0n, true);
    expect(answer()).toBe(EINVAL); // what are flags today
    for (const at of [12, 56, 60]) view.setUint32(at, 0, true);
    expect(answer()).toBe(EINVAL); // aio_nbytes below 0
    view.setBigInt64(32, 8n, true);
    expect(answer()).toBe(EBADF); // descriptor
    const writeOnly = kernel.install({ write: () => 1 });
    view.setUint32(20, writeOnly, true);
    expect(answer()).toBe(EAGAIN); // no slot
    expect(key()).toBe(7);
    const ctx = another();
    const again = () => submit(ctx, address);
    expect(again()).toBe(EINVAL); // opcode
    expect(key()).toBe(0);
    view.setUint16(16, 1, true);
    view.setUint32(20, fd, true);
    expect(again()).toBe(EBADF); // open mode
    view.setUint16(16, PREAD, true);
    view.setUint32(20, writeOnly, true);
    expect(again()).toBe(EFAULT); // buffer
    view.setBigUint64(24, 0x1000n, true);
    expect(again()).toBe(EINVAL); // method
    view.setUint32(20, fd, true);
    expect(again()).toBe(1); // an event from here on, whatever the place
    done();
  });
});

describe.skipIf(!fs.existsSync('/dev/urandom'))('POLL of a device of the host', () => {
  it('that plain Node.js cannot watch is EINVAL, and the capability manifest says so', () => {
    const u = user();
    const fd = fs.openSync('/dev/urandom', 'r');
    const ctx = u.setup(1);
    expect(u.submit(ctx, { aio_lio_opcode: 5, aio_fildes: fd, aio_buf: 1 })).toBe(EINVAL);
    expect(u.kernel.supports.features['polls-descriptors']).toMatch(/EINVAL/);
    fs.closeSync(fd);
  });
});
