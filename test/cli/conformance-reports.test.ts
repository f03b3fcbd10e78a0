/** What becomes of reports of the suite: compared, and as a page. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import {
  type ComparedReport,
  changesBetween,
  describeChanges,
  readReport,
} from '../../src/cli/conformance-compare.ts';
import { htmlReporter } from '../../src/cli/reporters/html.ts';
import type { CaseReport } from '../conformance/index.ts';
import { kaio } from '../support/kaio.ts';

const home = mkdtempSync(join(tmpdir(), 'kaio-reports-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const one = (id: string, outcome: CaseReport['outcome'], observed?: string): CaseReport => ({
  id,
  rule: 'SETUP-01',
  title: `title of ${id}`,
  outcome,
  ...(observed === undefined ? {} : { detail: `detail of ${id}`, observed }),
});
const report = (kernel: string, ...cases: CaseReport[]): ComparedReport => ({
  backend: 'native',
  kernel,
  cases,
});

describe('--compare', () => {
  const before = report(
    'Linux 1',
    one('a/same', 'failed', '1'),
    one('a/mended', 'failed', '1'),
    one('a/gone', 'passed'),
  );
  const after = report(
    'Linux 2',
    one('a/same', 'failed', '1'),
    one('a/mended', 'passed'),
    one('a/new', 'unsupported'),
  );

  it('tells what ended otherwise, what is gone and what is new', () => {
    assert.deepEqual(
      changesBetween(before, after).map((change) => [change.before?.outcome, change.after?.outcome]),
      [
        ['failed', 'passed'],
        ['passed', undefined],
        [undefined, 'unsupported'],
      ],
    );
    assert.deepEqual(changesBetween(before, before), []);
    const other = report(
      'Linux 3',
      one('a/same', 'failed', '2'),
      ...(before.cases.slice(1).map((each) => ({ ...each })) as CaseReport[]),
    );
    assert.equal(changesBetween(before, other).length, 1, 'a failure that observes something else');
    assert.match(
      describeChanges(before, after).at(-1)!,
      /^3 of 3 cases differ: native, Linux 1 -> native, Linux 2$/,
    );
  });

  it('reads reports only, and says so of anything else', () => {
    const path = join(home, 'wrong.json');
    for (const text of ['', 'null', '{"cases":[]}', '{"backend":"x","kernel":"y","cases":[{"id":1}]}']) {
      writeFileSync(path, text);
      assert.throws(() => readReport(path), /report/);
    }
  });

  it('is a command: 0 for the same, 1 for a difference, which is told without a control character', () => {
    const [first, second] = [join(home, 'a.json'), join(home, 'b.json')];
    writeFileSync(first, JSON.stringify(before));
    writeFileSync(second, JSON.stringify(report('Linux \u001b[31m', ...(after.cases as CaseReport[]))));
    const same = kaio(['conformance', '--compare', first, first]);
    assert.equal(same.status, 0);
    assert.match(same.stdout, /^0 of 3 cases differ/m);
    const other = kaio(['conformance', '--compare', first, second]);
    assert.equal(other.status, 1);
    assert.match(other.stdout, /^a\/mended: failed \(1\) -> passed$/m);
    assert.ok(!other.stdout.includes('\u001b'));
    assert.notEqual(kaio(['conformance', '--compare', first]).status, 0);
  });
});

describe('the page', () => {
  it('tells each failure with its rule and source, and nothing in it is markup or code', () => {
    const evil = '<img src=x onerror=alert(1)></script><script>alert(2)</script>';
    const cases = [
      { ...one('a/evil', 'failed', evil), detail: evil, title: evil, expected: '0' },
      one('a/good', 'passed'),
    ];
    let page = '';
    htmlReporter((text) => (page += text)).onEnd({
      ...{ backend: evil, kernel: evil, passed: 1, failed: 1, unsupported: 0, broken: 0 },
      cases,
    });
    assert.ok(!page.includes('<img') && !/<script>alert/.test(page));
    assert.match(page, /<article class="failed"><h2>failed: a\/evil<\/h2>/);
    assert.match(page, /SETUP-01: order of checks[^<]*observed on Linux/);
    assert.match(page, /default-src 'none'/);
    // It carries its data, which another program can take from it.
    const [, data] = /<script type="application\/json" id="report">(.*?)<\/script>/s.exec(page)!;
    assert.deepEqual((JSON.parse(data!) as { cases: unknown }).cases, cases);
  });
});
