import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { selectKernel } from '../src/select.ts';
import { KERNELS } from './support/kernels.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nativeMissing = KERNELS.find(({ name }) => name === 'native')?.missing;
const environment = process.env.KAIO_BACKEND;

function setEnvironment(backend: string | undefined): void {
  if (backend === undefined) delete process.env.KAIO_BACKEND;
  else process.env.KAIO_BACKEND = backend;
}

afterEach(() => setEnvironment(environment));

describe('selectKernel', () => {
  it('gives the emulation when the option asks for it, whatever the environment says', () => {
    setEnvironment('native');
    const { kernel, backend, reason } = selectKernel({ backend: 'emulated' });
    assert.equal(backend, 'emulated');
    assert.equal(kernel.name, 'emulated');
    assert.match(reason, /the option/);
  });

  it('gives the emulation when the environment asks for it', () => {
    setEnvironment('emulated');
    const { backend, reason } = selectKernel();
    assert.equal(backend, 'emulated');
    assert.match(reason, /KAIO_BACKEND/);
  });

  it.skipIf(nativeMissing !== undefined)('gives a kernel whose abilities can be copied and printed', () => {
    const { supports } = selectKernel({ backend: 'native' }).kernel;
    const { opcodes, aio_flags, rw_flags, features, possibleCpus } = supports;
    const known = { opcodes, aio_flags, rw_flags, features: { ...features }, possibleCpus };
    assert.deepEqual({ ...supports, features: { ...features } }, known);
    assert.deepEqual(JSON.parse(JSON.stringify(supports)), known);
    assert.ok(opcodes.length >= 6 && possibleCpus >= 1);
  });

  it.skipIf(nativeMissing !== undefined)('gives the native kernel where it works', () => {
    setEnvironment(undefined);
    assert.equal(selectKernel().backend, 'native');
    assert.equal(selectKernel({ backend: 'native' }).kernel.name, 'native');
    setEnvironment('');
    assert.equal(selectKernel().backend, 'native');
  });

  for (const [origin, choose] of [
    ['KAIO_BACKEND', () => selectKernel()],
    ['the option', () => selectKernel({ backend: 'uring' as never })],
  ] as const) {
    it(`throws for an unknown backend in ${origin}, and lists those there are`, () => {
      setEnvironment('uring');
      assert.throws(choose, {
        name: 'AioStateError',
        code: 'ERR_AIO_UNKNOWN_BACKEND',
        message: `${origin} asks for the backend 'uring': there is auto, native, emulated`,
      });
    });
  }
});

interface Choice {
  readonly backend?: string;
  readonly reason?: string;
  readonly code?: string;
  readonly message?: string;
  readonly cause?: string;
}

const CHOOSE = `(select, backend) => {
  try {
    const { backend: chosen, reason } = select({ backend: backend || undefined });
    return { backend: chosen, reason };
  } catch ({ code, message, cause }) {
    return { code, message, cause: cause?.code };
  }
}`;

describe('selectKernel, in a worker thread without the addon', () => {
  const select = join(root, 'dist/src/select.js');
  const inWorker = (backend: string): Promise<Choice> =>
    new Promise((resolve, reject) => {
      const source = `import(${JSON.stringify(select)}).then(({ selectKernel }) =>
        require('node:worker_threads').parentPort.postMessage((${CHOOSE})(selectKernel, '${backend}')))`;
      const worker = new Worker(source, { eval: true, env: { ...process.env, KAIO_ADDON: '0' } });
      worker.once('message', resolve);
      worker.once('error', reject);
    });

  it('gives the emulation, with the reason', async () => {
    const { backend, reason } = await inWorker('auto');
    assert.equal(backend, 'emulated');
    assert.match(reason ?? '', /worker thread/);
  });

  it('throws when the native kernel is asked for, with the remedy', async () => {
    const { code, message } = await inWorker('native');
    assert.equal(code, 'ERR_AIO_BACKEND_UNAVAILABLE');
    assert.match(message ?? '', /main thread/);
    assert.match(message ?? '', /build:addon/);
  });
});

describe.skipIf(process.platform !== 'linux')('selectKernel, where something is missing', () => {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-select-'));
  const select = join(directory, 'dist/src/select.js');
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  // The package as it is installed without koffi: nothing above the copy has a node_modules.
  beforeAll(() => {
    cpSync(join(root, 'dist/src'), join(directory, 'dist/src'), { recursive: true });
    writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  });

  function choose(backend: string, { cwd = directory, first = '' } = {}): Choice {
    const source = `${first}
      const { selectKernel } = await import(${JSON.stringify(select)});
      console.log(JSON.stringify((${CHOOSE})(selectKernel, '${backend}')));`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
      encoding: 'utf8',
      cwd,
    });
    assert.equal(child.status, 0, child.stderr);
    return JSON.parse(child.stdout) as Choice;
  }

  /** @param body - What loading it does. */
  function withKoffi(folder: string, body: string, use: () => void): void {
    const modules = join(folder, 'node_modules');
    mkdirSync(join(modules, 'koffi'), { recursive: true });
    writeFileSync(join(modules, 'koffi/package.json'), '{ "name": "koffi", "main": "index.cjs" }');
    writeFileSync(join(modules, 'koffi/index.cjs'), body);
    try {
      use();
    } finally {
      rmSync(modules, { recursive: true });
    }
  }

  it('takes koffi from where kaio is, and never from the working directory', () => {
    const cwd = join(directory, 'elsewhere');
    withKoffi(cwd, 'throw new Error("loaded")', () => {
      assert.match(choose('auto', { cwd }).reason ?? '', /Cannot find (module|package) 'koffi'/);
    });
    withKoffi(directory, 'throw new Error("loaded")', () => {
      assert.match(choose('auto', { cwd }).reason ?? '', /unavailable: loaded/);
    });
  });

  for (const [title, body, cure] of [
    [
      'has no binary for this machine',
      'throw new Error("Cannot find the native Koffi module; did you bundle it correctly?")',
      /npm install koffi --include=optional$/,
    ],
    [
      'has a damaged binary',
      'throw Object.assign(new Error("invalid ELF header"), { code: "ERR_DLOPEN_FAILED" })',
      /install koffi again/,
    ],
    [
      'may not be loaded',
      'throw Object.assign(new Error("Cannot load native addon."), { code: "ERR_DLOPEN_DISABLED" })',
      /^[^.]*: Cannot load native addon\. Allow native addons: node --allow-addons$/,
    ],
  ] as const)
    it(`falls back where koffi ${title}, and tells the cure`, () =>
      withKoffi(directory, body, () => {
        const { backend, reason } = choose('auto');
        assert.equal(backend, 'emulated');
        assert.match(reason ?? '', cure);
        assert.equal(choose('native').code, 'ERR_AIO_BACKEND_UNAVAILABLE');
      }));

  it('loads no koffi into Deno, and asks nobody for a variable of the environment', () =>
    withKoffi(directory, 'process.exit(7)', () => {
      const first = `Object.defineProperty(process, 'versions', { value: { ...process.versions, deno: '2.9.6' } });
        globalThis.Deno = { permissions: { querySync: () => ({ state: 'prompt' }) } };
        process.env = new Proxy({}, { get: (_, name) => { if (/^KAIO|^UV/.test(name)) throw new Error(name); } });`;
      const { backend, reason } = choose('', { first });
      assert.equal(backend, 'emulated');
      assert.match(reason ?? '', /koffi ends Deno/);
      assert.equal(choose('native', { first }).code, 'ERR_AIO_BACKEND_UNAVAILABLE');
    }));

  it('falls back without koffi, keeping the reason; a forced native kernel names the remedy', () => {
    const { backend, reason } = choose('auto');
    assert.equal(backend, 'emulated');
    assert.match(reason ?? '', /unavailable: Cannot find (module|package) 'koffi'/);
    const { code, message, cause } = choose('native');
    assert.equal(code, 'ERR_AIO_BACKEND_UNAVAILABLE');
    assert.match(message ?? '', /npm install koffi/);
    assert.match(cause ?? '', /MODULE_NOT_FOUND$/);
  });

  // A koffi whose syscall(2) answers as such a system would; everything else of the package is the real one.
  for (const [errno, remedy] of [
    ['ENOSYS', /CONFIG_AIO/],
    ['EPERM', /seccomp/],
    ['EAGAIN', /aio-nr is \d+ of aio-max-nr \d+: raise it with sysctl -w fs\.aio-max-nr=\d+/],
  ] as const) {
    it.skipIf(nativeMissing !== undefined)(
      `falls back when io_setup answers ${errno}, and names the remedy`,
      () => {
        const modules = join(directory, 'node_modules');
        mkdirSync(join(modules, 'koffi'), { recursive: true });
        symlinkSync(join(root, 'node_modules/koffi'), join(directory, 'real-koffi'));
        writeFileSync(join(modules, 'koffi/package.json'), '{ "name": "koffi", "main": "index.cjs" }');
        writeFileSync(
          join(modules, 'koffi/index.cjs'),
          `const real = require('../../real-koffi');
         const { constants } = require('node:os');
         const failing = (library) => new Proxy(library, {
           get(target, property) {
             const value = Reflect.get(target, property, target);
             if (property !== 'func') return typeof value === 'function' ? value.bind(target) : value;
             return (...signature) => {
               const bound = target.func(...signature);
               if (!signature.some((part) => part === 'syscall' || /\\bsyscall\\b/.test(String(part)))) return bound;
               return Object.assign(() => { real.errno(constants.errno.${errno}); return -1; }, { async: bound.async });
             };
           },
         });
         module.exports = new Proxy(real, {
           get: (target, property) =>
             property === 'load' ? (...names) => failing(target.load(...names)) : Reflect.get(target, property, target),
         });`,
        );
        try {
          assert.match(choose('auto').reason ?? '', new RegExp(`unavailable: ${errno}: `));
          const { code, message, cause } = choose('native');
          assert.equal(code, 'ERR_AIO_BACKEND_UNAVAILABLE');
          assert.match(message ?? '', remedy);
          assert.equal(cause, errno);
        } finally {
          rmSync(modules, { recursive: true });
          rmSync(join(directory, 'real-koffi'));
        }
      },
    );
  }
});
