/** `kaio bench` as a user runs it, where everything is well and where it is not. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, it } from 'vitest';
import type { BenchReport } from '../../bench/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';
import { CLI, type Ended, kaio, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const root = mkdtempSync(join(tmpdir(), 'kaio-bench-test-'));
/** Small and short: what is measured here does not matter. */
const SHORT = ['--rounds', '1', '--seconds', '0.02', '--size', '2m'];
const noNative = KERNELS.find(({ name }) => name === 'native')?.missing;
const has = (program: string): boolean => run('sh', ['-c', `command -v ${program} || true`]).stdout !== '';
let directory: string;

afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(() => {
  directory = mkdtempSync(join(root, 'case-'));
});
afterEach(() => {
  // Whatever happened, the files of the bench are gone.
  assert.deepEqual(readdirSync(directory), []);
});

function bench(args: readonly string[], env: NodeJS.ProcessEnv = {}): Ended {
  return kaio(['bench', '--directory', directory, ...SHORT, ...args], { env: { ...process.env, ...env } });
}

function benchJson(args: readonly string[], env: NodeJS.ProcessEnv = {}): BenchReport & { stderr: string } {
  const { status, stdout, stderr } = bench([...args, '--json'], env);
  assert.equal(status, 0, stderr);
  return { ...(JSON.parse(stdout) as BenchReport), stderr };
}

const EMULATED = ['--engines', 'emulation,fs.promises', '--mode', 'cached', '--queue-depth', '4'];

describe('kaio bench', () => {
  it('measures, as text and as JSON', () => {
    const { status, stdout, stderr } = bench(EMULATED);
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^\ncached randread 4 KiB, depth 4\nengine .*\nemulation .*\nfs\.promises .*\n\ndate /,
    );
    const { rows, machine, failures, command } = benchJson(EMULATED);
    assert.deepEqual(failures, []);
    assert.match(
      command,
      /^kaio bench --rounds 1 .* --engines emulation,fs\.promises --mode cached --queue-depth 4$/,
    );
    assert.equal(machine.node, process.version);
    for (const row of rows) {
      assert.ok(row.iops > 0 && row.p50Us! > 0 && row.p99Us! >= row.p50Us! && row.cpuSecondsPerMillion > 0);
      assert.ok(row.loopDelayMaxMs! > 0 && row.maxRssBytes! > 1e6 && row.verifiedBlocks > 0);
      assert.equal(row.ratioToFloor, null);
    }
  });

  it('makes a page of a run, or of a saved one, with nothing in it that ends its script', () => {
    const saved = join(root, 'report.json');
    const page = join(root, 'report.html');
    const again = join(root, 'again.html');
    assert.equal(bench([...EMULATED, '--save', saved, '--html', page]).status, 0);
    const report = JSON.parse(readFileSync(saved, 'utf8')) as BenchReport;
    writeFileSync(saved, JSON.stringify({ ...report, command: '</script><b>' }));
    assert.equal(kaio(['bench', '--from', saved, '--html', again]).status, 0);
    for (const html of [page, again].map((path) => readFileSync(path, 'utf8'))) {
      assert.equal(html.split('</script>').length - 1, 3);
      assert.equal(html.split('<canvas').length - 1, 1);
      assert.doesNotMatch(html, /<b>|<script[^>]+src=/);
    }
  });

  const wrong: [string, string[], RegExp][] = [
    ['an engine that does not exist', ['--engines', 'c,turbo'], /There is c, fio-libaio/],
    ['a depth of 0', ['--queue-depth', '0'], /Not between 1 and 65536/],
    ['no time', ['--seconds', '0'], /Not more than 0/],
    ['nothing that makes sense', ['--mode', 'cold', '--rw', 'write'], /nothing is left to measure/],
    ['a directory that does not exist', ['--directory', '/no/such'], /ENOENT.*\/no\/such/],
    ['a saved report that is none', ['--from', '/dev/null', '--html', '/dev/null'], /JSON/],
    ['a saved report and no page', ['--from', '/dev/null'], /--from needs --html/],
  ];
  it.each(wrong)('refuses %s with a line', (_title, args, message) => {
    const { status, stderr } = bench(args);
    assert.match(stderr, message);
    assert.equal(status, 1);
  });

  it('says what stands in the way of making its file', () => {
    if (process.getuid?.() !== 0) {
      const closed = join(root, 'closed');
      mkdirSync(closed);
      chmodSync(closed, 0o555);
      assert.match(bench(['--directory', closed]).stderr, /^kaio: EACCES: .*closed/);
    }
    // As root nothing is unwritable but what is no directory.
    const { status, stderr } = bench(['--directory', '/dev/null']);
    assert.match(stderr, /^kaio: ENOTDIR: .*\n$/);
    assert.equal(status, 1);
  });

  it.skipIf(process.platform !== 'linux')('says that there is no room, and leaves nothing behind', () => {
    const { status, stderr } = run('sh', [
      '-c',
      `ulimit -f 512; exec "$@"`,
      'sh',
      process.execPath,
      CLI,
      'bench',
      '--directory',
      directory,
      ...SHORT,
      ...EMULATED,
    ]);
    assert.match(stderr, /^kaio: no room for a file of 2097152 bytes \(EFBIG\): lower --size/);
    assert.equal(status, 1);
  });

  it('goes on without fio and without a compiler, and says so once', () => {
    const bin = join(root, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    const { failures, rows, stderr } = benchJson(
      [
        ...['--engines', 'c,fio-libaio,fio-io_uring,fs.promises', '--mode', 'cached'],
        ...['--queue-depth', '1,2', '--rounds', '2'],
      ],
      { PATH: bin, CC: '' },
    );
    assert.deepEqual(
      failures.map(({ engine }) => engine),
      ['c', 'fio-libaio', 'fio-io_uring'],
    );
    assert.match(stderr, /c: left out: there is no C compiler \('cc'\): install gcc, or name one in CC/);
    assert.match(stderr, /fio-libaio: left out: fio is not installed/);
    assert.equal(rows.length, 2);
  });

  it('gives up an engine that does not end, and goes on with the next case', () => {
    const { status, stderr } = bench([
      ...['--engines', 'fs.promises', '--mode', 'cached', '--queue-depth', '1,2'],
      // Far more than there is time for.
      ...['--operations', '4000000000', '--patience', '1'],
    ]);
    const given = (depth: number): string =>
      `kaio: fs.promises (cached randread 4 KiB, depth ${depth}): left out: no answer in 1 seconds: it was ended\n`;
    assert.equal(stderr, `${given(1)}${given(2)}kaio: nothing could be measured\n`);
    assert.equal(status, 1);
  });
});

describe.skipIf(noNative !== undefined)(
  `kaio bench, native${noNative === undefined ? '' : `: ${noNative}`}`,
  () => {
    it.skipIf(!has('cc'))('checks every block that it reads and writes, the floor too', () => {
      const { rows, failures } = benchJson([
        ...['--engines', 'c,calls,context,file,emulation,fs.promises,fs.callbacks', '--verify'],
        ...[
          '--mode',
          'cached',
          '--rw',
          'randread,randwrite,randrw',
          '--queue-depth',
          '8',
          '--operations',
          '300',
        ],
      ]);
      assert.deepEqual(failures, []);
      assert.equal(rows.length, 21);
      // 256 that are always checked, and 300 each to warm up, for throughput and for latency.
      for (const { verifiedBlocks, engine } of rows) assert.equal(verifiedBlocks, 256 + 900, engine);
    });

    it.skipIf(!has('cc'))(
      'opens, reads, checks and closes small files, also while 10,000 are kept open',
      () => {
        for (const [mode, transfers] of [
          ['cached', ['open', 'open.kept']],
          ['direct', ['open']],
        ] as const) {
          const { rows, failures } = benchJson([
            ...['--engines', 'c,context,file,emulation.file,fs.promises,fs.callbacks', '--verify'],
            ...['--mode', mode, '--rw', transfers.join(','), '--queue-depth', '8', '--operations', '300'],
          ]);
          // A temporary folder may be in memory, without direct I/O.
          if (mode === 'direct' && failures.some(({ engine }) => engine === null)) continue;
          assert.deepEqual(failures, []);
          // No context opens files.
          assert.deepEqual(
            rows.map(({ rw, engine }) => `${rw} ${engine}`),
            transfers.flatMap((rw) =>
              ['c', 'file', 'emulation.file', 'fs.promises', 'fs.callbacks'].map(
                (engine) => `${rw} ${engine}`,
              ),
            ),
          );
          for (const { verifiedBlocks, engine } of rows) assert.equal(verifiedBlocks, 256 + 900, engine);
        }
      },
    );

    it('goes on after a depth that aio-max-nr has no room for', () => {
      const kernel = openNativeKernel();
      // Whatever else the machine does: with this one held, the rest is less than the depth that is asked for.
      const ctxp = new BigUint64Array(1);
      const held = Math.max(1, kernel.limits.aio_max_nr() - 65535);
      assert.equal(kernel.io_setup(held, kernel.memory.addressOf(ctxp)), 0);
      try {
        const { failures, rows } = benchJson([
          ...['--engines', 'calls,context,fs.promises', '--mode', 'cached'],
          ...['--block-size', '512', '--queue-depth', '65536', '--size', '33m'],
        ]);
        assert.deepEqual(
          rows.map(({ engine }) => engine),
          ['fs.promises'],
        );
        for (const { reason } of failures) assert.match(reason, /^EAGAIN: .*io_setup/);
      } finally {
        assert.equal(kernel.io_destroy(Number(ctxp[0])), 0);
      }
    });

    it.skipIf(!has('strace'))('goes on when the device fails', () => {
      const { status, stdout } = run('strace', [
        ...['-f', '-qq', '-o', '/dev/null', '-e', 'inject=io_submit:error=ENODEV:when=20+'],
        ...[process.execPath, CLI, 'bench', '--directory', directory, ...SHORT, '--json'],
        ...['--engines', 'calls,context,fs.promises', '--mode', 'cached', '--queue-depth', '4'],
      ]);
      assert.equal(status, 0);
      const { failures, rows } = JSON.parse(stdout) as BenchReport;
      assert.deepEqual(
        rows.map(({ engine }) => engine),
        ['fs.promises'],
      );
      assert.equal(failures.length, 2);
      for (const { reason } of failures) assert.match(reason, /^ENODEV: .*io_submit/);
    });
  },
);
