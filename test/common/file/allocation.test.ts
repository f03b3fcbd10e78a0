import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { fromDescriptor, open } from '../../../src/open.ts';
import { selectKernel } from '../../../src/select.ts';
import { CLI, start } from '../../support/kaio.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-room-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let files = 0;
function path(content: string | Uint8Array = ''): string {
  const name = join(directory, `file-${files++}`);
  writeFileSync(name, content);
  return name;
}

const MIB = 1 << 20;
const UNIT = 512;
const stored = (name: string): number => statSync(name).blocks * UNIT;
const refused = (code: string) => ({ code, syscall: 'fallocate', name: 'Error' });

/** Why there is no room to be made in the files here. */
async function refusal(): Promise<string | undefined> {
  await using file = await open(path(), 'r+', 0o666, { backend: 'emulated' });
  try {
    await file.allocate(0, 4096);
    await file.punchHole(0, 4096);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
const missingHere = await refusal();
if (missingHere !== undefined) console.log(`allocate() is not tested: ${missingHere}`);

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined || missingHere !== undefined)(`room in files, ${backend}`, () => {
    const at = (name: string, flags: string | number = 'r+', more = {}) =>
      open(name, flags, 0o666, { backend, ...more });

    it('is made with zeros, beside what was written, and the file grows', async () => {
      const name = path('content');
      await using file = await at(name);
      assert.equal(await file.allocate(3, 4 * MIB), undefined);
      assert.equal((await file.stat()).size, 4 * MIB + 3);
      assert.ok(stored(name) >= 4 * MIB, String(stored(name)));
      const bytes = await file.readFile();
      assert.equal(bytes.toString('latin1', 0, 7), 'content');
      assert.ok(bytes.subarray(7).every((byte) => byte === 0));
    });

    it('is made beyond the end without making the file longer', async () => {
      const name = path('content');
      await using file = await at(name);
      await file.allocate(0, MIB, { keepSize: true });
      assert.equal((await file.stat()).size, 7);
      assert.ok(stored(name) >= MIB, String(stored(name)));
      await file.allocate(0, 9, { keepSize: undefined });
      assert.equal((await file.stat()).size, 9);
    });

    it('is given back as a hole of zeros, and the size stays', async () => {
      const name = path(Buffer.alloc(MIB, 7));
      await using file = await at(name);
      await file.sync();
      const before = stored(name);
      await file.punchHole(1, MIB / 2);
      assert.ok(stored(name) < before, `${stored(name)} of ${before}`);
      const bytes = await file.readFile();
      const at7 = [...bytes.entries()].filter(([, byte]) => byte === 7).map(([index]) => index);
      assert.deepEqual([bytes.length, at7.length, at7[0], at7[1]], [MIB, MIB / 2, 0, MIB / 2 + 1]);
      await file.punchHole(4 * MIB, 10);
      assert.equal((await file.stat()).size, MIB);
    });

    it('may lie far behind 4 GiB', async () => {
      const name = path();
      await using file = await at(name);
      const far = 2 ** 32 + 2 ** 31 + 5;
      await file.allocate(far, 4096);
      assert.equal((await file.stat()).size, far + 4096);
      await file.write('x', far + 1);
      await file.punchHole(far, 8);
      assert.equal((await file.read(Buffer.alloc(2), 0, 2, far)).buffer.toString('latin1'), '\0\0');
      // No file system here has so long files, or so much room; the number reaches it as it is.
      const most = 2 ** 53 - 1;
      const tooLarge = ({ code }: { code: string }): boolean => code === 'EFBIG' || code === 'ENOSPC';
      await assert.rejects(file.allocate(0, most), tooLarge);
      await assert.rejects(file.allocate(most, most), tooLarge);
    });

    it('is made in direct files, and by a descriptor', async () => {
      const name = path();
      await using direct = await at(name, 'r+', { direct: 'prefer' });
      await direct.allocate(0, 5000);
      const handle = await openHandle(name, 'r+');
      await using borrowed = await fromDescriptor(handle, { backend });
      await borrowed.punchHole(0, 100);
      await borrowed.allocate(0, 6000);
      await using plain = await fromDescriptor(handle.fd, { backend });
      await plain.allocate(0, 7000);
      assert.equal((await direct.stat()).size, 7000);
      await handle.close();
      await assert.rejects(borrowed.allocate(0, 1), refused('EBADF'));
    });

    it('is refused as the kernel refuses it', async () => {
      const name = path('x');
      await using file = await at(name);
      await assert.rejects(file.allocate(0, 0), refused('EINVAL'));
      await assert.rejects(file.punchHole(0, 0), refused('EINVAL'));
      await using reader = await at(name, 'r');
      const error = await reader.allocate(0, 1).catch((thrown: unknown) => thrown as NodeJS.ErrnoException);
      assert.deepEqual(
        [(error as NodeJS.ErrnoException).message, (error as NodeJS.ErrnoException).errno],
        ['EBADF: bad file descriptor, fallocate', -9],
      );
      assert.match(String((error as Error).stack), /allocation\.test/);
      await assert.rejects(reader.punchHole(0, 1), refused('EBADF'));
      await using device = await at('/dev/null');
      await assert.rejects(device.allocate(0, 1), refused('ENODEV'));
      const fifo = join(directory, `fifo-${files++}`);
      execFileSync('mkfifo', [fifo]);
      await using pipe = await at(fifo, constants.O_RDWR);
      await assert.rejects(pipe.allocate(0, 1), refused('ESPIPE'));
      assert.equal((await file.readFile()).toString(), 'x');
    });

    it('takes places, lengths and options as Node.js takes them', async () => {
      const name = path('x');
      await using file = await at(name);
      const calls: readonly [args: readonly unknown[], code: string][] = [
        [[-1, 1], 'ERR_OUT_OF_RANGE'],
        [[0.5, 1], 'ERR_OUT_OF_RANGE'],
        [[Number.NaN, 1], 'ERR_OUT_OF_RANGE'],
        [[2 ** 53, 1], 'ERR_OUT_OF_RANGE'],
        [[0, -1], 'ERR_OUT_OF_RANGE'],
        [[0, 2 ** 53], 'ERR_OUT_OF_RANGE'],
        [['0', 1], 'ERR_INVALID_ARG_TYPE'],
        [[0n, 1], 'ERR_INVALID_ARG_TYPE'],
        [[0], 'ERR_INVALID_ARG_TYPE'],
        [[], 'ERR_INVALID_ARG_TYPE'],
      ];
      const loose = file as unknown as Record<string, (...args: unknown[]) => Promise<void>>;
      for (const method of ['allocate', 'punchHole'])
        for (const [args, code] of calls) await assert.rejects(loose[method]!(...args), { code });
      for (const options of [null, 7, { keepSize: 1 }, { keepSize: null }])
        await assert.rejects(loose.allocate!(0, 1, options), { code: 'ERR_INVALID_ARG_TYPE' });
      assert.equal((await file.stat()).size, 1);
      let reads = 0;
      const once = {
        get keepSize() {
          reads++;
          return true;
        },
      };
      await file.allocate(0, 100, once);
      assert.deepEqual([reads, (await file.stat()).size], [1, 1]);
    });

    it('keeps the file open until it is made, and is refused afterwards', async () => {
      const order: string[] = [];
      const name = path();
      const file = await at(name);
      const making = Array.from({ length: 8 }, (_, index) =>
        file.allocate(index * MIB, MIB).then(() => order.push('made')),
      );
      await file.close().then(() => order.push('closed'));
      await Promise.all(making);
      assert.deepEqual(order, [...Array<string>(8).fill('made'), 'closed']);
      assert.equal(statSync(name).size, 8 * MIB);
      await assert.rejects(file.allocate(0, 1), {
        code: 'EBADF',
        syscall: 'fallocate',
        message: 'file closed',
      });
      await assert.rejects(file.punchHole(0, 1), { code: 'EBADF', syscall: 'fallocate' });
    });

    it('holds nobody up', async () => {
      await using file = await at(path());
      let turns = 0;
      const count = (): void => {
        turns++;
        timer = setImmediate(count);
      };
      let timer = setImmediate(count);
      await Promise.all(Array.from({ length: 20 }, (_, index) => file.allocate(index * MIB, MIB)));
      clearImmediate(timer);
      assert.ok(turns > 0);
    });

    it('ends with ENOSPC where there is none', async (context) => {
      const small = smallFileSystem();
      if (small === undefined) return context.skip('no tmpfs can be mounted here');
      try {
        await using file = await at(join(small, 'file'), 'w');
        await file.allocate(0, MIB);
        await assert.rejects(file.allocate(0, 64 * MIB), refused('ENOSPC'));
      } finally {
        execFileSync('umount', [small]);
      }
    });

    it('says so where there is no such call', async () => {
      const { kernel } = selectKernel({ backend });
      const files = { calls: {}, open: async () => 1 } as unknown as NonNullable<typeof kernel.files>;
      const calls = { fstat: async () => statSync(path()), close: async () => {} };
      await using context = new AioContext({
        kernel: replacing(kernel, { files: { ...files, calls: calls as never } }),
      });
      const file = await open('name', 'r', 0o666, { context });
      await assert.rejects(file.allocate(0, 1), { code: 'ERR_AIO_UNSUPPORTED' });
      await file.close();
    });
  });
}

function smallFileSystem(): string | undefined {
  const folder = mkdtempSync(join(directory, 'small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    return undefined;
  }
}

const kaio = pathToFileURL(join(dirname(dirname(CLI)), 'index.js')).href;

/** Runs a program that has `open` and `name`. */
async function program(body: string, env: Record<string, string> = {}): Promise<string> {
  const name = path();
  const text = `import { open } from '${kaio}';\nconst name = ${JSON.stringify(name)};\n${body}`;
  const { status, stdout, stderr } = await start(process.execPath, ['--input-type=module', '-e', text], {
    cwd: dirname(CLI),
    env: { ...process.env, ...env },
  });
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout.trim();
}

describe('room in files, and its host', () => {
  // Since Node.js 26.9 the host has another way to C functions, which is asked not to be used here.
  it('without koffi there is none, and a reason', async () => {
    const body = `
      import Module from 'node:module';
      const resolve = Module._resolveFilename;
      Module._resolveFilename = function (request, ...rest) {
        if (request === 'koffi') throw Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' });
        return resolve.call(this, request, ...rest);
      };
      const file = await open(name, 'r+', 0o666, { backend: 'emulated' });
      const error = await file.allocate(0, 4096).catch((thrown) => thrown);
      console.log(error.name, error.code, error.message, error.cause?.code, (await file.stat()).size);
      await file.close();`;
    const said = await program(body, { KAIO_FFI: 'koffi' });
    assert.match(said, /^AioStateError ERR_AIO_UNSUPPORTED .* (koffi|fallocate).* 0$/);
    if (process.platform === 'linux') assert.match(said, /koffi.*npm install koffi MODULE_NOT_FOUND 0$/);
  });

  it.skipIf(missingHere !== undefined)(
    'threads may end while it is made, and no other file gets it',
    async () => {
      const worker = join(directory, 'worker.mjs');
      writeFileSync(
        worker,
        `
        import { parentPort, workerData } from 'node:worker_threads';
        const { open } = await import('${kaio}');
        const { name, how } = workerData;
        const file = await open(name, 'w');
        // More than the pool takes at once, so that some of them have begun, some wait for a thread, and some for their turn.
        for (let index = 0; index < 64; index++) void file.allocate(index * 65536, 65536);
        parentPort.postMessage('under way');
        if (how === 'exit') process.exit(0);
        if (how === 'throw') setImmediate(() => { throw new Error('on purpose'); });`,
      );
      const body = `
        import { Worker } from 'node:worker_threads';
        import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
        let wrong = 0;
        let sizes = 0;
        for (let round = 0; round < 24; round++) {
          const how = ['terminate', 'exit', 'throw', 'end'][round % 4];
          const worker = new Worker(${JSON.stringify(worker)}, { execArgv: [], workerData: { name: name + round, how } });
          worker.on('error', (error) => { if (error.message !== 'on purpose') console.error(error); });
          const ended = new Promise((resolve) => worker.once('exit', resolve));
          await Promise.race([new Promise((resolve) => worker.once('message', resolve)), ended]);
          if (how === 'terminate') worker.terminate();
          let isOver = false;
          void ended.then(() => { isOver = true; });
          const others = [];
          // Whatever number becomes free goes to one of these.
          while (!isOver) {
            if (others.length < 50) others.push(openSync(name + '-other-' + others.length, 'w'));
            await new Promise((resolve) => setImmediate(resolve));
          }
          for (const fd of others) {
            if (fstatSync(fd).size > 0) wrong++;
            closeSync(fd);
          }
          sizes += Number(statSync(name + round).size === 64 * 65536);
        }
        console.log(wrong, sizes >= 6);`;
      const said = await Promise.all([program(body, { KAIO_ADDON: '0' }), program(body)]);
      assert.deepEqual(said, ['0 true', '0 true']);
    },
  );
});
