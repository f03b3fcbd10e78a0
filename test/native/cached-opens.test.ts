/** What is opened on this thread: regular files of this machine's own that are in memory, and nothing that could wait for anybody. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, it } from 'vitest';
import { openNativeKernel } from '../../src/native/index.ts';
import { open } from '../../src/open.ts';
import { KERNELS } from '../support/kernels.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-cached-opens-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const file = join(home, 'file');
writeFileSync(file, 'content');
const O_DIRECT = constants.O_DIRECT ?? 0;

const opened = (path: string, flags = 0): number | undefined =>
  openNativeKernel().openAtOnce(path, flags)?.fd;
const flagsOf = (fd: number): number =>
  Number.parseInt(/^flags:\s+(\S+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))![1]!, 8);

/** One that took long, as all do on a machine with too much to do, sends the next ones elsewhere. */
async function openedSoon(path: string, flags = 0): Promise<number> {
  for (let tries = 0; tries < 10_000; tries++) {
    await turn();
    const fd = opened(path, flags);
    if (fd !== undefined) return fd;
  }
  throw new Error(`${path} was never opened at once`);
}

/** Linux before 5.12, or a filter: then nothing is opened so, and that is all there is to see. */
function isThere(): boolean {
  for (let tries = 0; tries < 100; tries++) {
    const fd = opened(file);
    if (fd === undefined) continue;
    closeSync(fd);
    return true;
  }
  return false;
}

const noNative = KERNELS.find(({ name }) => name === 'native')?.missing !== undefined;

describe.skipIf(noNative || !isThere())('what is opened at once', () => {
  beforeEach(() => turn());

  it('is a regular file, as fs.open would open it', async () => {
    const fd = await openedSoon(file);
    const other = openSync(file, 'r');
    try {
      assert.equal(readFileSync(fd, 'utf8'), 'content');
      assert.equal(flagsOf(fd), flagsOf(other));
    } finally {
      closeSync(fd);
      closeSync(other);
    }
  });

  it('keeps O_DIRECT', { skip: O_DIRECT === 0 }, () => {
    const fd = opened(file, O_DIRECT);
    if (fd === undefined) return;
    assert.equal(flagsOf(fd) & O_DIRECT, O_DIRECT);
    assert.equal(flagsOf(fd) & (constants.O_NONBLOCK ?? 0), 0);
    closeSync(fd);
  });

  it('may be reached by links, and by a path from here', async () => {
    const link = join(home, 'link');
    symlinkSync(file, link);
    const before = process.cwd();
    let fd: number | undefined;
    for (let tries = 0; fd === undefined && tries < 10_000; tries++) {
      // Linux notes when a new link is followed, which it does not do from memory alone: somebody else has to come that way first.
      closeSync(openSync(link, 'r'));
      await turn();
      fd = opened(link);
    }
    assert.ok(fd !== undefined);
    assert.equal(readFileSync(fd, 'utf8'), 'content');
    closeSync(fd);
    assert.equal(process.cwd(), before);
  });

  it.each<readonly [string, () => string]>([
    ['nothing', () => join(home, 'missing')],
    ['no path', () => ''],
    ['a path with a zero', () => `${file}\0x`],
    ['a path with half of a character', () => `${file}\ud800`],
    ['a path that is too long', () => `/${'x/'.repeat(3000)}`],
    ['a directory', () => home],
    ['a device', () => '/dev/null'],
    ['a file of another file system', () => '/proc/self/stat'],
    [
      'a link to itself',
      () => {
        const path = join(home, 'loop');
        symlinkSync(path, path);
        return path;
      },
    ],
    ['what is below a file', () => join(file, 'x')],
  ])('is not %s', (_title, path) => {
    const before = readdirSync('/proc/self/fd').length;
    assert.equal(opened(path()), undefined);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('is no FIFO, whose other end hears nothing of it', () => {
    const fifo = join(home, 'fifo');
    execFileSync('mkfifo', [fifo]);
    assert.equal(opened(fifo), undefined);
    // A reader would let a writer in.
    assert.throws(() => openSync(fifo, constants.O_WRONLY | (constants.O_NONBLOCK ?? 0)), { code: 'ENXIO' });
  });

  it('is not more than some in a turn of the event loop; the others come in later ones, in their order', async () => {
    const kernel = openNativeKernel();
    // Where one took long, the next ones have no turns.
    closeSync(await openedSoon(file));
    await turn();
    const turns: number[] = [];
    const order: number[] = [];
    let now = 0;
    let isOver = false;
    const count = (): void => {
      now++;
      if (!isOver) setImmediate(count);
    };
    setImmediate(count);
    await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        await kernel.turnAtOnce();
        turns.push(now);
        order.push(index);
      }),
    );
    isOver = true;
    assert.deepEqual(
      order,
      Array.from({ length: 1000 }, (_, index) => index),
    );
    const most = Math.max(...turns.map((one) => turns.filter((other) => other === one).length));
    assert.ok(most <= 200, String(most));
    assert.ok(now >= 5, String(now));
    closeSync(await openedSoon(file));
  });

  it('is so with a thousand files at once', async () => {
    await (await open(file)).close();
    const before = readdirSync('/proc/self/fd').length;
    const texts = await Promise.all(
      Array.from({ length: 1000 }, async () => {
        await using one = await open(file);
        return one.readFile('utf8');
      }),
    );
    assert.deepEqual(new Set(texts), new Set(['content']));
    assert.equal(readdirSync('/proc/self/fd').length, before);
  });

  it('is closed at once, but for what has no name any more', async () => {
    const kernel = openNativeKernel();
    const fd = await openedSoon(file);
    let released = 0;
    let answer: number | undefined;
    while (answer === undefined) {
      await turn();
      answer = kernel.closeAtOnce(fd, () => released++);
    }
    assert.deepEqual([answer, released], [0, 1]);
    const path = join(home, 'unlinked');
    writeFileSync(path, 'x');
    const last = await openedSoon(path);
    unlinkSync(path);
    assert.equal(
      kernel.closeAtOnce(last, () => released++),
      undefined,
    );
    assert.equal(released, 1);
    closeSync(last);
  });
});

describe.skipIf(noNative)('a file that was opened at once', () => {
  it('is a FileHandle like any other', async () => {
    const first = await open(file);
    const second = await open(file);
    const { fd } = second;
    assert.equal(second.constructor.name, first.constructor.name);
    assert.equal(await second.readFile('utf8'), 'content');
    assert.equal((await second.stat()).ino, statSync(file).ino);
    await second.close();
    assert.equal(second.fd, -1);
    await second.close();
    await assert.rejects(second.stat(), { code: 'EBADF' });
    assert.throws(() => readFileSync(fd), { code: 'EBADF' });
    await first.close();
  });

  it('is told of, read and closed while the thread pool does not answer', () => {
    const dist = pathToFileURL(join(import.meta.dirname, '../../dist/src/index.js')).href;
    const fifo = join(home, 'held');
    execFileSync('mkfifo', [fifo]);
    const program = `import { closeSync, constants, open as openAny, openSync, readSync } from 'node:fs';
import { open } from ${JSON.stringify(dist)};
const [path, fifo] = ${JSON.stringify([file, fifo])};
// The context of this thread, and what is loaded with the first file.
await (await open(path)).close();
const held = [0, 1, 2, 3].map(() => new Promise((resolve) => openAny(fifo, 'r', (_, fd) => resolve(fd))));
async function tell() {
  const file = await open(path);
  const { size } = await file.stat();
  const half = await file.read(Buffer.alloc(3));
  const end = await file.readFile('utf8');
  const cursor = readSync(file.fd, Buffer.alloc(1));
  await file.close();
  return [size, half.buffer.toString(), end, cursor].join();
}
const late = new Promise((resolve) => setTimeout(resolve, 10_000, 'the pool was waited for').unref());
console.log(await Promise.race([tell(), late]));
const other = openSync(fifo, constants.O_WRONLY);
for (const fd of await Promise.all(held)) closeSync(fd);
closeSync(other);
`;
    // One that took long, as on a machine with too much to do, sends the next ones to the pool.
    for (let tries = 0; ; tries++) {
      const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
        encoding: 'utf8',
        env: { ...process.env, UV_THREADPOOL_SIZE: '4' },
      });
      if (stdout === 'the pool was waited for\n' && tries < 3) continue;
      assert.equal(stdout, '7,con,tent,0\n', stderr);
      break;
    }
  });

  it('has the stat of FileHandle, and its errors', async () => {
    const seen = await Promise.all(
      [open, openHandle].map(async (opener) => {
        const one = await opener(file, 'r');
        const outcomes: unknown[] = [];
        const ask = async (options?: unknown): Promise<void> => {
          const stat = await one.stat(options as never).then(
            (answer) => {
              const { atime, atimeMs, atimeNs, ...rest } = answer as Stats & { atimeNs?: bigint };
              return rest;
            },
            (error: Error & { code?: string; syscall?: string }) => [error.name, error.code, error.syscall],
          );
          outcomes.push(stat);
        };
        for (const options of [undefined, {}, { bigint: true }, { bigint: 0 }, null, 7, Symbol('options')])
          await ask(options);
        await one.close();
        await ask();
        return outcomes;
      }),
    );
    assert.deepEqual(seen[0], seen[1]);
  });

  it('leaves no descriptor behind, however many there are', async () => {
    const before = readdirSync('/proc/self/fd').length;
    for (let round = 0; round < 20; round++)
      await Promise.all(
        Array.from({ length: 50 }, async (_, index) => {
          const one = await open(file);
          if (index % 2 === 0) await one.read(Buffer.alloc(4), 0, 4, 0);
          await one.close();
        }),
      );
    // The context of this thread may have come.
    assert.ok(readdirSync('/proc/self/fd').length <= before + 4);
  });

  it('refuses what Node.js refuses, with its errors', async () => {
    await using _first = await open(file);
    await assert.rejects(open(join(home, 'missing')), { code: 'ENOENT', syscall: 'open' });
    await assert.rejects(open(file, 'r', 'mode' as never), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(open(`${file}\0`), { code: 'ERR_INVALID_ARG_VALUE' });
    await assert.rejects(open(7 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    await assert.rejects(open(join(file, 'x')), { code: 'ENOTDIR' });
  });

  it('is none where the permission model forbids it', () => {
    const [major] = process.versions.node.split('.').map(Number);
    const flag =
      major! >= 23 || (major === 22 && Number(process.versions.node.split('.')[1]) >= 13)
        ? '--permission'
        : '--experimental-permission';
    const secret = join(home, 'secret');
    const allowed = join(home, 'allowed');
    mkdirSync(allowed);
    writeFileSync(secret, 'secret');
    writeFileSync(join(allowed, 'file'), 'content');
    const dist = join(import.meta.dirname, '../../dist');
    const text = `import { open } from ${JSON.stringify(pathToFileURL(join(dist, 'src/index.js')).href)};
const { backend } = await open(${JSON.stringify(join(allowed, 'file'))});
await open(${JSON.stringify(join(allowed, 'file'))});
console.log(backend, await open(${JSON.stringify(secret)}).then(() => 'opened', (error) => error.code));`;
    const program = join(allowed, 'program.mjs');
    writeFileSync(program, text);
    const may = ['/proc', '/sys', join(import.meta.dirname, '../..'), allowed].map(
      (path) => `--allow-fs-read=${path}`,
    );
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [flag, '--allow-addons', '--allow-worker', ...may, program],
      {
        encoding: 'utf8',
      },
    );
    assert.match(stdout, / ERR_ACCESS_DENIED$/m, stderr);
  });
});
