import assert from 'node:assert/strict';
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { descriptorFlags } from '../../../src/common/file/descriptor-flags.ts';
import { hostCalls } from '../../../src/common/file/descriptor-handle.ts';
import { knowledgeOf } from '../../../src/common/file/direct-knowledge.ts';
import { judgeDirect } from '../../../src/common/file/direct-verdict.ts';
import { witness } from '../../../src/common/file/direct-witness.ts';
import { mountOf, parseMounts } from '../../../src/common/file/mounts.ts';
import type { AioKernel, DirectAlignment } from '../../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { fromDescriptor, open } from '../../../src/open.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-truth-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

let names = 0;
function path(content?: Uint8Array | string, folder = directory): string {
  const name = join(folder, `file-${names++}`);
  if (content === undefined) return name;
  writeFileSync(name, content);
  const fd = openSync(name, 'r');
  fsyncSync(fd);
  closeSync(fd);
  return name;
}

const O_DIRECT: number | undefined = constants.O_DIRECT;
const isLinux = process.platform === 'linux';
const WHOLE = Buffer.alloc(65_536, 7);

/** Whether a file here can be opened with O_DIRECT, whatever comes of it. */
function opensDirect(): boolean {
  try {
    closeSync(openSync(path('x'), constants.O_RDONLY | O_DIRECT!));
    return O_DIRECT !== undefined;
  } catch {
    return false;
  }
}

const hasFlag = (fd: number): boolean => (descriptorFlags(fd)!.flags & O_DIRECT!) !== 0;

describe.skipIf(!isLinux || !opensDirect())('whether a file is direct', () => {
  for (const { name, open: kernelOf, missing } of KERNELS) {
    const context = (alignment: DirectAlignment | undefined, more: Partial<AioKernel> = {}): AioContext => {
      const kernel = replacing(kernelOf(), { directAlignment: () => alignment, ...more });
      return new AioContext({ kernel, queueDepth: 8 });
    };
    const none = { memory: 0, offset: 0 };
    const some = { memory: 512, offset: 512 };

    describe.skipIf(missing !== undefined)(`is what the kernel says, ${name}`, () => {
      it('gives a buffered file where it says that there is none', async () => {
        await using no = context(none);
        for (const flags of ['r', 'r+', 'w', 'a+', 'wx']) {
          const where = path(flags === 'wx' ? undefined : WHOLE);
          await using file = await open(where, flags, 0o600, { direct: 'prefer', context: no });
          assert.equal(file.direct, false);
          assert.match(
            file.directReason,
            /^the kernel says that this file takes no direct I\/O: it is on \w+/,
          );
          assert.deepEqual(file.alignment, { memory: 1, offset: 1, length: 1 });
          assert.equal(hasFlag(file.fd), false);
          if (flags === 'r') continue;
          await file.write('odd', 0);
          const written = flags === 'a+' ? WHOLE.length + 3 : flags === 'r+' ? WHOLE.length : 3;
          assert.equal(readFileSync(where).length, written);
        }
      });

      it('opens it again where the flag cannot be taken off', async () => {
        await using no = context(none, { clearDirect: () => false });
        const where = path(WHOLE);
        await using file = await open(where, 'r+', 0o600, { direct: 'prefer', context: no });
        assert.equal(hasFlag(file.fd), false);
        await file.write('odd', 1);
        assert.equal(readFileSync(where, 'latin1').slice(0, 5), '\x07odd\x07');
      });

      it('refuses what requires it, and leaves everything as it was', async () => {
        await using no = context(none);
        const refusal = {
          code: 'EINVAL',
          syscall: 'open',
          message: /Direct I\/O was required, but the kernel says that this file takes no direct I\/O/,
        };
        const at = (where: string | Buffer | URL, flags: string | number): Promise<unknown> =>
          open(where, flags, 0o600, {
            context: no,
            ...(typeof flags === 'string' ? { direct: 'require' } : {}),
          });
        const { O_CREAT, O_RDWR, O_TRUNC, O_EXCL, O_RDONLY } = constants;
        for (const flags of ['r', 'r+', 'w', 'w+', 'a', O_RDWR | O_CREAT | O_TRUNC | O_DIRECT!]) {
          const there = path(WHOLE);
          await assert.rejects(at(there, flags), refusal);
          assert.deepEqual(readFileSync(there), WHOLE, `${flags}`);
        }
        for (const flags of [
          'w',
          'wx',
          'a+',
          O_RDONLY | O_CREAT | O_DIRECT!,
          O_RDWR | O_CREAT | O_EXCL | O_DIRECT!,
        ]) {
          const absent = path();
          for (const where of [absent, Buffer.from(absent), pathToFileURL(absent)])
            await assert.rejects(at(where, flags), refusal);
          assert.equal(existsSync(absent), false, `${flags}`);
          // Behind a link that leads nowhere, and one behind that, a file would be made.
          const link = path();
          const first = path();
          symlinkSync(absent.slice(directory.length + 1), link);
          symlinkSync(link, first);
          const exclusive = flags === 'wx' || (typeof flags === 'number' && (flags & O_EXCL) !== 0);
          await assert.rejects(at(first, flags), exclusive ? { code: 'EEXIST' } : refusal);
          assert.equal(existsSync(absent), false, `${flags}`);
          assert.ok(lstatSync(link).isSymbolicLink());
        }
        await assert.rejects(at(join(path(), 'none'), 'w'), { code: 'ENOENT', syscall: 'open' });
        await assert.rejects(at(path(WHOLE), 'wx'), { code: 'EEXIST' });
      });

      it('empties and makes files where it says that there is', async () => {
        await using yes = context(some);
        const { O_CREAT, O_RDONLY, O_TRUNC } = constants;
        for (const flags of ['w', 'w+', O_RDONLY | O_TRUNC | O_CREAT | O_DIRECT!]) {
          for (const where of [path(WHOLE), path()]) {
            await using file = await open(where, flags, 0o600, { direct: 'require', context: yes });
            assert.equal(file.direct, true);
            assert.match(file.directReason, /; the kernel says that this file takes it$/);
            assert.deepEqual(file.alignment, { memory: 512, offset: 512, length: 512 });
            assert.equal(readFileSync(where).length, 0);
          }
        }
        const target = path();
        const link = path();
        symlinkSync(target, link);
        await using file = await open(link, 'w', 0o600, { direct: 'require', context: yes });
        assert.equal((await file.stat()).ino, lstatSync(target).ino);
      });

      it('removes what it made when the file cannot be made for another reason', async () => {
        const absent = path();
        await using yes = context(some);
        const broken = replacing(yes.kernel, {
          directAlignment: () => {
            throw new Error('broken');
          },
        });
        await using over = new AioContext({ kernel: broken, queueDepth: 8 });
        await assert.rejects(open(absent, 'w', 0o600, { direct: 'require', context: over }), /broken/);
        assert.equal(existsSync(absent), false);
      });
    });

    describe.skipIf(missing !== undefined)(`of a descriptor, ${name}`, () => {
      it('is what Linux tells of it', async () => {
        await using yes = context(some);
        await using no = context(none);
        const where = path(WHOLE);
        await using direct = await openHandle(where, constants.O_RDWR | O_DIRECT!);
        await using buffered = await openHandle(where, 'a+');
        for (const [descriptor, expected] of [
          [direct, true],
          [direct.fd, true],
          [buffered, false],
          [buffered.fd, false],
        ] as const) {
          for (const said of [undefined, expected]) {
            await using file = await fromDescriptor(descriptor, {
              context: yes,
              ...(said === undefined ? {} : { direct: said }),
            });
            assert.equal(file.direct, expected);
            assert.match(file.directReason, expected ? /has O_DIRECT; the kernel says/ : /has no O_DIRECT/);
          }
          await assert.rejects(fromDescriptor(descriptor, { context: yes, direct: !expected }), {
            code: 'ERR_INVALID_ARG_VALUE',
            message: /'options.direct' is not so: the descriptor (has|was opened without) O_DIRECT/,
          });
        }
        // It was opened so, and that does nothing. The flag is its owner's.
        await using ignored = await fromDescriptor(direct, { context: no });
        assert.equal(ignored.direct, false);
        assert.match(ignored.directReason, /^the kernel says/);
        assert.equal(hasFlag(direct.fd), true);
        await assert.rejects(fromDescriptor(direct, { context: yes, direct: 'yes' as never }), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
      });
    });
  }

  it('of what is neither a regular file nor a block device is false', async () => {
    const dir = await openHandle(directory, 'r');
    try {
      const verdict = await judgeDirect(emulatedKernel(), dir.fd, await dir.stat());
      assert.deepEqual([verdict.direct, verdict.alignment], [false, undefined]);
    } finally {
      await dir.close();
    }
  });
});

/** A kernel whose page cache is what the test says. */
function watched(cached: (position: number) => number): AioKernel {
  return replacing(emulatedKernel(), {
    directAlignment: () => undefined,
    cachedPages: (_, position) => cached(position),
  });
}

describe.skipIf(!isLinux || !opensDirect())('where the kernel does not tell', () => {
  const judge = async (kernel: AioKernel, where: string, flags = constants.O_RDWR) => {
    const fd = openSync(where, flags | O_DIRECT!);
    try {
      const verdict = await judgeDirect(kernel, fd, await hostCalls.fstat(fd));
      verdict.release();
      return verdict;
    } finally {
      closeSync(fd);
    }
  };
  const silent = replacing(emulatedKernel(), { directAlignment: () => undefined });

  it('says how it knows, in the same words for all who ask at once', async () => {
    const where = path(WHOLE);
    const verdicts = await Promise.all(Array.from({ length: 8 }, () => judge(silent, where)));
    for (const { reason, direct, alignment } of verdicts) {
      assert.match(reason, /verified: |known to/);
      assert.equal(alignment !== undefined, direct);
      assert.equal(direct, verdicts[0]!.direct);
    }
  });

  it('sees nothing in small files and holes, nor in what it may not read', async () => {
    const hole = path('');
    truncateSync(hole, 1 << 20);
    for (const [where, said] of [
      [path(''), /the file is empty|known to be memory|data=journal/],
      [path('few'), /the file is too small|known to be memory|data=journal/],
      [hole, /the reads did not tell|known to be memory|data=journal/],
    ] as const) {
      const { reason, direct } = await judge(silent, where);
      assert.match(reason, said);
      if (direct) assert.match(reason, /^not verified: /);
    }
  });

  it('reads files that were opened for writing alone', async ({ skip }) => {
    const where = path(WHOLE);
    const readable = await judge(silent, where);
    if (!/^verified/.test(readable.reason)) skip('nothing is seen here');
    const written = await judge(silent, where, constants.O_WRONLY);
    assert.deepEqual([written.direct, written.reason], [readable.direct, readable.reason]);
  });
});

describe.skipIf(!isLinux || !opensDirect())('seen in the page cache', () => {
  it('is direct where direct reads leave it as it was, and buffered ones do not', async () => {
    const where = path(WHOLE);
    const fd = openSync(where, constants.O_RDONLY | O_DIRECT!);
    try {
      const look = (cached: (position: number, time: number) => number) => {
        const times = new Map<number, number>();
        const kernel = watched((position) => {
          const time = (times.get(position) ?? 0) + 1;
          times.set(position, time);
          return cached(position, time);
        });
        return witness(kernel, fd, WHOLE.length, 'page cache');
      };
      // Asked before, after the direct read, and after the buffered one.
      const left = await look((_, time) => (time < 3 ? 0 : 1));
      assert.deepEqual([left.direct, left.reason], [true, 'a direct read left the page cache as it was']);
      const brought = await look((_, time) => (time < 2 ? 0 : 1));
      assert.equal(brought.direct, false);
      // Somebody else has read in one place.
      const once = await look((position, time) => (time < (position === 0 ? 2 : 3) ? 0 : 1));
      assert.equal(once.direct, true);
      // All there already; never seen to be there.
      assert.equal((await look(() => 1)).direct, undefined);
      assert.equal((await look(() => 0)).direct, undefined);
      assert.equal((await witness(emulatedKernel(), fd, WHOLE.length, 'page cache')).direct, undefined);
      assert.equal((await witness(emulatedKernel(), fd, WHOLE.length, 'none')).direct, undefined);
    } finally {
      closeSync(fd);
    }
  });
});

describe('mounts', () => {
  const text = [
    '27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard',
    '43 27 7:1 / /mnt/with\\040blank rw,relatime - ext4 /dev/loop1 rw,nodelalloc,data=journal',
    '68 27 0:43 / /mnt/o rw - overlay o rw,lowerdir=/l,upperdir=/nowhere/at\\054all,workdir=/w',
    'nonsense',
    '',
  ].join('\n');

  it('are read line by line', () => {
    const mounts = parseMounts(text);
    assert.deepEqual(
      mounts.map(({ id, device, point, type, source }) => [id, device, point, type, source]),
      [
        [27, '254:0', '/', 'ext4', '/dev/vda'],
        [43, '7:1', '/mnt/with blank', 'ext4', '/dev/loop1'],
        [68, '0:43', '/mnt/o', 'overlay', 'o'],
      ],
    );
    assert.deepEqual(mounts[1]!.options, ['rw', 'nodelalloc', 'data=journal']);
  });

  it.skipIf(!isLinux)('are found by a descriptor', async () => {
    const fd = openSync(directory, 'r');
    try {
      assert.ok(statfsSync(directory).type > 0);
      const mount = await mountOf(fd);
      assert.ok(mount === undefined || `${directory}/`.startsWith(mount.point.replace(/\/$/, '')));
      assert.equal(await mountOf(1_000_000), undefined);
    } finally {
      closeSync(fd);
    }
  });

  it('are known by their kinds', async () => {
    const of = (type: string, options: string[] = []) =>
      knowledgeOf({ id: 1, device: '0:1', point: '/', type, source: 'x', options });
    for (const type of ['tmpfs', 'ramfs']) assert.equal((await of(type)).direct, false);
    assert.equal((await of('ext4', ['rw', 'data=journal'])).direct, false);
    assert.match((await of('ext3', ['rw', 'data=journal'])).reason, /data=journal/);
    for (const [type, witness, sameForAll] of [
      ['ext4', 'device', false],
      ['btrfs', 'device', false],
      ['xfs', 'device', true],
      ['overlay', 'device', false],
      ['fuse.sshfs', 'page cache', true],
      ['nfs4', 'page cache', true],
      ['zfs', 'none', true],
      ['somethingfs', 'page cache', false],
    ] as const) {
      const knowledge = await of(type);
      assert.deepEqual(
        [knowledge.direct, knowledge.witness, knowledge.sameForAll],
        [true, witness, sameForAll],
        type,
      );
    }
    assert.match((await knowledgeOf(parseMounts(text)[2])).reason, /cannot be seen from here/);
    assert.match((await knowledgeOf(undefined)).reason, /not known/);
  });

  it.skipIf(!isLinux || !existsSync('/dev/shm'))(
    'of memory below an overlay make it memory',
    async ({ skip }) => {
      const shm = parseMounts(readFileSync('/proc/self/mountinfo', 'latin1')).filter(
        ({ point }) => point === '/dev/shm',
      );
      if (shm.at(-1)?.type !== 'tmpfs') skip('/dev/shm is no tmpfs');
      const mount = {
        id: 1,
        device: '0:1',
        point: '/',
        type: 'overlay',
        source: 'x',
        options: ['rw', 'upperdir=/dev/shm'],
      };
      assert.equal((await knowledgeOf(mount)).direct, false);
      const folder = mkdtempSync('/dev/shm/kaio-truth-');
      try {
        for (const { name, missing } of KERNELS) {
          if (missing !== undefined) continue;
          await using file = await open(path(WHOLE, folder), 'r+', 0o600, {
            direct: 'prefer',
            backend: name,
          });
          assert.equal(file.direct, false);
          assert.match(file.directReason, /does not open|known to be memory/);
          const absent = path(undefined, folder);
          await assert.rejects(open(absent, 'w', 0o600, { direct: 'require', backend: name }), {
            code: 'EINVAL',
          });
          assert.equal(existsSync(absent), false);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );
});
