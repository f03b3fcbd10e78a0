/** `kaio conformance` as people and CI servers use it: reporters, outcomes apart, exit codes, bad input. */
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
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Parser } from 'tap-parser';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { CaseReport, Outcome } from '../conformance/index.ts';
import { CLI, type Ended, run, start } from '../support/kaio.ts';

const linux = process.platform === 'linux';
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const wrong = join(root, 'test', 'consumers', 'kernel.mjs');
const schema = join(root, 'test', 'support', 'junit.xsd');
const filling = join(root, 'dist', 'test', 'support', 'filling-kernel.js');
const home = mkdtempSync(join(tmpdir(), 'kaio-conformance-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Without what the framework says to its own children. */
const plain = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(?:VITEST|NODE_TEST|NODE_OPTIONS)/.test(name)),
);
const NOT_CONFORMANT = 1;
const ENVIRONMENT_BROKEN = 2;

function conformance(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  return start(process.execPath, [CLI, 'conformance', ...args], { env: { ...process.env, ...env } });
}

/** A run in which cases pass, fail and are unsupported. */
function mixed(reporter: string): Promise<Ended> {
  return conformance(['--kernel', wrong, '--reporter', reporter, '--rule', 'CANCEL-04'], {
    WRONG: 'io_cancel',
  });
}

interface Tap {
  readonly ok: boolean;
  readonly count: number;
  readonly fail: number;
  readonly bailout: boolean | string;
}

function tap(text: string): { results: Tap; points: { name: string; skip?: unknown; diag?: unknown }[] } {
  const points: { name: string; skip?: unknown; diag?: unknown }[] = [];
  let results: Tap | undefined;
  const parser = new Parser({ strict: true }, (final) => {
    results = final;
  });
  parser.on('assert', (point) => points.push(point));
  parser.end(text);
  return { results: results!, points };
}

/** A report as XML, in a file of its own. */
class Junit {
  readonly #path: string;

  constructor(text: string) {
    this.#path = join(mkdtempSync(join(home, 'junit-')), 'junit.xml');
    writeFileSync(this.#path, text);
  }

  /** What its schema says against it. */
  get faults(): string {
    const { status, stderr } = run('xmllint', ['--noout', '--schema', schema, this.#path]);
    return status === 0 ? '' : stderr;
  }

  xpath(query: string): string {
    return run('xmllint', ['--xpath', query, this.#path]).stdout.trim();
  }
}

describe.concurrent('the report of a kernel that is wrong', () => {
  it('is valid TAP with the rule, the expectation, the observation and the source', async () => {
    const { status, stdout } = await mixed('tap');
    assert.equal(status, NOT_CONFORMANT);
    assert.match(stdout, /^TAP version 14\n1\.\.\d+\n/);
    const { results, points } = tap(stdout);
    assert.equal(results.count, points.length);
    assert.ok(results.fail > 0);
    const failed = points.find(({ diag }) => diag !== undefined && diag !== null)!;
    const { outcome, expectation, observation, rules } = failed.diag as {
      outcome: string;
      expectation: string;
      observation: string;
      rules: { id: string; summary: string; source: string }[];
    };
    assert.equal(outcome, 'failed');
    assert.ok(expectation.length > 10 && observation.includes('EINPROGRESS'), observation);
    const rule = rules.find(({ id }) => id === 'CANCEL-04')!;
    assert.ok(rule.summary.length > 10);
    assert.match(rule.source, /observed on Linux 6\.18/);
  });

  it('is JUnit’s XML by its schema', async ({ skip }) => {
    const { status, stdout } = await mixed('junit');
    assert.equal(status, NOT_CONFORMANT);
    if (run('sh', ['-c', 'command -v xmllint']).status !== 0) skip('no xmllint here');
    const report = new Junit(stdout);
    assert.equal(report.faults, '');
    assert.ok(Number(report.xpath('count(//failure)')) > 0);
    assert.equal(report.xpath('sum(//testsuite/@failures)'), report.xpath('count(//failure)'));
    assert.equal(report.xpath('sum(//testsuite/@tests)'), report.xpath('count(//testcase)'));
    assert.match(report.xpath('string(//failure)'), /rule: CANCEL-04: .*observed on Linux/);
  });

  it('is a table for people', async () => {
    const { status, stdout } = await mixed('table');
    assert.equal(status, NOT_CONFORMANT);
    assert.match(stdout, /^failed +io_cancel\//m);
    assert.match(stdout, /^ {2}expectation /m);
    assert.match(stdout, /^ {2}observed +'0'$/m);
    assert.match(stdout, /^ {2}judged at +\S+:\d+$/m);
    assert.match(stdout, /│ all +│/);
  });

  it('is the same JSON by --json and by --reporter json', async () => {
    const args = ['--kernel', wrong, '--json', '--rule', 'CANCEL-04'];
    const [{ stdout }, short] = await Promise.all([mixed('json'), conformance(args, { WRONG: 'io_cancel' })]);
    assert.equal(short.stdout, stdout);
    const { backend, failed, passed, unsupported, broken, cases } = JSON.parse(stdout);
    assert.equal(backend, 'somebody');
    assert.ok(failed > 0);
    assert.equal(cases.length, passed + failed + unsupported + broken);
  });
});

describe.concurrent('what is unsupported', () => {
  const args = ['--backend', 'emulated', '--rule', 'GET-10'];

  it('is skipped with its reason in TAP and in XML', async ({ skip }) => {
    const [text, xml] = await Promise.all([
      conformance([...args, '--reporter', 'tap']),
      conformance([...args, '--reporter', 'junit']),
    ]);
    assert.equal(text.status, 0);
    const { results, points } = tap(text.stdout);
    assert.ok(results.ok);
    assert.match(String(points[0]!.skip), /signals reach JavaScript/);
    if (run('sh', ['-c', 'command -v xmllint']).status !== 0) skip('no xmllint here');
    const report = new Junit(xml.stdout);
    assert.equal(report.faults, '');
    assert.match(report.xpath('string(//skipped/@message)'), /signals reach JavaScript/);
  });
});

function firstDetail(cases: readonly CaseReport[], outcome: Outcome): string {
  const { id = '', detail = '' } = cases.find((one) => one.outcome === outcome) ?? {};
  return `${id}: ${detail}`;
}

/** What is broken says so, and exits by 2. */
async function assertBroken(
  args: readonly string[],
  reason: RegExp,
  command = (more: readonly string[]) => conformance(more),
): Promise<void> {
  const { status, stderr, stdout } = await command([...args, '--reporter', 'tap', '--rule', 'SETUP-03']);
  assert.match(stderr, /^kaio: environment broken: /);
  assert.match(stderr, reason);
  assert.equal(stderr.trimEnd().split('\n').length, 1);
  assert.equal(status, ENVIRONMENT_BROKEN);
  assert.match(String(tap(stdout).results.bailout), reason);
}

describe.concurrent('a broken environment', () => {
  it('is a directory that is missing, or none', async () => {
    await assertBroken(
      ['--backend', 'emulated', '--directory', join(home, 'nothing')],
      /ENOENT.*--directory/,
    );
    await assertBroken(['--backend', 'emulated', '--directory', schema], /is not a directory/);
  });

  it('is told by each reporter in its own way', async ({ skip }) => {
    const args = ['--backend', 'emulated', '--rule', 'SETUP-03', '--directory', schema];
    const reason = /is not a directory/;
    const [json, table, xml] = await Promise.all([
      conformance([...args, '--json']),
      conformance(args),
      conformance([...args, '--reporter', 'junit']),
    ]);
    assert.match(JSON.parse(json.stdout).environmentBroken, reason);
    assert.equal(table.stdout, '');
    if (run('sh', ['-c', 'command -v xmllint']).status !== 0) skip('no xmllint here');
    const report = new Junit(xml.stdout);
    assert.equal(report.faults, '');
    assert.match(report.xpath('string(//error/@message)'), reason);
  });

  it('is a directory without permission', async ({ skip }) => {
    const asRoot = process.getuid?.() === 0;
    const nobody = asRoot ? { uid: 65534, gid: 65534 } : {};
    if (!linux || run(process.execPath, [CLI, '--version'], nobody).status !== 0)
      skip('nobody else can run kaio here');
    const closed = join(home, 'closed');
    mkdirSync(closed);
    chmodSync(closed, 0o500);
    if (asRoot) chmodSync(home, 0o755);
    await assertBroken(
      ['--backend', 'emulated', '--directory', closed],
      /EACCES: permission denied/,
      (more) => start(process.execPath, [CLI, 'conformance', ...more], nobody),
    );
  });

  it('is a full disk', async ({ skip }) => {
    const full = join(home, 'full');
    mkdirSync(full);
    if (!linux || run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', full]).status !== 0)
      skip('no tmpfs can be mounted here');
    try {
      await assertBroken(['--backend', 'emulated', '--directory', full], /ENOSPC.*free 16 MiB/);
      assert.deepEqual(readdirSync(full), []);
    } finally {
      run('umount', [full]);
    }
  });

  it('is a disk that fills up while cases run: those are broken, not failed', async ({ skip }) => {
    const small = join(home, 'small');
    mkdirSync(small);
    if (!linux || run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', small]).status !== 0)
      skip('no tmpfs can be mounted here');
    try {
      const { status, stdout } = await conformance(['--kernel', filling, '--json', '--directory', small], {
        FILL: join(small, 'rubbish'),
      });
      const { failed, broken, cases } = JSON.parse(stdout);
      assert.equal(failed, 0, firstDetail(cases, 'failed'));
      assert.ok(broken > 10, `${broken} broken`);
      assert.equal(status, ENVIRONMENT_BROKEN);
      assert.match(firstDetail(cases, 'broken'), /ENOSPC/);
    } finally {
      run('umount', [small]);
    }
  });

  it('is too few descriptors', async ({ skip }) => {
    if (!linux) skip('no ulimit here');
    const { status, stdout } = await start('sh', [
      ...['-c', 'ulimit -n 256 && exec "$@"', 'sh', process.execPath, CLI, 'conformance', '--json'],
      ...['--kernel', filling],
    ]);
    const { failed, broken, cases } = JSON.parse(stdout);
    assert.equal(failed, 0, firstDetail(cases, 'failed'));
    assert.ok(broken > 10, `${broken} broken`);
    assert.equal(status, ENVIRONMENT_BROKEN);
    assert.match(firstDetail(cases, 'broken'), /EMFILE/);
  });

  it('is a kernel without AIO, or one that a filter forbids', async ({ skip }) => {
    if (!linux || run('sh', ['-c', 'command -v strace']).status !== 0) skip('no strace here');
    for (const error of ['ENOSYS', 'EPERM']) {
      const remedy = error === 'ENOSYS' ? /ENOSYS.*CONFIG_AIO/ : /EPERM.*seccomp/;
      await assertBroken([], remedy, (more) =>
        start('strace', [
          ...['-f', '-qq', '-o', '/dev/null', '-e', 'trace=io_setup', '-e', `inject=io_setup:error=${error}`],
          ...[process.execPath, CLI, 'conformance', ...more],
        ]),
      );
    }
  });

  it('is a module that makes no kernel', async () => {
    const empty = join(home, 'empty.mjs');
    writeFileSync(empty, 'export const nothing = 1;\n');
    await assertBroken(['--kernel', empty], /has no function as its default export/);
    await assertBroken(['--kernel', join(home, 'missing.mjs')], /Cannot find module/);
  });
});

describe.concurrent('the example of docs/conformance.md', () => {
  const project = join(home, 'project');

  function block(beginning: string): string {
    const text = readFileSync(join(root, 'docs', 'conformance.md'), 'utf8');
    const found = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!);
    return found.find((code) => code.startsWith(beginning))!;
  }

  beforeAll(() => {
    mkdirSync(join(project, 'node_modules'), { recursive: true });
    symlinkSync(root, join(project, 'node_modules', 'kaio'), 'junction');
    writeFileSync(join(project, 'kernel.mjs'), block("import { abi } from 'kaio'"));
    const test = block("import { tmpdir } from 'node:os'").replace("from 'vitest'", "from 'node:test'");
    writeFileSync(join(project, 'conformance.test.mjs'), test);
  });

  it('shows what a sandbox without POLL breaks', async () => {
    const [{ status, stdout }, tests] = await Promise.all([
      conformance(['--kernel', join(project, 'kernel.mjs'), '--json']),
      start(process.execPath, ['--test', join(project, 'conformance.test.mjs')], { env: plain }),
    ]);
    assert.equal(status, NOT_CONFORMANT);
    const { backend, passed, failed, broken, cases } = JSON.parse(stdout);
    assert.equal(backend, 'sandbox');
    assert.equal(broken, 0);
    assert.ok(passed > failed && failed > 20, `${passed} passed, ${failed} failed`);
    assert.ok(cases.some(({ id, outcome }: CaseReport) => id.startsWith('poll/') && outcome === 'failed'));
    assert.ok(
      cases.every(({ id, outcome }: CaseReport) => !id.startsWith('preadv/') || outcome !== 'failed'),
    );
    assert.equal(tests.status, 1);
    assert.match(tests.stdout, new RegExp(`^# fail ${failed}$|^ℹ fail ${failed}$`, 'm'));
  });
});

describe.concurrent('bad options', () => {
  for (const [args, message] of [
    [['--reporter', 'pdf'], /option '--reporter <name>' argument 'pdf' is invalid.*table, tap, junit, json/],
    [['--profile', 'linux-7.x'], /option '--profile <name>' argument 'linux-7.x' is invalid/],
    [['--order', 'backwards'], /option '--order <seed>' argument 'backwards' is invalid/],
    [['--deadline', '0'], /option '--deadline <seconds>' argument '0' is invalid/],
    [['--rule', 'NONE-99'], /no case has the rule 'NONE-99'/],
    [['--backend', 'native', '--profile', 'linux-6.x'], /profiles and executors are the emulation’s/],
    [['--backend', 'native', '--executor', 'inline'], /profiles and executors are the emulation’s/],
    [['--executor', 'magic'], /option '--executor <name>' argument 'magic' is invalid/],
    [['--backend', 'native', '--kernel', 'x.js'], /--kernel names a kernel of your own/],
  ] as const) {
    it(`${args.join(' ')} is refused`, async () => {
      const { status, stderr, stdout } = await conformance(args);
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(status, 1);
    });
  }
});
