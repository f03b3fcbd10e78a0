/** Scenarios about the life of a process: exit, fork, exec. */
import { IOCB_CMD_POLL, POLLIN } from '../../../src/common/abi/constants.ts';
import type { Fixture } from '../fixture.ts';
import { run } from './scenario.ts';

const RLIMIT_AS = 9;

function pending(f: Fixture, ctx: number): void {
  f.accepted(ctx, { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(0), aio_buf: POLLIN });
}

function cString(f: Fixture, text: string): number {
  const { bytes, address } = f.bytes(text.length + 1);
  Buffer.from(text).copy(bytes);
  return address;
}

await run({
  /** Holds a context of 50 with a poll in flight until it is killed. */
  'hold-pending'(f) {
    pending(f, f.setup(50));
    process.stdout.write('holding\n');
    return new Promise(() => setInterval(() => {}, 1000));
  },
  /** The same, inside io_getevents. */
  'hold-waiting'(f) {
    const ctx = f.setup(50);
    pending(f, ctx);
    process.stdout.write('holding\n');
    return f.kernel.io_getevents(ctx, 1, 1, f.bytes(32).address, 0);
  },
  /** Exits with disk reads in flight. */
  'exit-in-flight'(f) {
    const ctx = f.setup(50);
    const { fd } = f.file(Buffer.alloc(1 << 22));
    const { address } = f.bytes(1 << 22);
    f.accepted(ctx, f.read(fd, address, 1 << 22), { aio_lio_opcode: 2, aio_fildes: fd });
    pending(f, ctx);
    process.stdout.write('0\n', () => process.exit(0));
    return new Promise(() => {});
  },
  /** Becomes another program when it is told to. */
  async exec(f) {
    pending(f, f.setup(50));
    const told = new Promise((resolve) => process.once('SIGUSR2', resolve));
    const alive = setInterval(() => {}, 1000);
    process.stdout.write('holding\n');
    await told;
    clearInterval(alive);
    const argv = f.pointers(cString(f, 'sleep'), cString(f, '30'), 0);
    for (const path of ['/bin/sleep', '/usr/bin/sleep'])
      f.host.call('execve', cString(f, path), argv, f.pointers(0));
    return 'there is no sleep';
  },
  /** No address space is left for a ring. */
  'address-space'(f) {
    const { address } = f.ctxp();
    const old = f.pointers(0, 0);
    f.succeeds(f.host.call('getrlimit', RLIMIT_AS, old), 'getrlimit');
    const soft = f.pointers(4096, f.peekWord(old + f.wordBytes));
    f.succeeds(f.host.call('setrlimit', RLIMIT_AS, soft), 'setrlimit');
    const answer = f.kernel.io_setup(1, address);
    f.succeeds(f.host.call('setrlimit', RLIMIT_AS, old), 'setrlimit');
    return answer;
  },
});
