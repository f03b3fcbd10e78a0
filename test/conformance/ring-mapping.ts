/** The ring as a mapping: moved, unmapped, put back. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { IOCB_CMD_POLL, POLLIN } from '../../src/common/abi/constants.ts';
import { IO_EVENT_BYTES } from '../../src/common/abi/layout.ts';
import type { Word } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import type { Fixture, IocbFields } from './fixture.ts';

const MREMAP_MAYMOVE_FIXED = 3;
const MREMAP_MAYMOVE = 1;
const MREMAP_DONTUNMAP = 4;
const PROT_READ_WRITE = 3;
const PROT_READ_EXEC = 5;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x32;

function poll(fd: number, data: number): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: fd, aio_buf: POLLIN, aio_data: data };
}

/** Every call refuses the handle. */
function refusedByAll(f: Fixture, ctx: Word): void {
  const { kernel } = f;
  f.fails(kernel.io_submit(ctx, 0, 0), 'EINVAL', 'io_submit');
  f.fails(kernel.io_getevents(ctx, 0, 0, 0, 0), 'EINVAL', 'io_getevents');
  f.fails(kernel.io_pgetevents(ctx, 0, 0, 0, 0, 0), 'EINVAL', 'io_pgetevents');
  f.fails(kernel.io_cancel(ctx, f.iocb({}).address, 0), 'EINVAL', 'io_cancel');
  f.fails(kernel.io_destroy(ctx), 'EINVAL', 'io_destroy');
}

/** Moves a ring of one page to a fresh address. */
function move(f: Fixture, ctx: number): number {
  const { host } = f;
  const to = f.kernel.memory.mmap(f.page, 'read-write');
  f.succeeds(to, 'mmap');
  assert.equal(host.call('mremap', ctx, f.page, f.page, MREMAP_MAYMOVE_FIXED, to), to);
  f.adopt(to);
  return to;
}

export const ringMappingCases: readonly Case[] = [
  {
    id: 'ring/unreadable-all-calls',
    rule: 'RING-11',
    title: 'PROT_NONE: every call EINVAL until restored',
    requires: ['ring-protection', 'kernel-obeys-protection'],
    run(f) {
      const ctx = f.setup(1);
      f.accepted(ctx, poll(f.eventfd(1), 1));
      assert.equal(f.kernel.memory.mprotect(ctx, f.page, 'none'), 0);
      try {
        refusedByAll(f, ctx);
      } finally {
        assert.equal(f.kernel.memory.mprotect(ctx, f.page, 'read-write'), 0);
      }
      assert.equal(f.reap(ctx, 1)[0]!.data, 1n);
    },
  },
  {
    id: 'ring/id-altered-all-calls',
    rule: 'RING-09',
    title: 'another id: every call EINVAL until restored',
    run(f) {
      const ctx = f.setup(1);
      const { id } = f.ring(ctx);
      f.setRing(ctx, 'id', 0x7fffffff);
      refusedByAll(f, ctx);
      f.setRing(ctx, 'id', id);
      assert.deepEqual(f.ready(ctx), []);
    },
  },
  {
    id: 'ring/ids-swapped',
    rule: 'RING-09',
    title: 'the id of another context does not make its handle',
    run(f) {
      const ctx = f.setup(1);
      const { id } = f.ring(ctx);
      f.setRing(ctx, 'id', f.ring(f.setup(1)).id);
      refusedByAll(f, ctx);
      f.setRing(ctx, 'id', id);
      assert.deepEqual(f.ready(ctx), []);
    },
  },
  {
    id: 'ring/head-reduced-when-empty',
    rule: 'RING-05',
    title: 'head nr, tail 0: nothing, and head becomes 0',
    run(f) {
      const ctx = f.setup(1);
      f.setRing(ctx, 'head', f.ring(ctx).nr);
      assert.deepEqual(f.ready(ctx), []);
      assert.equal(f.ring(ctx).head, 0);
    },
  },
  {
    id: 'ring/munmap-and-back',
    rule: 'RING-12 RING-16',
    title: 'unmapped: every call EINVAL; a page with the id there: the kernel works on its own ring',
    requires: ['ring-mapping'],
    run: (f) =>
      f.undisturbed(() => {
        const { host, kernel } = f;
        const ctx = f.setup(1);
        const { id } = f.ring(ctx);
        f.accepted(ctx, poll(f.eventfd(1), 1));
        const quota = kernel.limits.aio_nr();
        assert.equal(kernel.memory.munmap(ctx, f.page), 0);
        refusedByAll(f, ctx);
        const charged = kernel.limits.aio_nr();
        // The address does not fit the int that `call` answers: what the calls below find there is the proof.
        host.call('mmap', ctx, f.page, PROT_READ_WRITE, MAP_PRIVATE_FIXED_ANONYMOUS, -1, 0);
        f.setRing(ctx, 'id', id);
        assert.deepEqual(
          f.ready(ctx).map(({ data }) => data),
          [1n],
        );
        assert.equal(f.ring(ctx).head, 0, 'the page that was put there is not the ring');
        assert.equal(charged, quota, 'the quota stays charged');
      }),
  },
  {
    id: 'ring/mremap',
    rule: 'RING-13',
    title: 'moved, with an event unreaped and a request in flight: the new address is the handle',
    requires: ['ring-mapping'],
    run(f) {
      const ctx = f.setup(1);
      const fd = f.eventfd(0);
      f.accepted(ctx, poll(f.eventfd(1), 1), poll(fd, 2));
      const moved = move(f, ctx);
      refusedByAll(f, ctx);
      assert.equal(f.reap(moved, 1)[0]!.data, 1n);
      assert.equal(f.kernel.eventfd_write(fd, 1n), 0);
      assert.equal(f.reap(moved, 1)[0]!.data, 2n);
      assert.equal(f.ring(moved).head, 2);
    },
  },
  {
    id: 'ring/mremap-destroy',
    rule: 'RING-13',
    title: 'moved: io_destroy takes the new address and unmaps there',
    requires: ['ring-mapping'],
    run(f) {
      const moved = move(f, f.setup(1));
      assert.equal(f.destroy(moved), 0);
      assert.equal(f.kernel.memory.read(moved, 32), undefined);
    },
  },
  {
    id: 'ring/mremap-refused',
    rule: 'RING-14',
    title: 'grown: EFAULT; MREMAP_DONTUNMAP: EINVAL; a second mapping by old size 0: EFAULT',
    requires: ['ring-mapping'],
    run(f) {
      const ctx = f.setup(1);
      const { host } = f;
      f.fails(host.call('mremap', ctx, f.page, 2 * f.page, MREMAP_MAYMOVE, 0), 'EFAULT', 'mremap');
      f.fails(
        host.call('mremap', ctx, f.page, f.page, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0),
        'EINVAL',
        'mremap',
      );
      f.fails(host.call('mremap', ctx, 0, f.page, MREMAP_MAYMOVE, 0), 'EFAULT', 'mremap');
      f.accepted(ctx, poll(f.eventfd(1), 1));
      assert.equal(f.reap(ctx, 1)[0]!.data, 1n);
    },
  },
  {
    id: 'ring/tail-unmapped',
    rule: 'RING-15',
    title: 'all but the first page unmapped: the calls go on working',
    requires: ['ring-protection'],
    run(f) {
      const eventsOfPage = f.page / IO_EVENT_BYTES;
      const ctx = f.setup(eventsOfPage);
      const bytes = Math.ceil((32 + f.ring(ctx).nr * 32) / f.page) * f.page;
      assert.ok(bytes > f.page);
      assert.equal(f.kernel.memory.munmap(ctx + f.page, bytes - f.page), 0);
      const fd = f.eventfd(1);
      for (let round = 0; round < 2 * eventsOfPage + 44; round++) {
        f.accepted(ctx, poll(fd, round));
        assert.equal(f.reap(ctx, 1)[0]!.data, BigInt(round));
      }
    },
  },
  {
    id: 'ring/mapping',
    rule: 'SETUP-14',
    title: 'io_setup takes no descriptor; its mapping is shared, writable, named, and never executable',
    requires: ['ring-mapping', 'process-lifetime'],
    run(f) {
      const { host } = f;
      const descriptors = readdirSync('/proc/self/fd').length;
      const ctx = f.setup(1);
      assert.equal(readdirSync('/proc/self/fd').length, descriptors);
      const line = readFileSync('/proc/self/maps', 'utf8')
        .split('\n')
        .find((one) => one.startsWith(`${ctx.toString(16)}-`));
      assert.match(line ?? '', / rw-s .*\/\[aio\] \(deleted\)$/);
      f.fails(host.call('mprotect', ctx, f.page, PROT_READ_EXEC), 'EACCES', 'mprotect');
    },
  },
];
