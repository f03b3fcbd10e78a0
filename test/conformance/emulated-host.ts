/** The {@link Host} of an emulated kernel: its own pipes and sockets, and the few calls that go with them. */

import { ERRNO } from '../../src/common/abi/errno.ts';
import type { EmulatedKernel } from '../../src/emulated/index.ts';
import type { Host } from './host.ts';
import { Unsupported } from './outcome.ts';

const O_NONBLOCK = 0o4000;

export function emulatedHost(kernel: EmulatedKernel): Host {
  const { memory } = kernel;
  const flags = (nonblocking: boolean): number => (nonblocking ? O_NONBLOCK : 0);
  const calls: Readonly<Record<string, (...words: number[]) => number>> = {
    read(fd = -1, address = 0, count = 0) {
      const bytes = new Uint8Array(count);
      const answer = kernel.readSync(fd, bytes);
      if (answer <= 0) return answer;
      return memory.write(address, bytes.subarray(0, answer)) ? answer : -ERRNO.EFAULT;
    },
    write(fd = -1, address = 0, count = 0) {
      const bytes = memory.read(address, count);
      return bytes === undefined ? -ERRNO.EFAULT : kernel.writeSync(fd, bytes);
    },
    close: (fd = -1) => kernel.close(fd),
    shutdown: (fd = -1, how = 0) => kernel.shutdown(fd, how),
    // The emulation is in one thread, which is on one CPU.
    sched_getaffinity(_pid, length = 0, address = 0) {
      const set = new Uint8Array(length);
      set[0] = 1;
      return memory.write(address, set) ? length : -ERRNO.EFAULT;
    },
    sched_setaffinity: (_pid, length = 0, address = 0) =>
      memory.read(address, length) === undefined ? -ERRNO.EFAULT : 0,
  };
  return {
    pipe: (nonblocking) => kernel.pipe(flags(nonblocking)),
    socketpair: (nonblocking) => kernel.socketpair(flags(nonblocking)),
    call(name, ...words) {
      const call = calls[name];
      if (call === undefined) throw new Unsupported(`the emulation has no ${name}()`);
      return call(...words.map(Number));
    },
    cancellable: () => kernel.install({ read: () => 'retry', cancel: () => true }),
    slow: (bytes, stream) => {
      const move = ({ length }: { readonly length: number }): number => Math.min(length, bytes);
      return kernel.install({ read: move, write: move, stream });
    },
  };
}
