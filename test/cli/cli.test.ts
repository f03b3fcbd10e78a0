import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, it } from 'vitest';
import { CLI, type Ended, kaio, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const linux = process.platform === 'linux';
const root = mkdtempSync(join(tmpdir(), 'kaio-cli-'));
const CONTENT = randomBytes(300_001);
let directory: string;
let source: string;
let destination: string;

afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  directory = mkdtempSync(join(root, 'case-'));
  source = join(directory, 'source');
  destination = join(directory, 'destination');
  writeFileSync(source, CONTENT);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function hasDirect(): boolean {
  return JSON.parse(kaio(['doctor', '--json', '--directory', root]).stdout).direct === 'yes';
}

/** One line, exit code 1, and nothing beside the source, not even a partial file. */
function assertRefused({ status, stdout, stderr }: Ended, message: RegExp, left: readonly string[]): void {
  assert.match(stderr, message);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  assert.equal(stdout, '');
  assert.equal(status, 1);
  assert.deepEqual(readdirSync(directory).sort(), [...left].sort());
}

for (const { name, missing } of KERNELS) {
  const title = missing === undefined ? '' : `: ${missing}`;
  describe.skipIf(missing !== undefined)(`kaio cp --backend ${name}${title}`, () => {
    const cp = (...args: readonly string[]): Ended => kaio(['cp', '--backend', name, ...args]);

    it('copies bytes and mode, and says what it did', () => {
      chmodSync(source, 0o751);
      const { status, stdout, stderr } = cp(source, destination);
      assert.equal(stderr, '');
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`^${name}: 300001 bytes, \\d+ MB/s\n$`));
      assert.ok(readFileSync(destination).equals(CONTENT));
      assert.equal(statSync(destination).mode & 0o7777, 0o751);
      assert.deepEqual(readdirSync(directory).sort(), ['destination', 'source']);
    });

    it('copies in small blocks, few at once, over an older and longer file', () => {
      writeFileSync(destination, randomBytes(400_000));
      assert.equal(cp(source, destination, '--block-size', '4k', '--queue-depth', '3').status, 0);
      assert.ok(readFileSync(destination).equals(CONTENT));
    });

    it('copies an empty file', () => {
      writeFileSync(source, '');
      assert.equal(cp(source, destination).status, 0);
      assert.equal(statSync(destination).size, 0);
    });

    it.skipIf(!hasDirect())('copies with --direct, the unaligned tail included', () => {
      const { status, stderr } = cp(source, destination, '--direct', '--block-size', '64k');
      assert.equal(stderr, '');
      assert.equal(status, 0);
      assert.ok(readFileSync(destination).equals(CONTENT));
    });

    it('refuses a block size that O_DIRECT cannot have', () => {
      assertRefused(cp(source, destination, '--direct', '--block-size', '5000'), /multiple of 4096/, [
        'source',
      ]);
    });

    it('refuses buffers that no memory holds', () => {
      truncateSync(source, 2 ** 36);
      assertRefused(cp(source, destination, '--block-size', '1024m'), /--queue-depth or --block-size/, [
        'source',
      ]);
    });

    it.skipIf(!linux)('leaves nothing behind when the destination reaches a limit', () => {
      const limited = run('sh', [
        '-c',
        'ulimit -f 50 && exec "$@"',
        'sh',
        ...[process.execPath, CLI, 'cp', '--backend', name, source, destination],
      ]);
      assertRefused(limited, /^kaio: EFBIG: /, ['source']);
    });

    it('leaves the older destination as it was when the copy fails', ({ skip }) => {
      if (!linux) skip();
      writeFileSync(destination, 'older');
      const limited = run('sh', [
        '-c',
        'ulimit -f 50 && exec "$@"',
        'sh',
        ...[process.execPath, CLI, 'cp', '--backend', name, source, destination],
      ]);
      assertRefused(limited, /^kaio: EFBIG: /, ['destination', 'source']);
      assert.equal(readFileSync(destination, 'latin1'), 'older');
    });

    it('leaves nothing behind when the file system is full', ({ skip }) => {
      const full = join(directory, 'full');
      mkdirSync(full);
      const mounted = linux && run('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'tmpfs', full]).status === 0;
      if (!mounted) skip('no tmpfs can be mounted here');
      try {
        assertRefused(cp(source, join(full, 'destination')), /^kaio: ENOSPC: /, ['full', 'source']);
        assert.deepEqual(readdirSync(full), []);
      } finally {
        run('umount', [full]);
      }
    });

    it.skipIf(!linux)('leaves nothing behind when it is interrupted', async () => {
      // Sparse: hours of copying that take no room to begin with.
      truncateSync(source, 2 ** 42);
      const watcher = watch(directory);
      const child = spawn(process.execPath, [CLI, 'cp', '--backend', name, source, destination]);
      let stderr = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      const ended = once(child, 'close');
      // The partial file has appeared.
      await once(watcher, 'change');
      watcher.close();
      child.kill('SIGINT');
      const [status] = await ended;
      assertRefused({ status, stdout: '', stderr }, /^kaio: interrupted$/m, ['source']);
    });
  });
}

describe('kaio', () => {
  it('knows all its commands, although it loads only the one that it is about', () => {
    const { stdout, status } = kaio(['--help']);
    assert.equal(status, 0);
    for (const name of ['cp', 'doctor', 'conformance', 'fuzz', 'bench'])
      assert.match(stdout, new RegExp(`^  ${name} `, 'm'));
    assert.match(kaio(['help', 'fuzz']).stdout, /^Usage: kaio fuzz /);
    const { stderr, ...wrong } = kaio(['doctr']);
    assert.equal(wrong.status, 1);
    assert.match(stderr, /unknown command 'doctr'\n\(Did you mean doctor\?\)/);
  });
});

describe('kaio cp, bad input', () => {
  it('says in one line that the source is missing', () => {
    const nothing = join(directory, 'nothing');
    assertRefused(
      kaio(['cp', nothing, destination]),
      /^kaio: ENOENT: no such file or directory, open '.*nothing'$/m,
      ['source'],
    );
  });

  it('says in one line that the source is not readable', ({ skip }) => {
    const asRoot = process.getuid?.() === 0;
    const nobody = asRoot ? { uid: 65534, gid: 65534 } : {};
    if (!linux || run(process.execPath, [CLI, '--version'], nobody).status !== 0)
      skip('nobody else can run kaio here');
    for (const path of [root, directory]) chmodSync(path, 0o777);
    chmodSync(source, 0);
    assertRefused(kaio(['cp', source, destination], nobody), /^kaio: EACCES: permission denied, open '/, [
      'source',
    ]);
  });

  it('refuses to copy a file onto itself, by whatever name', () => {
    linkSync(source, destination);
    assertRefused(kaio(['cp', source, source]), /are the same file/, ['destination', 'source']);
    assertRefused(kaio(['cp', source, destination]), /are the same file/, ['destination', 'source']);
    assert.ok(readFileSync(source).equals(CONTENT));
  });

  it('refuses directories on either side', () => {
    mkdirSync(destination);
    assertRefused(kaio(['cp', source, destination]), /is not a regular file/, ['destination', 'source']);
    assertRefused(kaio(['cp', destination, source]), /is not a regular file|EISDIR/, [
      'destination',
      'source',
    ]);
  });

  it.skipIf(!linux)('neither replaces a FIFO nor waits for its writer', () => {
    run('mkfifo', [destination]);
    assertRefused(kaio(['cp', source, destination]), /is not a regular file/, ['destination', 'source']);
    assert.ok(statSync(destination).isFIFO());
    assertRefused(kaio(['cp', destination, source]), /is not a regular file/, ['destination', 'source']);
  });

  it.skipIf(!linux)('replaces what a link points at', () => {
    const target = join(directory, 'target');
    writeFileSync(target, 'older');
    symlinkSync('target', destination);
    assert.equal(kaio(['cp', source, destination]).status, 0);
    assert.equal(readlinkSync(destination), 'target');
    assert.ok(readFileSync(target).equals(CONTENT));
  });

  for (const [option, value] of [
    ['--queue-depth', '0'],
    ['--block-size', '12x'],
    ['--backend', 'uring'],
  ] as const) {
    it(`refuses ${option} ${value}`, () => {
      const { status, stderr } = kaio(['cp', option, value, source, destination]);
      assert.equal(status, 1);
      assert.match(stderr, new RegExp(`option '${option}.*'${value}' is invalid`));
    });
  }

  it('refuses an unknown KAIO_BACKEND', () => {
    const env = { ...process.env, KAIO_BACKEND: 'uring' };
    assertRefused(kaio(['cp', source, destination], { env }), /there is auto, native, emulated/, ['source']);
  });
});

describe('kaio doctor', () => {
  it('tells everything as one JSON object', () => {
    const { status, stdout } = kaio(['doctor', '--json', '--directory', directory]);
    assert.equal(status, 0);
    const report = JSON.parse(stdout);
    assert.ok(['native', 'emulated'].includes(report.backend));
    assert.equal(report.node, process.version);
    assert.equal(report.directory, directory);
    assert.match(report.addon, /^no: .|\.node, Node-API \d+, (glibc|musl)$/);
    if (linux) assert.equal(typeof report.aio_max_nr, 'number');
    for (const key of ['reason', 'kernel', 'platform', 'ffi', 'probe', 'ring', 'pins'])
      assert.equal(typeof report[key], 'string', key);
    for (const key of ['file_system', 'mount', 'direct', 'direct_reason', 'nowait'])
      assert.equal(typeof report[key], 'string', key);
    assert.match(report.direct, /^yes$|^no: ./);
    assert.match(report.nowait, /^yes$|^no: ./);
    assert.equal(report.alignment !== undefined, report.direct === 'yes');
    if (report.direct === 'yes') {
      const { memory, position, length, known } = report.alignment;
      for (const multiple of [memory, position, length]) assert.equal(Math.log2(multiple) % 1, 0);
      assert.equal(typeof known, 'string');
      assert.match(report.direct_reason, /^the kernel says|verified: /);
    }
    // Its file is gone.
    assert.deepEqual(readdirSync(directory), ['source']);
  });

  it('says why there is no kernel to use, and why there is no O_DIRECT', () => {
    const env = { ...process.env, KAIO_BACKEND: 'uring' };
    const { status, stdout } = kaio(['doctor', '--directory', join(directory, 'nothing')], { env });
    assert.equal(status, 0);
    assert.match(stdout, /^backend +none$/m);
    assert.match(stdout, /^reason +KAIO_BACKEND asks for the backend 'uring'/m);
    assert.match(stdout, /^direct +no: ENOENT/m);
    const here = kaio(['doctor', '--directory', directory]).stdout;
    for (const name of ['file system', 'mount', 'direct', 'known by', 'nowait'])
      assert.match(here, new RegExp(`^${name} +\\S`, 'm'));
    if (/^direct +yes$/m.test(here))
      assert.match(here, /^alignment +memory \d+, position \d+, length \d+ \(/m);
    assert.deepEqual(readdirSync(directory), ['source']);
  });
});

describe('kaio conformance', () => {
  it('gives its report as one JSON object', () => {
    const args = [
      'conformance',
      '--backend',
      'emulated',
      '--json',
      '--rule',
      'SETUP-01',
      '--directory',
      directory,
    ];
    const { status, stdout } = kaio(args);
    assert.equal(status, 0);
    const report = JSON.parse(stdout);
    assert.equal(report.backend, 'emulated');
    assert.equal(report.failed, 0);
    assert.ok(report.passed > 0);
    assert.equal(report.cases.length, report.passed + report.unsupported + report.broken);
  });

  it('knows when a rule has no case', () => {
    assertRefused(kaio(['conformance', '--rule', 'NONE-99']), /no case has the rule 'NONE-99'/, ['source']);
  });
});

describe('kaio fuzz', () => {
  const [{ missing } = { missing: 'there is none' }] = KERNELS.filter(({ name }) => name === 'native');

  it.runIf(missing === undefined)(
    'gives its report as one JSON object, and the seed with the command on standard error',
    () => {
      const { status, stdout, stderr } = kaio([
        'fuzz',
        '--seed',
        '3',
        '--operations',
        '500',
        '--json',
        '--directory',
        directory,
      ]);
      assert.equal(status, 0);
      assert.match(stderr, /^kaio fuzz: seed 3; again: kaio fuzz --seed 3 --operations 500$/m);
      const { seed, operations, programs, divergences } = JSON.parse(stdout);
      assert.deepEqual({ seed, divergences }, { seed: 3, divergences: [] });
      assert.ok(operations >= 500 && programs > 0 && programs < operations);
      assert.deepEqual(readdirSync(directory), ['source']);
    },
  );

  it.runIf(missing === undefined)('runs programs over files with --files', () => {
    const { status, stdout, stderr } = kaio([
      ...['fuzz', '--files', '--seed', '3', '--operations', '300', '--json', '--directory', directory],
      ...['--without', 'streams', 'host-calls'],
    ]);
    assert.match(
      stderr,
      /^kaio fuzz: seed 3; again: kaio fuzz --files --seed 3 --operations 300 --without streams host-calls$/m,
    );
    const { seed, calls, programs, divergences, leftOut } = JSON.parse(stdout);
    assert.equal(seed, 3);
    assert.equal(status, divergences.length === 0 ? 0 : 1);
    assert.ok(programs > 0 && programs < calls);
    assert.ok(leftOut.includes('streams: by --without'));
    assert.deepEqual(readdirSync(directory), ['source']);
  });

  it('refuses to leave out what it does not know', () => {
    const { status, stderr } = kaio(['fuzz', '--files', '--without', 'nonsense']);
    assert.equal(status, 1);
    assert.match(stderr, /Allowed choices are/);
  });

  it('tells a broken environment from a divergence by exit code 2', () => {
    for (const which of [[], ['--files']]) {
      const where = ['--json', '--directory', join(directory, 'nowhere')];
      const { status, stdout, stderr } = kaio(['fuzz', ...which, ...where]);
      assert.equal(status, 2);
      assert.match(stderr, /the environment stands in the way: /);
      assert.equal(typeof JSON.parse(stdout).broken, 'string');
    }
  });

  it('refuses a seed that is none', () => {
    const { status, stderr } = kaio(['fuzz', '--seed', '1e99']);
    assert.equal(status, 1);
    assert.match(stderr, /Not an integer from 0 to 2147483648/);
  });
});
