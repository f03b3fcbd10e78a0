import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'vitest';
import { loadAddon } from '../../src/native/index.ts';
import { CLI, run } from '../support/kaio.ts';

const native = pathToFileURL(join(dirname(dirname(CLI)), 'native/index.js')).href;
const absent = loadAddon().addon === undefined;

/** What a program without descriptors to spare, but for `spare`, is told when it watches one. */
function watching(what: string, spare: number, addon: '0' | '1'): unknown {
  const program = `
    import { closeSync, openSync, readdirSync } from 'node:fs';
    import { openNativeKernel } from '${native}';
    const kernel = openNativeKernel();
    await kernel.settled();
    const { eventfd, file } = { eventfd: kernel.eventfd(0, 2048), file: openSync(process.execPath) };
    kernel.watch(eventfd, () => {}).close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const open = readdirSync('/proc/self/fd').length;
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    for (const fd of taken.splice(0, ${spare})) closeSync(fd);
    const told = [];
    for (let time = 0; time < 3; time++) {
      try {
        kernel.watch(${what}, () => {}).close();
        told.push('watched');
      } catch ({ code, errno, syscall, message }) {
        told.push({ code, errno, syscall, message });
      }
    }
    for (const fd of taken) closeSync(fd);
    await new Promise((resolve) => setTimeout(resolve, 50));
    console.log(JSON.stringify({ told, left: readdirSync('/proc/self/fd').length - open }));`;
  const limited = 'ulimit -n 96; exec "$@"';
  const { status, stdout, stderr } = run(
    '/bin/sh',
    ['-c', limited, 'sh', process.execPath, '--input-type=module', '-e', program],
    { env: { ...process.env, KAIO_ADDON: addon } },
  );
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return JSON.parse(stdout);
}

const MESSAGES: Readonly<Record<string, string>> = {
  EMFILE: 'too many open files',
  EPERM: 'operation not permitted',
  EBADF: 'bad file descriptor',
};

function thrice(code: string, errno: number, syscall: string): unknown {
  const one = { code, errno, syscall, message: `${code}: ${MESSAGES[code]}, ${syscall}` };
  return { told: [one, one, one], left: 0 };
}

describe.runIf(process.platform === 'linux')('a machine that koffi has no binary for', () => {
  it('has node:ffi, where Node.js has it, and else the cure', () => {
    const program = `
      Object.defineProperty(process, 'arch', { value: 's390x' });
      const { ffiInUse, koffiRefusal } = await import('${native}');
      try {
        console.log(ffiInUse().name);
      } catch ({ code, message }) {
        console.log(code, message, koffiRefusal().remedy);
      }`;
    const { stdout } = run(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, KAIO_ADDON: '0', KAIO_FFI: '' },
    });
    const hasFfi = process.getBuiltinModule('node:ffi') !== undefined;
    assert.match(
      stdout,
      hasFfi ? /^node:ffi$/m : /^ERR_AIO_BACKEND_UNAVAILABLE there is no koffi for s390x Run Node.js 26\.9/,
    );
  });
});

describe.skipIf(absent)('what the addon is refused has code, errno and syscall, and leaves nothing', () => {
  it.each([
    ['no descriptor left', 'eventfd', 0, 'EMFILE', -24, 'fcntl'],
    ['a file that nobody can watch', 'file', 10, 'EPERM', -1, 'uv_poll_init'],
    ['no descriptor at all', '-1', 10, 'EBADF', -9, 'fcntl'],
  ] as const)('%s', (_title, what, spare, code, errno, syscall) => {
    assert.deepEqual(watching(what, spare, '1'), thrice(code, errno, syscall));
  });
});

describe.skipIf(process.platform !== 'linux')(
  'what koffi is refused has them too, and ends no process',
  () => {
    it.each([
      ['no descriptor left', 'eventfd', 0, 'EMFILE', -24, 'fcntl'],
      ['one descriptor left', 'eventfd', 1, 'EMFILE', -24, 'epoll_create1'],
      ['a file that nobody can watch', 'file', 10, 'EPERM', -1, 'epoll_ctl'],
      ['no descriptor at all', '-1', 10, 'EBADF', -9, 'fcntl'],
    ] as const)('%s', (_title, what, spare, code, errno, syscall) => {
      assert.deepEqual(watching(what, spare, '0'), thrice(code, errno, syscall));
    });

    it('two watchers of one descriptor, and one whose number means another by now', () => {
      const program = `
      import { openNativeKernel } from '${native}';
      const kernel = openNativeKernel();
      const eventfd = kernel.eventfd(0, 2048);
      const called = [];
      const first = kernel.watch(eventfd, () => called.push('first'));
      const second = kernel.watch(eventfd, () => called.push('second'));
      second.ref();
      kernel.eventfd_write(eventfd, 1n);
      while (new Set(called).size < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      kernel.close(eventfd);
      const again = kernel.eventfd(0, 2048);
      const third = kernel.watch(again, () => called.push('third'));
      for (const watcher of [first, second, third]) watcher.close();
      kernel.close(again);
      console.log(again === eventfd, [...new Set(called)].sort().join());`;
      const { status, stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', program], {
        env: { ...process.env, KAIO_ADDON: '0' },
      });
      assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'true first,second\n', stderr: '' });
    });
  },
);
