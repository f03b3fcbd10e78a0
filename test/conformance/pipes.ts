/** Pipes and sockets of the host behind the kernel; closed when the case ends. */
import type { Fixture } from './fixture.ts';

export function pipe(f: Fixture, nonblocking = true): readonly [reader: number, writer: number] {
  return closing(f, f.host.pipe(nonblocking));
}

export function socketpair(f: Fixture, nonblocking = true): readonly [number, number] {
  return closing(f, f.host.socketpair(nonblocking));
}

function closing(f: Fixture, ends: readonly [number, number]): readonly [number, number] {
  for (const fd of ends) f.after(() => f.host.call('close', fd));
  return ends;
}
