import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'vitest';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { codeOf } from '../../src/common/errors.ts';
import { type NativeKernel, openNativeKernel } from '../../src/native/index.ts';
import { ProbeContext, type ProbedKernel } from '../../src/native/probe-context.ts';
import { CLI, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';
import { ownContexts } from '../support/own-contexts.ts';

const missing = KERNELS.find(({ name }) => name === 'native')?.missing;
const native = pathToFileURL(join(dirname(dirname(CLI)), 'native/index.js')).href;

type Overrides = Partial<Omit<ProbedKernel, 'name'>>;

/** The real kernel, but for some of its calls, and with rings of its own to refuse. */
function kernelBut(overrides: Overrides): ProbedKernel & { refused: string[] } {
  const kernel = openNativeKernel();
  const refused: string[] = [];
  return new Proxy(kernel as NativeKernel & { refused: string[] }, {
    get(target, property) {
      if (property === 'refused') return refused;
      if (property === 'refuseRings') return (reason: string) => refused.push(reason);
      if (property in overrides) return Reflect.get(overrides, property);
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

function resources(): { contexts: number; descriptors: number } {
  return {
    contexts: ownContexts(),
    descriptors: readdirSync('/proc/self/fd').length,
  };
}

function outcomeOf(kernel: ProbedKernel): string {
  try {
    const probe = new ProbeContext(kernel);
    try {
      probe.tryEverything();
    } finally {
      probe.dispose();
    }
    return 'tried';
  } catch (error) {
    const { syscall } = error as { syscall?: string };
    return `${codeOf(error) ?? (error as Error).message} ${syscall ?? ''}`.trim();
  }
}

/** Answers `answer` at the call of that number, and what the kernel says at the others. */
function atCall<K extends 'io_submit' | 'io_getevents'>(name: K, nr: number, answer: number): Overrides {
  const real = openNativeKernel();
  let calls = 0;
  return {
    [name]: (...words: number[]) =>
      ++calls === nr ? answer : (real[name] as (...words: number[]) => number).call(real, ...words),
  };
}

describe.skipIf(missing !== undefined)('a probe of the native kernel', () => {
  const real = (): NativeKernel => openNativeKernel();
  const silentRing = { ready: 0, reap: () => 0, detach() {} };

  it.each<[string, () => Overrides, string]>([
    ['nothing', () => ({}), 'tried'],
    ['eventfd', () => ({ eventfd: () => -ERRNO.EMFILE }), 'EMFILE eventfd'],
    ['io_setup', () => ({ io_setup: () => -ERRNO.EAGAIN }), 'EAGAIN io_setup'],
    [
      'the watcher',
      () => ({
        watch: () => {
          throw Object.assign(new Error('none'), { code: 'ENOSPC', syscall: 'epoll_ctl' });
        },
      }),
      'ENOSPC epoll_ctl',
    ],
    [
      'io_destroy',
      () => ({ io_destroy: (ctx) => (ctx === 0 ? -ERRNO.EPERM : real().io_destroy(ctx)) }),
      'EPERM io_destroy',
    ],
    ['writing to the eventfd', () => ({ eventfd_write: () => -ERRNO.EPERM }), 'EPERM write'],
    ['the first io_submit', () => atCall('io_submit', 1, -ERRNO.EPERM), 'EPERM io_submit'],
    ['the second io_submit', () => atCall('io_submit', 2, -ERRNO.EAGAIN), 'EAGAIN io_submit'],
    ['io_getevents', () => atCall('io_getevents', 1, -ERRNO.ENOSYS), 'ENOSYS io_getevents'],
    ['an event that never comes', () => atCall('io_getevents', 1, 0), 'ETIMEDOUT io_getevents'],
    ['the eventfd', () => ({ eventfd_read: () => -11n }), 'ETIMEDOUT eventfd_read'],
    ['the ring', () => ({ mapRing: () => undefined }), 'tried'],
  ])('gives everything back and says why when this is refused: %s', async (_title, overrides, expected) => {
    await real().settled();
    await setTimeout(20);
    const before = resources();
    const kernel = kernelBut(overrides());
    assert.equal(outcomeOf(kernel), expected);
    await real().settled();
    await setTimeout(20);
    assert.deepEqual(resources(), before);
    assert.deepEqual(kernel.refused, []);
  });

  it.each([
    ['shows nothing', silentRing],
    [
      'shows other events',
      {
        ...silentRing,
        reap(_max: number, sink: (low: number, high: number, res: number) => void) {
          sink(1, 2, 3);
          return 1;
        },
      },
    ],
  ])('goes on by io_getevents where the ring %s', (_title, ring) => {
    const kernel = kernelBut({ mapRing: () => ring });
    assert.equal(outcomeOf(kernel), 'tried');
    assert.deepEqual(kernel.refused, ['the ring in memory does not show the events']);
  });

  it.each(['1', '0'])(
    'with few descriptors left: native, or EMFILE and nothing left (addon: %s)',
    (addon) => {
      const program = `
      import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
      import { ffiInUse, loadAddon, openNativeKernel } from '${native}';
      loadAddon();
      ffiInUse();
      const fds = () => readdirSync('/proc/self/fd').length;
      const open = fds();
      const taken = [];
      try { for (;;) taken.push(openSync('/dev/null')); } catch {}
      const told = [];
      for (let spare = 0; spare < 6; spare++) {
        if (spare > 0) closeSync(taken.pop());
        try {
          const kernel = openNativeKernel();
          told.push('native');
          await kernel.settled();
          break;
        } catch ({ code, errno, syscall }) {
          told.push([code, errno, typeof syscall].join(' '));
        }
      }
      for (const fd of taken) closeSync(fd);
      const rings = () => readFileSync('/proc/self/maps', 'latin1').split('/[aio]').length - 1;
      for (let looks = 0; looks < 1000 && (fds() > open || rings() > 0); looks++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      const contexts = rings();
      console.log(JSON.stringify({ told, left: fds() - open, contexts }));`;
      const { status, stdout, stderr } = run(
        '/bin/sh',
        ['-c', 'ulimit -n 96; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', program],
        { env: { ...process.env, KAIO_ADDON: addon } },
      );
      assert.equal(stderr, '');
      assert.equal(status, 0);
      const { told, ...rest } = JSON.parse(stdout);
      assert.deepEqual(rest, { left: 0, contexts: 0 });
      assert.equal(told.at(-1), 'native');
      assert.deepEqual(new Set(told.slice(0, -1)), new Set(['EMFILE -24 string']));
    },
  );
});
