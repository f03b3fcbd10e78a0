/** `kaio cp` when something ends it, changes under it, or looks at it: the destination is the old file or the new one, or that is said. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'vitest';
import { copyFile } from '../../src/cli/copy.ts';
import { AioContext } from '../../src/common/context/aio-context.ts';
import { CLI, type Ended, kaio, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const linux = process.platform === 'linux';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const has = (program: string): boolean => run('sh', ['-c', `command -v ${program} || true`]).stdout !== '';
let directory: string;
let source: string;
let destination: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kaio-dangers-'));
  source = join(directory, 'source');
  destination = join(directory, 'destination');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const contentOf = (path: string): string => readFileSync(path, 'latin1');
const names = (): string[] => readdirSync(directory).sort();

/** Starts a copy that takes hours and no room, and comes back when its file is there. */
async function begin(): Promise<{ child: ChildProcess; ended: Promise<Ended> }> {
  truncateSync(source, 2 ** 42);
  const watcher = watch(directory);
  const child = spawn(process.execPath, [CLI, 'cp', source, destination]);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([status]) => ({ status, stdout: '', stderr }) as Ended);
  await Promise.race([once(watcher, 'change'), ended]);
  watcher.close();
  return { child, ended };
}

describe.skipIf(!linux)('kaio cp, ended from outside', () => {
  it.each(SIGNALS)('%s leaves nothing of a new file', async (signal) => {
    writeFileSync(source, '');
    const { child, ended } = await begin();
    child.kill(signal);
    assert.deepEqual(await ended, { status: 1, stdout: '', stderr: 'kaio: interrupted\n' });
    assert.deepEqual(names(), ['source']);
  });

  it('leaves the older file as it was', async () => {
    writeFileSync(source, '');
    writeFileSync(destination, 'older');
    const { child, ended } = await begin();
    child.kill('SIGHUP');
    assert.equal((await ended).status, 1);
    assert.deepEqual(names(), ['destination', 'source']);
    assert.equal(contentOf(destination), 'older');
  });

  it('says that a file which was overwritten in place is not whole', async () => {
    writeFileSync(source, '');
    writeFileSync(destination, 'older');
    linkSync(destination, join(directory, 'other'));
    const { child, ended } = await begin();
    child.kill('SIGTERM');
    const { status, stderr } = await ended;
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^kaio: '.*destination' is overwritten in place: it has 2 links; until .*\nkaio: interrupted: '.*destination' was overwritten in place and holds a part of the new content at most\n$/,
    );
    assert.deepEqual(names(), ['destination', 'other', 'source']);
  });

  it('works again after it was killed, beside what that has left', async () => {
    writeFileSync(source, '');
    const { child, ended } = await begin();
    child.kill('SIGKILL');
    await ended;
    const [left] = names().filter((name) => name.startsWith('.destination.kaio-'));
    assert.ok(left !== undefined, names().join(' '));
    assert.ok(!names().includes('destination'));
    writeFileSync(source, 'data');
    assert.equal(kaio(['cp', source, destination]).status, 0);
    assert.deepEqual(names(), [left, 'destination', 'source'].sort());
  });

  it.skipIf(!has('python3'))('cleans up when its terminal is gone', async () => {
    writeFileSync(source, '');
    truncateSync(source, 2 ** 42);
    // A session of its own on a terminal, which is closed while progress is shown.
    const script = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b''
while b'bytes' not in seen: seen += os.read(terminal, 4096)
os.close(terminal)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))`;
    const { stdout, stderr } = run('python3', [
      '-c',
      script,
      process.execPath,
      CLI,
      'cp',
      source,
      destination,
    ]);
    // Node.js itself may abort at exit, when it cannot set back the terminal that is gone.
    assert.match(stdout, /^(1|-\d+)\n$/, stderr);
    assert.deepEqual(names(), ['source']);
  });

  it('lets several at once write the same file: it is that of one of them', async () => {
    const contents = [randomBytes(3_000_001), randomBytes(2_000_003), randomBytes(1_000_001)];
    const children = contents.map((content, index) => {
      writeFileSync(`${source}${index}`, content);
      return spawn(process.execPath, [CLI, 'cp', `${source}${index}`, destination], { stdio: 'inherit' });
    });
    const statuses = await Promise.all(children.map(async (child) => (await once(child, 'exit'))[0]));
    assert.deepEqual(statuses, [0, 0, 0]);
    const found = readFileSync(destination);
    assert.ok(contents.some((content) => content.equals(found)));
    assert.deepEqual(names(), ['destination', 'source0', 'source1', 'source2']);
  });
});

describe.skipIf(!linux)('kaio cp in place', () => {
  beforeEach(() => {
    writeFileSync(destination, 'older');
    linkSync(destination, join(directory, 'other'));
  });

  it('does not touch the destination when the source cannot be read', () => {
    const { status, stderr } = kaio(['cp', '/proc/self/mem', destination]);
    assert.equal(status, 1);
    assert.match(stderr, /^kaio: EIO: i\/o error, read\n$/);
    assert.equal(contentOf(destination), 'older');
  });

  it('says what has become of it when there is no more room', ({ skip }) => {
    const full = join(directory, 'full');
    mkdirSync(full);
    if (run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', full]).status !== 0)
      skip('nothing can be mounted');
    try {
      writeFileSync(source, randomBytes(300_000));
      for (const name of ['one', 'two']) writeFileSync(join(full, name), 'older');
      rmSync(join(full, 'two'));
      linkSync(join(full, 'one'), join(full, 'two'));
      const { status, stderr } = kaio(['cp', source, join(full, 'one')]);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /\nkaio: ENOSPC: .*: '.*one' was overwritten in place and holds a part of the new/,
      );
      assert.equal(statSync(join(full, 'one')).nlink, 2);
    } finally {
      run('umount', [full]);
    }
  });

  it('copies with --direct, holes and unaligned tail included', ({ skip }) => {
    const content = Buffer.alloc(1_000_001);
    content.write('head');
    content.write('tail', 999_990);
    writeFileSync(source, '');
    truncateSync(source, content.length);
    run('sh', [
      '-c',
      'printf head | dd conv=notrunc of="$1" status=none; printf tail | dd conv=notrunc oflag=seek_bytes seek=999990 of="$1" status=none',
      'sh',
      source,
    ]);
    const { status, stderr } = kaio(['cp', '--direct', '--block-size', '64k', source, destination]);
    if (stderr.includes('does not open files with O_DIRECT')) skip('there is no O_DIRECT here');
    assert.equal(status, 0, stderr);
    assert.ok(readFileSync(destination).equals(content));
    assert.ok(statSync(destination).blocks * 512 < 100_000);
  });
});

describe.skipIf(!linux)('kaio cp without koffi', () => {
  it('says that it has not looked for attributes of the file that it replaces', () => {
    const hook = join(directory, 'no-koffi.cjs');
    writeFileSync(
      hook,
      `const Module = require('node:module');
       const resolve = Module._resolveFilename;
       Module._resolveFilename = function (name, ...rest) {
         if (name === 'koffi') throw Object.assign(new Error('no koffi'), { code: 'MODULE_NOT_FOUND' });
         return resolve.call(this, name, ...rest);
       };`,
    );
    writeFileSync(source, 'data');
    const env = { ...process.env, NODE_OPTIONS: `--require ${hook}` };
    assert.equal(kaio(['cp', source, destination], { env }).stderr, '');
    const { status, stdout, stderr } = kaio(['cp', source, destination], { env });
    assert.equal(status, 0);
    assert.match(stdout, /^emulated: 4 bytes/);
    assert.match(
      stderr,
      /^kaio: '.*destination': access control lists and extended attributes were not looked at/,
    );
  });
});

for (const { name, open, missing } of KERNELS) {
  describe.skipIf(missing !== undefined || !linux)(`copyFile while the destination changes, ${name}`, () => {
    const notes: string[] = [];

    async function copyWhile(meanwhile: () => void, preserve = false): Promise<number> {
      notes.length = 0;
      await using context = new AioContext({ kernel: open() });
      let begun = false;
      return await copyFile(source, destination, {
        context,
        queueDepth: 1,
        blockBytes: 4096,
        direct: false,
        preserve,
        onNote: (line) => notes.push(line),
        onProgress: () => {
          if (!begun) meanwhile();
          begun = true;
        },
      });
    }

    beforeEach(() => {
      writeFileSync(source, Buffer.alloc(32768, 'k'));
      chmodSync(source, 0o644);
    });

    it('takes over the rights of a file that comes meanwhile', async () => {
      await copyWhile(() => writeFileSync(destination, 'secret', { mode: 0o600 }));
      assert.equal(statSync(destination).mode & 0o777, 0o600);
      assert.equal(statSync(destination).size, 32768);
      assert.deepEqual(names(), ['destination', 'source']);
    });

    it('takes over rights that are taken away meanwhile, but the source has the last word with --preserve', async () => {
      writeFileSync(destination, 'older', { mode: 0o644 });
      await copyWhile(() => chmodSync(destination, 0o600));
      assert.equal(statSync(destination).mode & 0o777, 0o600);
      await copyWhile(() => chmodSync(destination, 0o666), true);
      assert.equal(statSync(destination).mode & 0o777, 0o644);
    });

    it('leaves a file alone that gets a second link meanwhile', async () => {
      writeFileSync(destination, 'older');
      const copy = copyWhile(() => linkSync(destination, join(directory, 'other')));
      await assert.rejects(
        copy,
        /'.*destination' has changed while the copy was made, and is left as it is: it has 2 links$/,
      );
      assert.equal(contentOf(destination), 'older');
      assert.deepEqual(names(), ['destination', 'other', 'source']);
    });

    it('replaces neither a folder nor a link that comes meanwhile', async () => {
      await assert.rejects(
        copyWhile(() => mkdirSync(destination)),
        /is not a regular file but a directory/,
      );
      rmSync(destination, { recursive: true });
      await assert.rejects(
        copyWhile(() => symlinkSync('nowhere', destination)),
        /is a link to a file that does not exist/,
      );
      assert.deepEqual(names(), ['destination', 'source']);
    });

    it('makes a file where the older one was removed meanwhile', async () => {
      writeFileSync(destination, 'older');
      assert.equal(await copyWhile(() => rmSync(destination)), 32768);
      assert.deepEqual(names(), ['destination', 'source']);
    });

    it('says that the content in place is not whole when the source changes', async () => {
      for (const change of [() => truncateSync(source, 8192), () => appendFileSync(source, 'more')]) {
        writeFileSync(source, Buffer.alloc(32768, 'k'));
        writeFileSync(destination, 'older');
        rmSync(join(directory, 'other'), { force: true });
        linkSync(destination, join(directory, 'other'));
        await assert.rejects(
          copyWhile(change),
          /while it was copied: '.*destination' was overwritten in place and holds a part of the new content at most$/,
        );
        assert.match(notes.join('\n'), /is overwritten in place: it has 2 links; until/);
      }
    });

    it('notices an empty source that grows', async () => {
      writeFileSync(source, '');
      await using context = new AioContext({ kernel: open() });
      const copy = copyFile(source, destination, { context, queueDepth: 1, blockBytes: 4096, direct: false });
      appendFileSync(source, 'more');
      await copy.catch((error: unknown) => assert.match(String(error), /changed its size/));
      assert.ok(!names().some((one) => one.startsWith('.')));
    });
  });
}

describe.skipIf(!linux)('kaio cp and the terminal', () => {
  const HOSTILE = 'a\n\u001b]0;owned\u0007\u009b2J\u202e';
  const shown = String.raw`a\n\x1b]0;owned\x07\x9b2J\u{202e}`;

  function stderrOf(...args: readonly string[]): string {
    const { status, stderr } = kaio(['cp', ...args]);
    assert.equal(status, 1);
    assert.doesNotMatch(stderr.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
    return stderr;
  }

  it('is told no names as they are', () => {
    const path = join(directory, HOSTILE);
    const seen = join(directory, shown);
    assert.equal(stderrOf(path, destination), `kaio: ENOENT: no such file or directory, open '${seen}'\n`);
    mkdirSync(path);
    assert.equal(stderrOf(path, destination), `kaio: '${seen}' is not a regular file but a directory\n`);
    writeFileSync(source, 'data');
    assert.match(stderrOf(source, join(path, HOSTILE, 'x')), /^kaio: ENOENT: .*\n$/);
    symlinkSync('nowhere', join(path, 'link'));
    assert.ok(
      stderrOf(source, join(path, 'link')).startsWith(`kaio: '${seen}/link' is a link to a file that`),
    );
    writeFileSync(join(path, 'one'), 'older');
    linkSync(join(path, 'one'), join(path, 'two'));
    const { status, stderr } = kaio(['cp', source, join(path, 'one')]);
    assert.equal(status, 0);
    assert.ok(stderr.startsWith(`kaio: '${seen}/one' is overwritten in place: it has 2 links`));
  });

  it('is told no arguments as they are', () => {
    assert.match(stderrOf('--block-size', HOSTILE, source, destination), /option '--block-size.*\\x1b/);
    assert.match(stderrOf(`--${HOSTILE}`, source, destination), /unknown option '--a/);
    assert.equal(kaio([HOSTILE]).stderr.includes('\u001b'), false);
  });
});
