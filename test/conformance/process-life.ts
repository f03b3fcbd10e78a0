/** What becomes of contexts at exit, fork and exec; and 32-bit programs. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { IOCB_CMD_POLL, POLLIN } from '../../src/common/abi/constants.ts';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { SYSNO } from '../../src/native/sysno.ts';
import type { Case } from './case.ts';
import { answerOf, start } from './child.ts';
import type { Fixture } from './fixture.ts';
import { forkAndCall, insistOnMachineCode } from './machine-code.ts';
import { Unsupported } from './outcome.ts';

const { EFAULT, EINVAL, ENOMEM } = ERRNO;
const MAP_SHARED_ANONYMOUS_32BIT = 0x61;
const PROT_READ_WRITE = 3;
const READ = 0;
const WRITE = 1;
const LOAD = -1;
const ENTRY_BYTES = 64;
/** What the child asks for. */
const HELD = 50;
const LOOKS = 100;

/** aio-nr is risen by what a child holds. @returns Waits until it has fallen to where it was. */
function holding(f: Fixture, before: number): () => Promise<void> {
  const { limits } = f.kernel;
  assert.equal(limits.aio_nr() - before, HELD, 'aio-nr has risen by what the child holds');
  return async () => {
    for (let look = 0; look < LOOKS && limits.aio_nr() !== before; look++) await setTimeout(5);
    assert.equal(limits.aio_nr(), before, 'aio-nr falls back');
  };
}

/** Memory that a forked child shares. */
function sharedPage(f: Fixture): number {
  const page = f.host.call('mmap', 0, f.page, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS_32BIT, -1, 0);
  f.succeeds(page, 'mmap');
  f.after(() => f.kernel.memory.munmap(page, f.page));
  return page;
}

/** The name of the program that a process runs; `undefined` where it has ended. */
function programOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
  } catch {
    return undefined;
  }
}

async function compat(scenario: string): Promise<unknown> {
  insistOnMachineCode();
  const probe = await start('compat', 'probe').ended();
  if (probe.answer !== true) throw new Unsupported('this kernel has no 32-bit system calls');
  return answerOf('compat', scenario);
}

export const processLifeCases: readonly Case[] = [
  ...(['hold-pending', 'hold-waiting'] as const).map(
    (scenario): Case => ({
      id: `exit/killed-${scenario}`,
      rule: 'EXIT-01 EXIT-03',
      title: `killed with a poll pending${scenario === 'hold-waiting' ? ', inside io_getevents' : ''}: ends at once, aio-nr falls`,
      requires: ['process-lifetime'],
      run: (f) =>
        f.undisturbed(async () => {
          const before = f.kernel.limits.aio_nr();
          using child = start('processes', scenario);
          await child.line();
          if (scenario === 'hold-waiting') await child.insideSyscall(SYSNO[process.arch]!.io_getevents);
          const fallen = holding(f, before);
          child.kill('SIGKILL');
          assert.equal((await child.ended()).signal, 'SIGKILL');
          await fallen();
        }),
    }),
  ),
  {
    id: 'exit/in-flight',
    rule: 'EXIT-02 EXIT-03',
    title: 'exit with disk requests in flight and a poll pending: the process ends',
    requires: ['process-lifetime'],
    async run() {
      const { code, errors } = await start('processes', 'exit-in-flight').ended();
      assert.equal(code, 0, errors);
    },
  },
  {
    id: 'exec/destroys',
    rule: 'EXIT-08 EXIT-03',
    title: 'exec destroys every context: aio-nr falls while the process lives on',
    requires: ['process-lifetime'],
    run: (f) =>
      f.undisturbed(async () => {
        const before = f.kernel.limits.aio_nr();
        using child = start('processes', 'exec');
        await child.line();
        const fallen = holding(f, before);
        child.kill('SIGUSR2');
        while (programOf(child.pid) !== 'sleep') {
          if (programOf(child.pid) === undefined) {
            const { answer, errors } = await child.ended();
            assert.equal(answer, 'there is no sleep', errors);
            throw new Unsupported('there is no sleep(1) to exec');
          }
          await setTimeout(5);
        }
        await fallen();
        child.kill('SIGKILL');
        assert.equal((await child.ended()).signal, 'SIGKILL');
      }),
  },
  {
    id: 'fork/child',
    rule: 'EXIT-04 EXIT-05 EXIT-06',
    title:
      'a forked child: the handle is EINVAL, the ring is shared memory, its own context has id 0 and counts',
    requires: ['process-lifetime'],
    run: (f) =>
      f.undisturbed(async () => {
        insistOnMachineCode();
        const { host, kernel } = f;
        const ctx = f.setup(3);
        const ready = { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN };
        f.accepted(ctx, { ...ready, aio_data: 1 }, { ...ready, aio_data: 2 });
        const page = sharedPage(f);
        const word = page + 2048;
        const header = page + 2048 + 16;
        const seen = host.pipe(false);
        const given = host.pipe(false);
        const done = host.pipe(false);
        for (const fd of [...seen, ...given, ...done]) f.after(() => host.call('close', fd));
        // What the child puts into the head of the ring.
        f.poke(word + 8, new Uint8Array(new Uint32Array([1]).buffer));
        host.call('write', given[1], word + 8, 4);
        const numbers = SYSNO[process.arch]!;
        const calls: readonly (readonly number[])[] = [
          [WRITE, seen[1], ctx, 16],
          [numbers.io_submit, ctx, 0, 0],
          [numbers.io_getevents, ctx, 0, 0, 0, 0],
          [numbers.io_destroy, ctx],
          [READ, given[0], ctx + 8, 4],
          [numbers.io_setup, HELD, word],
          [LOAD, word],
          [WRITE, seen[1], word, 1],
          // Until the parent has seen enough.
          [READ, done[0], header, 1],
        ];
        f.pokeWord(page, calls.length);
        calls.forEach((call, index) => {
          call.forEach((value, position) => {
            f.pokeWord(page + 16 + index * ENTRY_BYTES + position * 8, value);
          });
        });
        const before = kernel.limits.aio_nr();
        forkAndCall(f, page);
        const pid = Number(f.peekWord(page + 8));
        f.after(() => host.call('waitpid', pid, 0, 0));
        f.after(() => host.call('write', done[1], header, 1));
        assert.equal(host.call('read', seen[0], header, 16), 16);
        const [, , head, tail] = new Uint32Array(f.peek(header, 16).slice().buffer);
        assert.deepEqual([head, tail], [0, 2], 'the child sees the head and the tail');
        assert.equal(host.call('read', seen[0], header, 1), 1);
        const answers = calls.map((_, index) =>
          Number(BigInt.asIntN(64, f.peekWord(page + 16 + index * ENTRY_BYTES + 56))),
        );
        assert.deepEqual(answers.slice(1, 4), [-EINVAL, -EINVAL, -EINVAL]);
        assert.equal(answers[5], 0, 'io_setup of the child');
        assert.equal(answers[6], 0, 'the id of its ring');
        assert.deepEqual(
          f.ready(ctx).map(({ data }) => data),
          [2n],
          'the head that the child has moved is the head',
        );
        const fallen = holding(f, before);
        host.call('write', done[1], header, 1);
        await fallen();
      }),
  },
  {
    id: 'io_setup/address-space',
    rule: 'SETUP-14',
    title: 'RLIMIT_AS too small for the ring: ENOMEM',
    requires: ['process-lifetime'],
    async run() {
      assert.equal(await answerOf('processes', 'address-space'), -ENOMEM);
    },
  },
  {
    id: 'compat/handle',
    rule: 'COMPAT-01',
    title: '32 bits: four bytes of handle are written, and the calls take it',
    requires: ['process-lifetime'],
    async run() {
      assert.deepEqual(await compat('handle'), {
        after: 0xabababab,
        poll: ['event', POLLIN],
        destroy: [0, -EINVAL],
      });
    },
  },
  {
    id: 'compat/transfers',
    rule: 'COMPAT-02 COMPAT-03 COMPAT-04',
    title: '32 bits: large lengths are cut, addresses are not, an iovec of 2 GiB is EINVAL',
    requires: ['process-lifetime'],
    async run() {
      assert.deepEqual(await compat('transfers'), {
        large: [
          ['event', 10],
          ['event', 10],
        ],
        bit32: ['event', -EFAULT],
        bit63: ['submit', -EFAULT],
        iovec: [
          ['submit', -EINVAL],
          ['event', 10],
        ],
      });
    },
  },
  {
    id: 'compat/arguments',
    rule: 'COMPAT-05',
    title:
      '32 bits: counts are signed, a timeout of -1 is forever, the upper half of 64-bit nanoseconds is ignored',
    requires: ['process-lifetime'],
    async run() {
      assert.deepEqual(await compat('arguments'), {
        negative: [-EINVAL, -EINVAL, -EINVAL],
        forever: 1,
        time64: 0,
      });
    },
  },
];
