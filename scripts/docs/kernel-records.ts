/**
 * What was recorded of kernels, file systems and other implementations: `docs/kernels.json`, from which `docs/kernels.md` and
 * `docs/gvisor.md` are made.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_CASES } from '../../test/conformance/cases.ts';
import { type CaseReport, type Expectations, type Report, RULES } from '../../test/conformance/index.ts';
import type { Done, FileLayer, Going, Way } from '../kernels/file-layer.ts';
import { packageRoot } from '../package-root.ts';

const DATA = join(packageRoot(), 'docs', 'kernels.json');

/** Rules that there is a case for. */
export const ASKED = RULES.filter(({ id }) => ALL_CASES.some(({ rule }) => rule.split(' ').includes(id)));

/** Cases of what kernels without a feature do. */
const OTHERWISE: ReadonlySet<string> = new Set(
  ALL_CASES.filter(({ lacks = [] }) => lacks.length > 0).map(({ id }) => id),
);

/**
 * What became of a rule's cases: how many passed, how many passed that ask for what kernels do otherwise, how many end otherwise and are known
 * to, and why those and others could not be asked.
 */
export interface RuleRecord {
  readonly passed: number;
  readonly otherwise: number;
  readonly known: number;
  readonly reasons: readonly string[];
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly broken: number;
}

/** Where kaio's file layer sends requests; those that NOWAIT was tried for are counted by both. */
export interface LayerRecord {
  readonly direct: boolean;
  readonly reason: string;
  readonly alignment: string;
  /** The longest time for which the event loop was held by transfers, of direct ones and of buffered ones, in milliseconds. */
  readonly longestHoldMs: readonly [direct: number, buffered: number];
  readonly going: Readonly<Record<'prefer' | 'buffered', Readonly<Record<Done, string>>>>;
}

/** One column: a kernel, on one machine and one file system. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly kind: 'kernel' | 'file system' | 'implementation';
  readonly kernel: string;
  readonly counts: Counts;
  readonly rules: Readonly<Record<string, RuleRecord>>;
  /** Of the emulation there. */
  readonly emulated?: Counts;
  /** What the automatic choice said there. */
  readonly chooses?: string;
  readonly pageBytes?: number;
  readonly layer?: LayerRecord;
}

/** A case that ends as an expectation has it counts as known. */
export function columnOf(
  { name, title, kind }: Pick<Column, 'name' | 'title' | 'kind'>,
  report: Report,
  expectations?: Expectations,
): Column {
  const judged = expectations?.judgeAll(report).report ?? report;
  const { passed, failed, unsupported, broken, cases } = judged;
  const isKnown = ({ id, outcome }: CaseReport): boolean =>
    outcome === 'unsupported' && report.cases.find((one) => one.id === id)!.outcome !== 'unsupported';
  const rules: Record<string, RuleRecord> = {};
  for (const { id } of ASKED) {
    const asked = cases.filter(({ rule }) => rule.split(' ').includes(id));
    const passing = asked.filter(({ outcome }) => outcome === 'passed');
    const usual = passing.filter((one) => !OTHERWISE.has(one.id)).length;
    // A case of what others do otherwise is none that this kernel should have been asked.
    const why = asked
      .filter((one) => isKnown(one) || (one.outcome === 'unsupported' && !OTHERWISE.has(one.id)))
      .map(reasonOf);
    rules[id] = {
      passed: usual,
      otherwise: passing.length - usual,
      known: asked.filter(isKnown).length,
      reasons: [...new Set(why)],
    };
  }
  const counts = { passed, failed, unsupported, broken };
  return { name, title, kind, kernel: publicName(report.kernel), counts, rules };
}

export function countsOf({ passed, failed, unsupported, broken }: Report): Counts {
  return { passed, failed, unsupported, broken };
}

/** Without what a case says of this run alone, such as the name of a temporary file. */
function reasonOf({ detail = '' }: CaseReport): string {
  return detail
    .replace(/, open '.*'/, '')
    .replace(/^(failed|broken) as expected: /, '')
    .replaceAll('|', '\\|');
}

/** A release without what a vendor adds to it. */
function publicName(kernel: string): string {
  return kernel.replace(/^(Linux \d+\.\d+)\S*/, '$1');
}

export function layerOf({ prefer, buffered }: FileLayer): LayerRecord {
  const { memory, offset, length } = prefer.alignment;
  const alignment =
    memory === offset && offset === length ? String(memory) : `${memory}, ${offset}, ${length}`;
  return {
    direct: prefer.direct,
    reason: prefer.reason.replace(/^asked for; /, '').replaceAll('|', '\\|'),
    alignment,
    longestHoldMs: [longestHold(prefer), longestHold(buffered)],
    going: { prefer: ways(prefer), buffered: ways(buffered) },
  };
}

function longestHold({ done }: Way): number {
  return Math.max(...Object.values(done).map(({ longestHoldMs }) => longestHoldMs));
}

function ways({ done }: Way): Readonly<Record<Done, string>> {
  return Object.fromEntries(Object.entries(done).map(([name, going]) => [name, wayOf(going)])) as Readonly<
    Record<Done, string>
  >;
}

/** `kernel`, `pool: buffered write`, or how many of each. */
function wayOf({ kernel, threadPool }: Going): string {
  const reasons = Object.entries(threadPool).sort(([, one], [, other]) => other - one);
  const pooled = reasons.reduce((sum, [, count]) => sum + count, 0);
  if (pooled === 0) return 'kernel';
  const why = reasons
    .map(([reason, count]) => (reasons.length === 1 ? reason : `${reason} ${count}`))
    .join(', ');
  return kernel === 0 ? `pool: ${why}` : `kernel ${kernel}; pool: ${why}`;
}

/** As the file has it: reasons are in a list, and rules have indexes into it. */
type Packed = Omit<Column, 'rules'> & {
  readonly rules: Readonly<
    Record<string, readonly [passed: number, otherwise: number, known: number, ...number[]]>
  >;
};

export function readColumns(): Column[] {
  const { reasons, columns } = JSON.parse(readFileSync(DATA, 'utf8')) as {
    reasons: readonly string[];
    columns: readonly Packed[];
  };
  return columns.map(({ rules, ...head }) => ({
    ...head,
    rules: Object.fromEntries(
      Object.entries(rules).map(([id, [passed, otherwise, known, ...why]]) => [
        id,
        { passed, otherwise, known, reasons: why.map((index) => reasons[index]!) },
      ]),
    ),
  }));
}

/** One rule to a line: changes are to be read. */
export function writeColumns(columns: readonly Column[]): void {
  const reasons = reasonsIn(columns);
  const lines = columns.map(({ rules, ...head }) => {
    const entries = Object.entries(rules).map(([id, { passed, otherwise, known, reasons: why }]) => {
      const indexes = why.map((reason) => reasons.indexOf(reason));
      return `      "${id}": ${JSON.stringify([passed, otherwise, known, ...indexes])}`;
    });
    return `    {${JSON.stringify(head).slice(1, -1)}, "rules": {\n${entries.join(',\n')}\n    }}`;
  });
  writeFileSync(
    DATA,
    `{\n  "reasons": ${JSON.stringify(reasons, undefined, 4)},\n  "columns": [\n${lines.join(',\n')}\n  ]\n}\n`,
  );
}

/** Why something was not asked, each once, in the order of the columns. */
export function reasonsIn(columns: readonly Column[]): string[] {
  return [...new Set(columns.flatMap(({ rules }) => Object.values(rules).flatMap(({ reasons }) => reasons)))];
}
