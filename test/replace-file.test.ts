/** Replacing files of the host, beside what `fs.promises.writeFile` does with the same. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, describe, it } from 'vitest';
import type { AioFile, FileData } from '../src/common/file/aio-file-type.ts';
import { FileReplacement, type Temporary } from '../src/file-replacement.ts';
import { replaceFile, replacing } from '../src/replace-file.ts';
import { KERNELS } from './support/kernels.ts';

const root = fs.mkdtempSync(join(tmpdir(), 'kaio-replace-'));
afterAll(() => fs.rmSync(root, { recursive: true, force: true }));
const isWindows = process.platform === 'win32';
const isRoot = process.getuid?.() === 0;

let directories = 0;
/** A directory with nothing else in it. */
function fresh(content?: string): {
  directory: string;
  path: string;
  names: () => string[];
  content: () => string;
} {
  const directory = join(root, String(directories++));
  fs.mkdirSync(directory);
  const path = join(directory, 'file');
  if (content !== undefined) fs.writeFileSync(path, content);
  return {
    directory,
    path,
    names: () => fs.readdirSync(directory).sort(),
    content: () => fs.readFileSync(path, 'utf8'),
  };
}

const facts = ({ code, errno, syscall, path, name }: NodeJS.ErrnoException): unknown => ({
  code,
  errno,
  syscall,
  path,
  name,
});
const caught = async (promise: Promise<unknown>): Promise<NodeJS.ErrnoException> => {
  try {
    await promise;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
  return assert.fail('it did not fail');
};

/** Mounts a small file system. @returns Why that is not to be had here. */
function mounted(directory: string, options: string): string | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'none', directory], { stdio: 'pipe' });
    mounts.push(directory);
    return undefined;
  } catch (error) {
    return String(error);
  }
}
const mounts: string[] = [];
afterEach(() => {
  for (const directory of mounts.splice(0)) execFileSync('umount', [directory]);
});

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`replaceFile(), ${backend}`, () => {
    const replace = (path: fs.PathLike, data: FileData, more = {}) =>
      replaceFile(path, data, { backend, ...more });

    const data: Record<string, () => unknown> = {
      'a string': () => 'grün',
      'an empty string': () => '',
      'a Buffer': () => Buffer.from('bytes'),
      'a Uint16Array': () => new Uint16Array([1, 2, 3]),
      'a DataView': () => new DataView(new ArrayBuffer(7), 1, 3),
      'an array of both': () => ['one', Buffer.from('two')],
      'a generator': function* () {
        yield 'one';
        yield new Uint8Array(3);
      },
      'an asynchronous generator': async function* () {
        yield 'one';
        yield 'two';
      },
      'a stream': () => Readable.from(['one', Buffer.from('two')]),
      'a long string': () => 'x'.repeat(3_000_000),
      'a number': () => 7,
      nothing: () => undefined,
      'an object': () => ({}),
      'an array of objects': () => ['one', { of: 'mine' }],
    };
    it.each(Object.keys(data))('writes what FileHandle.writeFile() writes: %s', async (kind) => {
      const [ours, hosts] = [fresh('old'), fresh('old')];
      const outcome = async (promise: Promise<unknown>) =>
        promise.then(
          () => 'resolved',
          ({ name, code }: NodeJS.ErrnoException) => [name, code],
        );
      const got = await outcome(replace(ours.path, data[kind]!() as FileData));
      assert.deepEqual(got, await outcome(fs.promises.writeFile(hosts.path, data[kind]!() as FileData)));
      // What is refused leaves the old content, and not half of the new.
      assert.equal(ours.content(), got === 'resolved' ? hosts.content() : 'old');
      assert.deepEqual(ours.names(), ['file']);
    });

    it.each(['latin1', 'hex', 'utf16le'] as const)('takes an encoding: %s', async (encoding) => {
      const { path } = fresh();
      await replace(path, 'c0ffee', { encoding });
      assert.deepEqual(fs.readFileSync(path), Buffer.from('c0ffee', encoding));
      await replaceFile(path, 'beef', encoding);
      assert.deepEqual(fs.readFileSync(path), Buffer.from('beef', encoding));
    });

    it('takes paths as strings, bytes and URLs', async () => {
      const { directory, names } = fresh();
      await replace(join(directory, 'a'), '');
      await replace(Buffer.from(join(directory, 'b')), '');
      await replace(pathToFileURL(join(directory, 'c d')), '');
      await replace(join(directory, 'x'.repeat(255)), '');
      assert.deepEqual(names(), ['a', 'b', 'c d', 'x'.repeat(255)]);
    });

    it('whoever has the old file open goes on reading that', async () => {
      const { path, content } = fresh('old');
      const fd = fs.openSync(path, 'r');
      await replace(path, 'new');
      assert.equal(fs.readFileSync(fd, 'utf8'), 'old');
      fs.closeSync(fd);
      assert.equal(content(), 'new');
    });

    it.skipIf(isWindows)(
      'gives a new file the mode that writeFile() gives it, and keeps that of an old one',
      async () => {
        const before = process.umask(0o027);
        try {
          const [ours, hosts] = [fresh(), fresh()];
          await replace(ours.path, 'new');
          fs.writeFileSync(hosts.path, 'new');
          assert.equal(fs.statSync(ours.path).mode, fs.statSync(hosts.path).mode);
          for (const mode of [0o600, 0o666, 0o755, 0o640]) {
            fs.chmodSync(ours.path, mode);
            await replace(ours.path, 'again');
            assert.equal(fs.statSync(ours.path).mode & 0o7777, mode);
          }
          for (const mode of [0o664, '604', 0o100600]) {
            await replace(ours.path, 'again', { mode });
            const bits = typeof mode === 'string' ? Number.parseInt(mode, 8) : mode & 0o7777;
            assert.equal(fs.statSync(ours.path).mode & 0o7777, bits);
          }
          fs.chmodSync(ours.path, 0o4755);
          await replace(ours.path, 'again');
          assert.equal(fs.statSync(ours.path).mode & 0o7777, 0o755);
        } finally {
          process.umask(before);
        }
      },
    );

    it.skipIf(!isRoot)('keeps the owner', async () => {
      const { path } = fresh('old');
      fs.chownSync(path, 1234, 2345);
      fs.chmodSync(path, 0o640);
      await replace(path, 'new', { mode: 0o2750 });
      const { uid, gid, mode } = fs.statSync(path);
      assert.deepEqual([uid, gid, mode & 0o7777], [1234, 2345, 0o2750]);
    });

    it.skipIf(isWindows)('replaces what a link points to, through any number of them', async () => {
      const { directory, path, content, names } = fresh('old');
      fs.mkdirSync(join(directory, 'links'));
      fs.symlinkSync('../file', join(directory, 'links/one'));
      fs.symlinkSync('one', join(directory, 'links/two'));
      fs.symlinkSync('../made', join(directory, 'links/dangling'));
      fs.symlinkSync('loop', join(directory, 'links/loop'));
      await replace(join(directory, 'links/two'), 'new');
      assert.equal(content(), 'new');
      assert.equal(fs.readlinkSync(join(directory, 'links/two')), 'one');
      await replace(join(directory, 'links/dangling'), 'made');
      assert.equal(fs.readFileSync(join(directory, 'made'), 'utf8'), 'made');
      assert.deepEqual(names(), ['file', 'links', 'made']);
      assert.deepEqual(fs.readdirSync(join(directory, 'links')).sort(), ['dangling', 'loop', 'one', 'two']);
      const loop = join(directory, 'links/loop');
      assert.deepEqual(
        facts(await caught(replace(loop, ''))),
        facts(await caught(fs.promises.writeFile(loop, ''))),
      );
      // A file that has lost its name cannot be replaced, though there is a link to it.
      const fd = fs.openSync(path, 'r+');
      fs.unlinkSync(path);
      if (fs.existsSync('/proc/self/fd'))
        assert.equal((await caught(replace(`/proc/self/fd/${fd}`, ''))).code, 'EINVAL');
      fs.closeSync(fd);
    });

    it('refuses paths as writeFile() does, with the same facts', async () => {
      const { directory, path } = fresh('old');
      const paths = [
        directory,
        `${directory}/`,
        `${directory}/.`,
        join(directory, 'missing/file'),
        `${directory}/missing/`,
        `${directory}/file/below`,
        join(directory, 'x'.repeat(256)),
        '',
      ];
      for (const wrong of isWindows ? paths.slice(0, 4) : paths) {
        const error = await caught(replace(wrong, 'new'));
        assert.deepEqual(facts(error), facts(await caught(fs.promises.writeFile(wrong, 'new'))), wrong);
        assert.match(error.message, /^E[A-Z]+: /);
      }
      // Linux says EISDIR to whoever would make it, which it is not.
      if (!isWindows) assert.equal((await caught(replace(`${path}/`, 'new'))).code, 'ENOTDIR');
      for (const wrong of [7, undefined, null, 'a\0b']) {
        const error = await caught(replace(wrong as string, 'new'));
        assert.equal(error.code, (await caught(fs.promises.writeFile(wrong as string, 'new'))).code);
      }
      assert.deepEqual(fs.readdirSync(directory), ['file']);
      assert.equal(fs.readFileSync(path, 'utf8'), 'old');
    });

    it.each([
      [{ encoding: 'klingon' }, 'ERR_INVALID_ARG_VALUE'],
      [{ signal: 7 }, 'ERR_INVALID_ARG_TYPE'],
      [{ mode: -1 }, 'ERR_OUT_OF_RANGE'],
      [{ mode: '8' }, 'ERR_INVALID_ARG_VALUE'],
      [{ mode: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ backend: 'none' }, undefined],
    ])('refuses options: %j', async (options, code) => {
      const { path, names } = fresh();
      const error = await caught(replaceFile(path, 'new', { backend, ...options } as object));
      if (code !== undefined) assert.equal(error.code, code);
      assert.deepEqual(names(), []);
    });

    it.skipIf(isWindows)('refuses special files, without waiting for them', async () => {
      const { directory, path, names } = fresh();
      execFileSync('mkfifo', [path]);
      fs.symlinkSync('/dev/null', join(directory, 'null'));
      for (const name of ['file', 'null']) {
        const error = await caught(replace(join(directory, name), 'new'));
        assert.equal(error.code, 'EINVAL');
        assert.match(error.message, /no regular file/);
      }
      assert.deepEqual(names(), ['file', 'null']);
    });

    it.skipIf(isWindows || !isRoot)('ENOSPC: the old file stays, and nothing else', async (context) => {
      const { directory, path, names, content } = fresh();
      const why = mounted(directory, 'size=64k');
      if (why !== undefined) return context.skip(why);
      fs.writeFileSync(path, 'old');
      const chunks = function* () {
        for (let index = 0; index < 100; index++) yield Buffer.alloc(4096);
      };
      for (const one of [Buffer.alloc(200_000), chunks()]) {
        const error = await caught(replace(path, one));
        assert.deepEqual([error.code, error.syscall, error.path], ['ENOSPC', 'write', path]);
        assert.deepEqual([names(), content()], [['file'], 'old']);
      }
    });

    it.skipIf(isWindows || !isRoot)('EROFS: nothing is tried', async (context) => {
      const { directory, path, names } = fresh();
      const why = mounted(directory, 'size=64k');
      if (why !== undefined) return context.skip(why);
      fs.writeFileSync(path, 'old');
      execFileSync('mount', ['-o', 'remount,ro', directory]);
      for (const name of ['file', 'new'])
        assert.deepEqual(
          facts(await caught(replace(join(directory, name), 'new'))),
          facts(await caught(fs.promises.writeFile(join(directory, name), 'new'))),
        );
      assert.deepEqual(names(), ['file']);
    });

    it.skipIf(isWindows || !isRoot)(
      'as somebody else: no file that may not be written to, no group that cannot be given',
      async () => {
        const { directory, path, content } = fresh('old');
        fs.chmodSync(root, 0o755);
        fs.chmodSync(directory, 0o777);
        fs.chmodSync(path, 0o644);
        const [uid, gid] = [process.getuid!(), process.getgid!()];
        const groups = process.getgroups!();
        const asNobody = async (run: () => Promise<void>): Promise<void> => {
          process.setgroups!([65534]);
          process.setegid!(65534);
          process.seteuid!(65534);
          try {
            await run();
          } finally {
            process.seteuid!(uid);
            process.setegid!(gid);
            process.setgroups!(groups);
          }
        };
        fs.chmodSync(path, 0o664);
        await asNobody(async () => {
          await replace(path, 'new');
        });
        assert.equal(content(), 'new');
        const { mode, uid: owner } = fs.statSync(path);
        assert.deepEqual([mode & 0o7777, owner], [0o644, 65534]);
      },
    );

    describe('leaves nothing behind', () => {
      const failures: Record<string, () => FileData> = {
        'an iterable that throws': function* () {
          yield 'half';
          throw new Error('mine');
        },
        'an asynchronous one': async function* () {
          yield 'half';
          throw new Error('mine');
        },
        'a promise in an iterable': function* () {
          yield 'half';
          yield Promise.reject(new Error('mine')) as never;
        },
        'a stream that is destroyed': () =>
          new Readable({
            read() {
              this.push('half');
              setImmediate(() => this.destroy(new Error('mine')));
            },
          }),
        'an iterable that cannot begin': () => ({
          [Symbol.iterator]: () => {
            throw new Error('mine');
          },
        }),
      };
      it.each(Object.keys(failures))('%s', async (kind) => {
        const { path, names, content } = fresh('old');
        const error = await caught(replace(path, failures[kind]!()));
        assert.equal(error.message, 'mine');
        assert.deepEqual([names(), content()], [['file'], 'old']);
      });

      it('a stream of a file that is not there says so itself', async () => {
        const { directory, path, names } = fresh();
        const missing = join(directory, 'missing');
        const error = await caught(replace(path, fs.createReadStream(missing)));
        assert.deepEqual([error.code, error.path], ['ENOENT', missing]);
        assert.deepEqual(names(), []);
        // Nobody asked that one for anything.
        const unread = Readable.from(['one']);
        await caught(replace(join(directory, 'missing/file'), unread));
        assert.equal(unread.destroyed, true);
      });

      it('a signal that has fired, or fires in the middle', async () => {
        const { path, names, content } = fresh('old');
        const reason = new Error('enough');
        let asked = 0;
        const counting = function* () {
          asked++;
          yield 'x';
        };
        const fired = await caught(replace(path, counting(), { signal: AbortSignal.abort(reason) }));
        assert.deepEqual(
          [fired.name, fired.code, fired.cause, asked],
          ['AbortError', 'ABORT_ERR', reason, 0],
        );
        const controller = new AbortController();
        let isClosed = false;
        const aborting = async function* () {
          try {
            yield 'half';
            controller.abort(reason);
            yield 'other half';
          } finally {
            isClosed = true;
          }
        };
        const error = await caught(replace(path, aborting(), { signal: controller.signal }));
        assert.deepEqual([error.name, error.cause, isClosed], ['AbortError', reason, true]);
        assert.deepEqual([names(), content()], [['file'], 'old']);
      });

      it('a signal that fires while a piece never comes', async () => {
        const { path, names, content } = fresh('old');
        const stream = new Readable({ read() {} });
        stream.push('half');
        const never = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) };
        for (const one of [stream, never]) {
          const controller = new AbortController();
          setTimeout(() => controller.abort(), 20);
          const error = await caught(replace(path, one, { signal: controller.signal }));
          assert.equal(error.name, 'AbortError');
          assert.deepEqual([names(), content()], [['file'], 'old']);
        }
        assert.equal(stream.destroyed, true);
      });

      it('a step that fails, whichever', async () => {
        const broken = (): Error =>
          Object.assign(new Error('EIO: i/o error, step'), { code: 'EIO', errno: -5, syscall: 'step' });
        const steps = [
          'openDirectory',
          'create',
          'write',
          'adopt',
          'syncFile',
          'putInPlace',
          'syncDirectory',
        ];
        for (const step of steps) {
          // Before it, and after it has done its work: but for those that give something which would be lost so.
          const afters =
            step === 'openDirectory' || step === 'create' || step === 'putInPlace' ? [false] : [false, true];
          for (const isAfter of afters) {
            const { path, names, content } = fresh('old');
            class Failing extends FileReplacement {}
            const method = FileReplacement.prototype[step as never] as (
              ...args: unknown[]
            ) => Promise<unknown>;
            Object.defineProperty(Failing.prototype, step, {
              async value(this: FileReplacement, ...args: unknown[]) {
                if (isAfter) await method.apply(this, args);
                throw broken();
              },
            });
            const error = await caught(new Failing(replacing(path, 'new', { backend })).run());
            const syscall = step === 'openDirectory' ? 'step' : step === 'create' ? 'open' : 'step';
            assert.deepEqual(
              step === 'openDirectory'
                ? [error.code]
                : [error.code, error.errno, error.syscall, error.path, error.name],
              step === 'openDirectory' ? ['EIO'] : ['EIO', -5, syscall, path, 'Error'],
            );
            const isReplaced = step === 'syncDirectory';
            assert.deepEqual([step, names(), content()], [step, ['file'], isReplaced ? 'new' : 'old']);
            assert.equal(error.message.includes('The file is replaced'), isReplaced);
          }
        }
      });

      it('a signal that fires during the last sync before the rename', async () => {
        const { path, names, content } = fresh('old');
        const controller = new AbortController();
        class Aborted extends FileReplacement {
          protected override async syncFile(file: AioFile): Promise<void> {
            await super.syncFile(file);
            controller.abort();
          }
        }
        const options = { backend, signal: controller.signal };
        assert.equal((await caught(new Aborted(replacing(path, 'new', options)).run())).name, 'AbortError');
        assert.deepEqual([names(), content()], [['file'], 'old']);
      });

      it('and no descriptor', async (context) => {
        if (!fs.existsSync('/proc/self/fd')) return context.skip('no /proc');
        const { path } = fresh('old');
        const open = (): number => fs.readdirSync('/proc/self/fd').length;
        const round = async (): Promise<void> => {
          await replace(path, 'new');
          await caught(replace(path, failures['an asynchronous one']!()));
          await caught(replace(join(path, 'below'), 'new'));
        };
        await round();
        const before = open();
        for (let rounds = 0; rounds < 5; rounds++) await round();
        // Contexts of tests before, which nobody uses any more, may be closed meanwhile.
        assert.ok(open() <= before, `${open()} descriptors, ${before} before`);
      });
    });

    it('takes another name where one is taken, and never a file that is there', async () => {
      const { path, names, content } = fresh('old');
      let draws = 0;
      class Unlucky extends FileReplacement {
        protected override create(...args: Parameters<FileReplacement['create']>): Promise<Temporary> {
          const taken = this.names;
          (this as unknown as { names: unknown }).names = {
            ...taken,
            randomBytes: (count: number) => new Uint8Array(count).fill(draws++ < 2 ? 1 : 2),
          };
          return super.create(...args);
        }
      }
      const taken = `${join(path, '..')}/.file.kaio-010101010101`;
      fs.writeFileSync(taken, 'somebody else');
      await new Unlucky(replacing(path, 'new', { backend })).run();
      assert.deepEqual([names(), content()], [['.file.kaio-010101010101', 'file'], 'new']);
      assert.equal(fs.readFileSync(taken, 'utf8'), 'somebody else');
    });

    it('readers beside it never see anything but one of the contents', async () => {
      const { path } = fresh('0'.repeat(50_000));
      let isDone = false;
      const reading = (async () => {
        let reads = 0;
        while (!isDone) {
          const content = await fs.promises.readFile(path, 'utf8');
          assert.equal(content, content[0]!.repeat(50_000));
          reads++;
        }
        return reads;
      })();
      for (let round = 0; round < 30; round++) await replace(path, String(round % 10).repeat(50_000));
      isDone = true;
      assert.ok((await reading) > 0);
    });
  });
}
