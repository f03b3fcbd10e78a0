/** Saved reports that are none, or say what they please. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { reportPage } from '../../bench/page.ts';
import type { BenchReport } from '../../bench/report.ts';
import { parseReport } from '../../bench/report-file.ts';
import { packageRoot } from '../../scripts/package-root.ts';
import { kaio } from '../support/kaio.ts';

const root = mkdtempSync(join(tmpdir(), 'kaio-report-test-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const whole = JSON.parse(readFileSync(join(packageRoot(), 'docs/performance.json'), 'utf8')) as BenchReport;
/** Enough to have every kind of field. */
const real: BenchReport = {
  machine: whole.machine,
  command: whole.command,
  rounds: whole.rounds,
  percentiles: whole.percentiles,
  rows: whole.rows.filter(({ mode }) => mode === 'direct').slice(0, 4),
  failures: [
    { engine: null, reason: 'no reason' },
    { engine: 'c', reason: 'no C compiler', rw: 'read', mode: 'cached', blockSize: 4096, queueDepth: 1 },
  ],
};

/** Without the library, which tests have not bundled. */
function pageOf(report: BenchReport): string {
  return reportPage(report, '');
}

type Path = readonly (string | number)[];

function isParent(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Every place of a value, those that hold others included. */
function placesOf(value: unknown, path: Path = []): Path[] {
  if (!isParent(value)) return [path];
  const below = Object.keys(value).flatMap((key) => placesOf(value[key], [...path, key]));
  return path.length === 0 ? below : [path, ...below];
}

/** A copy of the report with another value in one place; `undefined` takes the place away. */
function changed(path: Path, value: unknown): string {
  const copy: unknown = structuredClone(real);
  let parent = copy;
  for (const key of path.slice(0, -1)) parent = isParent(parent) ? parent[key] : undefined;
  assert.ok(isParent(parent));
  if (value === undefined) delete parent[path.at(-1)!];
  else parent[path.at(-1)!] = value;
  return JSON.stringify(copy).replace('"infinite"', '1e999');
}

const MARKUP = [
  '<script>alert(1)</script>',
  '</script><script>alert(1)</script>',
  '</title><img src=x onerror=alert(1)>',
  '"><b onmouseover="alert(1)">',
  "' onload='alert(1)",
  '<!--<script>',
  '</code><iframe src=//example.org>',
];

/** How often anything is opened, so that one more is seen whatever it is. */
function tagsOf(page: string): number {
  return page.split(/<[a-z!/]/i).length;
}

describe('a saved report', () => {
  it('is taken as it was written', () => {
    assert.deepEqual(parseReport(JSON.stringify(whole)), whole);
    assert.deepEqual(parseReport(JSON.stringify(real)), real);
    assert.equal(tagsOf(pageOf(parseReport(JSON.stringify(real)))), tagsOf(pageOf(real)));
  });

  it('may say what it will in every place: nothing of it is live on the page', () => {
    const tags = tagsOf(pageOf(real));
    let shown = 0;
    for (const path of placesOf(real)) {
      for (const markup of MARKUP) {
        let page: string;
        try {
          page = pageOf(parseReport(changed(path, markup)));
        } catch (error) {
          assert.match(String(error), /^Error: [^\n]+$/, path.join('.'));
          continue;
        }
        shown++;
        assert.equal(page.includes(markup), false, `${path.join('.')}: ${markup}`);
        assert.equal(tagsOf(page), tags, `${path.join('.')}: ${markup}`);
      }
    }
    // The texts of the machine, the command and two reasons.
    assert.equal(
      shown,
      MARKUP.length * (Object.values(real.machine).filter((v) => typeof v === 'string').length + 3),
    );
  });

  it('holds nothing that HTML cannot', () => {
    const page = pageOf(parseReport(changed(['command'], 'a\u0000b\u001b[2J\u202ec\ud800')));
    assert.match(page, /a\ufffdb\ufffd\[2J\ufffdc\ufffd/);
  });

  it('must have every field, of its own type', () => {
    const others: readonly unknown[] = [undefined, {}, [], true, 'infinite', -1, null, 'text', 0.5];
    for (const path of placesOf(real)) {
      let refused = 0;
      for (const other of others) {
        try {
          // What is taken must make a page.
          pageOf(parseReport(changed(path, other)));
        } catch (error) {
          refused++;
          assert.match(String(error), /^Error: [a-zA-Z.[\]0-9]+ (is no|has|names)[^\n]+$/, path.join('.'));
        }
      }
      // A failure need not have a case, but then none of it.
      assert.ok(refused >= 5, `${path.join('.')}: ${refused} of ${others.length} are refused`);
    }
  });

  it('says where the first thing is that is wrong', () => {
    assert.throws(() => parseReport(changed(['rows', 2, 'iops'], 'many')), {
      message: 'rows[2].iops is no number from 0 up',
    });
    assert.throws(() => parseReport(changed(['machine', 'cpus'], undefined)), /^Error: machine\.cpus is no/);
    assert.throws(
      () => parseReport(changed(['rows', 0, 'engine'], '__proto__')),
      /rows\[0\]\.engine is none of c,/,
    );
    assert.throws(
      () => parseReport(changed(['rows', 0, 'percentilesUs'], [1])),
      /1 values for 13 percentiles/,
    );
    assert.throws(() => parseReport(changed(['rows', 0, 'ratioLow'], null)), /only a part of ratioToFloor/);
    assert.throws(() => parseReport(changed(['failures', 1, 'mode'], undefined)), /only a part of its case/);
    assert.throws(() => parseReport('{"__proto__": {"machine": {}}}'), /^Error: machine is no object/);
  });

  it('is refused in one line, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.throws(() => parseReport(JSON.stringify(value)), /^Error: [^\n]+$/);
      }),
    );
  });

  it('makes its page in time, however many rows it has', () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => real.rows[index % real.rows.length]!);
    const page = pageOf(parseReport(JSON.stringify({ ...real, rows })));
    assert.equal(page.split('<tr>').length - 1, rows.length + 1);
  }, 20_000);
});

describe('kaio bench --from', () => {
  const page = join(root, 'page.html');

  function refusal(path: string): string {
    const { status, stdout, stderr } = kaio(['bench', '--from', path, '--html', page]);
    assert.equal(status, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^kaio: .+\n$/);
    return stderr;
  }

  function refusalOf(content: string | Buffer): string {
    const path = join(root, 'report.json');
    writeFileSync(path, content);
    return refusal(path);
  }

  it('refuses what is no report with a line that says why', () => {
    assert.match(refusalOf(''), /report\.json' is not a report of kaio bench: it is no JSON \(/);
    assert.match(refusalOf('<html>\n\u001b]0;owned\u0007'), /it is no JSON \(/);
    assert.match(refusalOf(Buffer.from([0x22, 0xff, 0x22])), /it is no UTF-8/);
    for (const other of ['null', '1', '"text"', '[]'])
      assert.match(refusalOf(other), /is not a report of kaio bench: it is no object$/m, other);
    assert.match(refusalOf('{}'), /machine is no object$/m);
    assert.match(refusalOf('{"rows":[],"machine":{}}'), /machine\.date is no text$/m);
    assert.match(refusalOf('['.repeat(2_000_000)), /it is no JSON/);
    assert.match(refusal(join(root, 'nothing')), /ENOENT/);
    assert.match(refusal(root), /EISDIR/);
  });

  it.skipIf(process.platform !== 'linux')('does not read without end', () => {
    assert.match(refusal('/dev/zero'), /it is larger than 64 MiB/);
  });

  it('shows no control characters of what it read', () => {
    const line = refusalOf('\u001b]0;owned\u0007 {');
    assert.doesNotMatch(line.trimEnd(), /\p{Cc}/u);
  });

  it('takes a report with a byte order mark, as editors leave one', () => {
    const path = join(root, 'marked.json');
    writeFileSync(path, `\ufeff${JSON.stringify(real)}`);
    assert.equal(kaio(['bench', '--from', path, '--html', page]).status, 0);
    assert.match(readFileSync(page, 'utf8'), /Content-Security-Policy/);
  });
});
