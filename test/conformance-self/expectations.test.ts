/** Files of expectations: what a kernel is known to do otherwise does not fail, and what it no longer does is told. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { ALL_CASES } from '../conformance/cases.ts';
import { type CaseReport, type Expectation, Expectations, type Report } from '../conformance/index.ts';
import { CLI, type Ended, start } from '../support/kaio.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-expectations-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const WHY = { reason: 'it has no such thing', source: 'observed' };
const [first, second] = ALL_CASES.filter(({ id }) => id.startsWith('io_cancel/')).map(({ id }) => id);

function fileOf(...expectations: unknown[]): unknown {
  return { kernel: '^sandbox, ', expectations };
}

function reportOf(id: string, outcome: CaseReport['outcome'], detail?: string): CaseReport {
  return {
    id,
    rule: 'CANCEL-01',
    title: `title of ${id}`,
    outcome,
    ...(detail === undefined ? {} : { detail }),
  };
}

describe('a case with an expectation', () => {
  const expectations = new Expectations(
    fileOf({ cases: [first], outcome: 'failed', detail: 'EINVAL', ...WHY }),
  );

  it('that ended so counts as not asked, with reason and source', () => {
    const { outcome, detail } = expectations.judge(reportOf(first!, 'failed', "'-EINVAL' !== 0"));
    assert.equal(outcome, 'unsupported');
    assert.equal(detail, 'failed as expected: it has no such thing (observed)');
  });

  it('that passed, could not be asked or failed otherwise has failed, and tells both', () => {
    for (const report of [
      reportOf(first!, 'passed'),
      reportOf(first!, 'unsupported', 'no EINVAL here'),
      reportOf(first!, 'broken', 'EINVAL'),
      reportOf(first!, 'failed', "'-EBADF' !== 0"),
    ]) {
      const { outcome, detail } = expectations.judge(report);
      assert.equal(outcome, 'failed');
      assert.match(
        detail!,
        /stale: failed, saying 'EINVAL', because it has no such thing \(observed\); it has /,
      );
      assert.ok(detail!.endsWith(report.detail ?? 'passed'));
    }
  });

  it('may end in several ways, where a race decides: one that passed counts as that', () => {
    const either = new Expectations(
      fileOf({ cases: [first], outcome: ['failed', 'passed'], detail: 'EINVAL', ...WHY }),
    );
    const passing = reportOf(first!, 'passed');
    assert.equal(either.judge(passing), passing);
    assert.equal(either.judge(reportOf(first!, 'failed', 'EINVAL')).outcome, 'unsupported');
    for (const report of [reportOf(first!, 'failed', 'EBADF'), reportOf(first!, 'broken', 'EINVAL')]) {
      const { outcome, detail } = either.judge(report);
      assert.equal(outcome, 'failed');
      assert.match(detail!, /stale: failed or passed, saying 'EINVAL'/);
    }
  });

  it('leaves the others as they are', () => {
    const other = reportOf(second!, 'failed', 'EINVAL');
    assert.equal(expectations.judge(other), other);
  });

  it('is counted with them', () => {
    const found: Report = {
      ...{ backend: 'sandbox', kernel: 'sandbox 1.0', passed: 1, failed: 1, unsupported: 0, broken: 0 },
      cases: [reportOf(first!, 'failed', 'EINVAL'), reportOf(second!, 'passed')],
    };
    const both = new Expectations(
      fileOf({ cases: [first], outcome: 'failed', ...WHY }, { cases: [second], outcome: 'broken', ...WHY }),
    );
    const { met, stale, report } = both.judgeAll(found);
    assert.deepEqual([met, stale], [1, 1]);
    const { passed, failed, unsupported, broken } = report;
    assert.deepEqual(
      { passed, failed, unsupported, broken },
      { passed: 0, failed: 1, unsupported: 1, broken: 0 },
    );
  });
});

describe('expectations mean', () => {
  it('patterns and rules as well as single cases', () => {
    const byPattern = new Expectations(fileOf({ cases: ['io_cancel/*'], outcome: 'failed', ...WHY }));
    const byRule = new Expectations(fileOf({ rule: 'CANCEL-04', outcome: 'failed', ...WHY }));
    for (const { id, rule } of ALL_CASES) {
      const failure = reportOf(id, 'failed');
      assert.equal(byPattern.judge(failure) !== failure, id.startsWith('io_cancel/'), id);
      assert.equal(byRule.judge(failure) !== failure, rule.split(' ').includes('CANCEL-04'), id);
    }
  });

  it('one kernel, by what reports call it', () => {
    const expectations = new Expectations(fileOf());
    expectations.assertMeans({ name: 'sandbox', release: '1.0' });
    assert.throws(
      () => expectations.assertMeans({ name: 'native', release: 'Linux 6.18' }),
      /are of \^sandbox, /,
    );
  });
});

describe('a wrong file', () => {
  const good = { cases: [first], outcome: 'failed', ...WHY };
  const without = (key: keyof Expectation): unknown => ({ ...good, [key]: undefined });
  it.each<readonly [string, unknown, RegExp]>([
    ['is no object', [], /^Error: the file: no object$/],
    ['is of no kernel', { expectations: [] }, /the file: kernel is no text/],
    [
      'has an expression that is none',
      { kernel: '(', expectations: [] },
      /the file: kernel: Invalid regular/,
    ],
    ['has no list', { kernel: 'x', expectations: {} }, /expectations is no list/],
    ['has another key', { kernel: 'x', expectations: [], kernels: 'y' }, /there is no 'kernels'/],
    ['has an entry that is none', fileOf(good, null), /expectation 2: no object/],
    ['has an entry with another key', fileOf({ ...good, why: 'x' }), /expectation 1: there is no 'why'/],
    ['has an entry without cases', fileOf(without('cases')), /either cases or a rule/],
    ['has an entry with both', fileOf({ ...good, rule: 'SETUP-01' }), /either cases or a rule/],
    ['has an empty list of cases', fileOf({ ...good, cases: [] }), /cases is no list of ids/],
    ['has a case that is no text', fileOf({ ...good, cases: [1] }), /a case is no text/],
    ['has another outcome', fileOf({ ...good, outcome: 'passed' }), /none of failed, unsupported, broken/],
    [
      'has outcomes that say nothing',
      fileOf({ ...good, outcome: ['passed'] }),
      /one has to be failed, unsupported, broken/,
    ],
    ['has no outcomes', fileOf({ ...good, outcome: [] }), /one has to be failed, unsupported, broken/],
    [
      'has another among its outcomes',
      fileOf({ ...good, outcome: ['failed', 'gone'] }),
      /none of failed, unsupported, broken, passed/,
    ],
    ['gives no reason', fileOf(without('reason')), /reason is no text/],
    ['gives no source', fileOf({ ...good, source: ' ' }), /source is no text/],
    ['wants another detail than text', fileOf({ ...good, detail: 1 }), /detail is no text/],
    ['has a case that went', fileOf({ ...good, cases: ['gone/*'] }), /stale: the suite has no case gone\/\*/],
    [
      'has a rule that went',
      fileOf({ rule: 'GONE-01', outcome: 'failed', ...WHY }),
      /stale: the suite has no case of the rule GONE-01/,
    ],
    [
      'has a case twice',
      fileOf(good, { ...good, cases: ['io_cancel/*'] }),
      /expectation 2: an earlier one has io_cancel/,
    ],
  ])('that %s is told so', (_, file, message) => {
    assert.throws(() => new Expectations(JSON.parse(JSON.stringify(file))), message);
  });
});

describe('kaio conformance --expect', () => {
  const wrong = join(dirname(dirname(fileURLToPath(import.meta.url))), 'consumers', 'kernel.mjs');
  const conformance = (...args: string[]): Promise<Ended> =>
    start(process.execPath, [CLI, 'conformance', '--kernel', wrong, '--rule', 'RESFD-01', ...args], {
      env: { ...process.env, WRONG: 'io_cancel' },
    });
  const write = (name: string, file: unknown): string => {
    const path = join(home, name);
    writeFileSync(path, JSON.stringify(file));
    return path;
  };
  let found: Report;
  let known: Expectation;
  let kernel: string;

  beforeAll(async () => {
    const { status, stdout } = await conformance('--json');
    assert.equal(status, 1);
    found = JSON.parse(stdout) as Report;
    const failing = found.cases.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
    assert.ok(failing.length > 0 && found.passed > 0, 'the test needs cases that fail and cases that pass');
    known = { cases: failing, outcome: 'failed', ...WHY };
    kernel = `^${found.backend}, `;
  });

  it('is content with a kernel that does what is expected of it, and says how much that was', async () => {
    const path = write('known.json', { kernel, expectations: [known] });
    const { status, stdout } = await conformance('--expect', path, '--json');
    assert.equal(status, 0, stdout);
    const { passed, failed, unsupported, expectations } = JSON.parse(stdout) as Report & {
      expectations: unknown;
    };
    assert.deepEqual([passed, failed, unsupported], [found.passed, 0, found.unsupported + found.failed]);
    assert.deepEqual(expectations, { met: found.failed, stale: 0 });
  });

  it('fails by what is stale, as it happens and at the end', async () => {
    const passing = found.cases.filter(({ outcome }) => outcome === 'passed').map(({ id }) => id);
    const stale: Expectation = { cases: passing, outcome: 'failed', ...WHY };
    const path = write('stale.json', { kernel, expectations: [known, stale] });
    const { status, stdout } = await conformance('--expect', path);
    assert.equal(status, 1);
    assert.match(stdout, new RegExp(`^expectations: ${found.failed} met, ${found.passed} stale$`, 'm'));
    assert.match(stdout, /^failed {6}resfd\/counts\n(?:.*\n)*?.*the expectation is stale/m);
  });

  it('takes a file of this kernel alone, and names the file that it cannot take', async () => {
    for (const [path, message] of [
      [
        write('other.json', { kernel: '^another, ', expectations: [known] }),
        /the expectations are of \^another, /,
      ],
      [write('wrong.json', { kernel }), /wrong\.json: the file: expectations is no list/],
      [join(home, 'missing.json'), /missing\.json: ENOENT/],
    ] as const) {
      const { status, stdout, stderr } = await conformance('--expect', path);
      assert.equal(status, 1);
      assert.equal(stdout, '');
      assert.match(stderr, message);
    }
  });
});
