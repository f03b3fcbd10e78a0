/** Scenarios in which a signal arrives while the main thread is inside a call. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { LITTLE_ENDIAN } from '../../../src/common/abi/byte-order.ts';
import { IOCB_CMD_POLL, POLLIN } from '../../../src/common/abi/constants.ts';
import { dataView, encodeTimespec } from '../../../src/common/abi/structs.ts';
import type { Address, AioContextId } from '../../../src/common/kernel/aio-kernel.ts';
import type { Fixture, IocbFields } from '../fixture.ts';
import { run } from './scenario.ts';

const SIGALRM = 14;
const SIGPIPE = 13;
const SIGXFSZ = 25;
const SIG_DFL = 0;
const SIG_IGN = 1;
const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
const SIGSET_BYTES = 128;
const SIGACTION_BYTES = 152;
/** After the handler and the mask. */
const flagsOf = (f: Fixture): number => f.wordBytes + SIGSET_BYTES;
const SA_RESTART = 0x10000000;
const RLIMIT_FSIZE = 1;
const SOON_MS = 20;

let handled = 0;

/** Node's handler, which has SA_RESTART. */
function handle(): void {
  process.on('SIGALRM', () => handled++);
}

/** Sends SIGALRM to this very thread in a moment; with `again`, in each one. @returns What stops it. */
function alarm(f: Fixture, again = false): () => void {
  const { bytes, address } = f.bytes(64);
  const sigevent = new DataView(bytes.buffer);
  // After a union of a pointer and an int.
  sigevent.setInt32(f.wordBytes, SIGALRM, LITTLE_ENDIAN);
  sigevent.setInt32(f.wordBytes + 4, SIGEV_THREAD_ID, LITTLE_ENDIAN);
  sigevent.setInt32(f.wordBytes + 8, process.pid, LITTLE_ENDIAN);
  const { address: idAt } = f.bytes(8);
  f.succeeds(f.host.call('timer_create', CLOCK_MONOTONIC, address, idAt), 'timer_create');
  const { bytes: spec, address: specAt } = f.bytes(2 * f.abi.timespec.size);
  const soon = { tv_sec: 0, tv_nsec: SOON_MS * 1_000_000 };
  if (again) encodeTimespec(soon, dataView(spec), 0, f.abi);
  encodeTimespec(soon, dataView(spec), f.abi.timespec.size, f.abi);
  const timer = f.peekWord(idAt);
  f.succeeds(f.host.call('timer_settime', timer, 0, specAt, 0), 'timer_settime');
  return () => {
    spec.fill(0);
    f.succeeds(f.host.call('timer_settime', timer, 0, specAt, 0), 'timer_settime');
  };
}

/**
 * Sends signals for as long as the call lasts: one that comes before the thread waits interrupts nothing, and a slow machine takes long to
 * get there.
 */
function alarmed(f: Fixture, call: () => number): number {
  const stop = alarm(f, true);
  const answer = call();
  stop();
  return answer;
}

function sigset(f: Fixture, ...signals: number[]): Address {
  const { bytes, address } = f.bytes(SIGSET_BYTES);
  for (const signal of signals) bytes[(signal - 1) >> 3]! |= 1 << ((signal - 1) & 7);
  return address;
}

function mask(f: Fixture, how: number): void {
  f.succeeds(f.host.call('pthread_sigmask', how, sigset(f, SIGALRM), 0), 'pthread_sigmask');
}

/** `struct aio_sigset`. */
function usig(f: Fixture, ...signals: number[]): Address {
  return f.pointers(sigset(f, ...signals), 8);
}

function ready(f: Fixture): IocbFields {
  return { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN };
}

function timespec(f: Fixture, ms: number): Address {
  return f.timespec(Math.floor(ms / 1000), (ms % 1000) * 1_000_000);
}

function getevents(f: Fixture, ctx: AioContextId, min_nr: number, timeoutMs: number): number {
  const { address } = f.bytes(32 * 8);
  return f.kernel.io_getevents(ctx, min_nr, 8, address, timespec(f, timeoutMs));
}

function pgetevents(f: Fixture, ctx: AioContextId, min_nr: number, timeoutMs: number, set: Address): number {
  const { address } = f.bytes(32 * 8);
  return f.kernel.io_pgetevents(ctx, min_nr, 8, address, timespec(f, timeoutMs), set);
}

/** Turns of the event loop until the handler has run; the deadline of the parent ends it otherwise. */
async function handlerRan(times: number): Promise<void> {
  while (handled < times) await setImmediate();
}

function noRestart(f: Fixture): void {
  const { bytes, address } = f.bytes(SIGACTION_BYTES);
  f.succeeds(f.host.call('sigaction', SIGALRM, 0, address), 'sigaction');
  const action = new DataView(bytes.buffer);
  action.setInt32(flagsOf(f), action.getInt32(flagsOf(f), LITTLE_ENDIAN) & ~SA_RESTART, LITTLE_ENDIAN);
  f.succeeds(f.host.call('sigaction', SIGALRM, address, 0), 'sigaction');
}

function blockingPipe(f: Fixture): number {
  return f.host.pipe(false)[0];
}

await run({
  async 'getevents-interrupted'(f) {
    handle();
    const ctx = f.setup();
    const answers: number[] = [];
    for (const restart of [true, false]) {
      if (!restart) noRestart(f);
      answers.push(alarmed(f, () => getevents(f, ctx, 1, 20_000)));
      f.accepted(ctx, ready(f));
      answers.push(alarmed(f, () => getevents(f, ctx, 2, 20_000)));
    }
    await handlerRan(1);
    return answers;
  },
  'getevents-undisturbed'(f) {
    const ctx = f.setup();
    f.host.call('signal', SIGALRM, SIG_IGN);
    alarm(f);
    const ignored = getevents(f, ctx, 1, 3 * SOON_MS);
    f.host.call('signal', SIGALRM, SIG_DFL);
    mask(f, SIG_BLOCK);
    alarm(f);
    const blocked = getevents(f, ctx, 1, 3 * SOON_MS);
    // It would end the process now.
    f.host.call('signal', SIGALRM, SIG_IGN);
    return [ignored, blocked];
  },
  'getevents-stopped'(f) {
    const ctx = f.setup();
    process.stdout.write('waiting\n');
    const { address } = f.bytes(32);
    return f.kernel.io_getevents(ctx, 1, 1, address, f.timespec(20, 0));
  },
  'pgetevents-stopped'(f) {
    const ctx = f.setup();
    f.accepted(ctx, { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: 0, aio_buf: POLLIN });
    process.stdout.write('waiting\n');
    return pgetevents(f, ctx, 1, 20_000, 0);
  },
  async 'pgetevents-pending'(f) {
    handle();
    const ctx = f.setup();
    mask(f, SIG_BLOCK);
    const answers: number[] = [];
    const raise = (): void => f.succeeds(f.host.call('raise', SIGALRM), 'raise');
    raise();
    answers.push(pgetevents(f, ctx, 1, 20_000, usig(f)));
    await handlerRan(1);
    raise();
    answers.push(pgetevents(f, ctx, 0, 0, usig(f)));
    await handlerRan(2);
    f.accepted(ctx, ready(f));
    raise();
    answers.push(pgetevents(f, ctx, 1, 20_000, usig(f)));
    await handlerRan(3);
    // Refused because of the context: delivered on return all the same.
    raise();
    answers.push(pgetevents(f, 0, 1, 0, usig(f)));
    await handlerRan(4);
    // The old mask is back: this one stays pending.
    raise();
    await setImmediate();
    answers.push(handled);
    mask(f, SIG_UNBLOCK);
    await handlerRan(5);
    answers.push(handled);
    return answers;
  },
  async 'pgetevents-blocks'(f) {
    handle();
    const ctx = f.setup();
    alarm(f);
    const blocked = pgetevents(f, ctx, 1, 3 * SOON_MS, usig(f, SIGALRM));
    await handlerRan(1);
    const admitted = alarmed(f, () => pgetevents(f, ctx, 1, 20_000, usig(f)));
    await handlerRan(2);
    return [blocked, admitted];
  },
  async 'submit-interrupted'(f) {
    handle();
    const ctx = f.setup();
    const { address } = f.bytes(64);
    const { fd } = f.file('file');
    const iocbs = [
      f.read(blockingPipe(f), address, 8, 0, { aio_data: 1 }),
      f.read(blockingPipe(f), address, 8, 0, { aio_data: 2 }),
      f.read(fd, address, 4, 0, { aio_data: 3 }),
    ].map((fields) => f.iocb(fields).address);
    const iocbpp = f.pointers(...iocbs);
    const answer = alarmed(f, () => f.kernel.io_submit(ctx, iocbs.length, iocbpp));
    const events = f.reap(ctx, 3).map(({ res }) => Number(res));
    await handlerRan(1);
    return [answer, ...events];
  },
  'submit-killed'(f) {
    const ctx = f.setup();
    const { address } = f.bytes(8);
    process.stdout.write('blocking\n');
    return f.submit(ctx, f.read(blockingPipe(f), address, 8));
  },
  'submit-sigpipe'(f) {
    f.host.call('signal', SIGPIPE, SIG_DFL);
    const ctx = f.setup();
    const [reader, writer] = f.host.pipe(true);
    f.host.call('close', reader);
    return f.submit(ctx, f.write(writer, f.bytes(8).address, 8));
  },
  'file-size-limit'(f) {
    f.host.call('signal', SIGXFSZ, SIG_IGN);
    const results = limited(f);
    const [ctx, fd] = results.handles;
    return [
      f.result(ctx, f.write(fd, f.bytes(8192).address, 8192, 0)),
      f.result(ctx, f.write(fd, f.bytes(8192).address, 8192, 4096)),
      f.result(ctx, f.write(fd, f.bytes(8).address, 0, 4096)),
    ];
  },
  'file-size-signal'(f) {
    f.host.call('signal', SIGXFSZ, SIG_DFL);
    const [ctx, fd] = limited(f).handles;
    return f.result(ctx, f.write(fd, f.bytes(8).address, 8, 4096));
  },
});

/** A file that may not grow beyond a page. */
function limited(f: Fixture): { handles: readonly [number, number] } {
  const path = join(f.directory, 'limited');
  writeFileSync(path, '');
  const fd = f.open(path, 2);
  f.succeeds(f.host.call('setrlimit', RLIMIT_FSIZE, f.pointers(4096, 4096)), 'setrlimit');
  return { handles: [f.setup(), fd] };
}
