/** The {@link Host} of the native kernel: the C library. */

import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { EmulatedKernel } from '../../src/emulated/index.ts';
import { NativeKernel } from '../../src/native/index.ts';
import { emulatedHost } from './emulated-host.ts';
import type { Host } from './host.ts';
import { EnvironmentBroken } from './outcome.ts';

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** Functions that answer one. */
const ADDRESSES: ReadonlySet<string> = new Set(['mmap', 'mremap']);

/** The host behind a kernel, where it is the real one. */
export function hostOf(kernel: AioKernel): Host | undefined {
  if (kernel instanceof NativeKernel) return linuxHost(kernel);
  return kernel instanceof EmulatedKernel ? emulatedHost(kernel) : undefined;
}

function linuxHost(kernel: NativeKernel): Host {
  const bound = new Map<string, ReturnType<NativeKernel['libc']['bind']>>();
  const pair = new Int32Array(2);
  const pairAt = kernel.memory.addressOf(pair);
  const call: Host['call'] = (name, ...words) => {
    const key = `${name}/${words.length}`;
    let fn = bound.get(key);
    if (fn === undefined) {
      fn = kernel.libc.bind(name, ADDRESSES.has(name) ? 'address' : 'int', words.length);
      bound.set(key, fn);
    }
    return fn(...words);
  };
  const descriptors = (result: number, what: string): readonly [number, number] => {
    if (result < 0) throw new EnvironmentBroken(`${what} answered ${result}`);
    return [pair[0]!, pair[1]!];
  };
  return {
    call,
    pipe: (nonblocking) =>
      descriptors(call('pipe2', pairAt, O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0)), 'pipe2'),
    socketpair: (nonblocking) =>
      descriptors(
        call('socketpair', AF_UNIX, SOCK_STREAM | O_CLOEXEC | (nonblocking ? O_NONBLOCK : 0), 0, pairAt),
        'socketpair',
      ),
  };
}
