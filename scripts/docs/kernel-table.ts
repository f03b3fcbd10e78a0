/**
 * Which rule holds on which kernel: makes `docs/kernels.md` from `docs/kernels.json`.
 *
 * With `--record` it first runs the suite on this machine's kernel, on User Mode Linux and on each profile of the emulation, and writes
 * what they answered to `docs/kernels.json`. With `--check` it holds that page and data agree, that every rule with a case is told
 * of every kernel, and that nothing failed.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { PROFILES } from '../../src/emulated/index.ts';
import { ALL_CASES } from '../../test/conformance/cases.ts';
import { type CaseReport, type Report, RULES } from '../../test/conformance/index.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const page = join(root, 'docs', 'kernels.md');
const data = join(root, 'docs', 'kernels.json');
const CLI = join(root, 'dist', 'src', 'cli', 'cli.js');
const TIMEOUT_MS = 600_000;
const ATTEMPTS = 2;
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/**
 * What became of a rule's cases: how many passed, how many passed that ask for what kernels do otherwise, and why others could not be asked
 * (indexes into `reasons`).
 */
type RuleRecord = readonly [passed: number, otherwise: number, ...reasons: number[]];

interface KernelRecord {
  readonly title: string;
  readonly kernel: string;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly broken: number;
  readonly rules: Readonly<Record<string, RuleRecord>>;
}

interface Records {
  /** Why cases were not asked. */
  readonly reasons: readonly string[];
  readonly kernels: readonly KernelRecord[];
}

const ASKED = RULES.filter(({ id }) => ALL_CASES.some(({ rule }) => rule.split(' ').includes(id)));

/** Cases of what kernels without a feature do. */
const OTHERWISE: ReadonlySet<string> = new Set(
  ALL_CASES.filter(({ lacks = [] }) => lacks.length > 0).map(({ id }) => id),
);

/** A case that waits for other threads may fail on a machine that has no time for it: what fails twice has failed. */
function conformance(...args: string[]): Report {
  for (let attempt = 1; ; attempt++) {
    const { stdout } = spawnSync(process.execPath, [CLI, 'conformance', '--json', ...args], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      maxBuffer: MAX_OUTPUT_BYTES,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const report = JSON.parse(stdout) as Report;
    for (const { id, outcome, detail } of report.cases)
      if (outcome === 'failed' || outcome === 'broken') console.error(`${outcome} ${id}: ${detail}`);
    if (report.failed + report.broken === 0 || attempt === ATTEMPTS) return report;
  }
}

function userModeLinux(): Report {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-kernels-'));
  const output = join(directory, 'report.json');
  try {
    const script = join(root, 'dist', 'scripts', 'kernels', 'user-mode-linux.js');
    execFileSync(process.execPath, [script, '--fuzz', '0', '--output', output], {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: TIMEOUT_MS,
    });
    return JSON.parse(readFileSync(output, 'utf8')) as Report;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function record(): Records {
  const reasons: string[] = [];
  const indexOf = (reason: string): number => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return reasons.indexOf(reason);
  };
  const toRecord = (title: string, { cases, kernel, ...counts }: Report): KernelRecord => {
    const { passed, failed, unsupported, broken } = counts;
    const rules: Record<string, RuleRecord> = {};
    for (const { id } of ASKED) {
      const asked = cases.filter(({ rule }) => rule.split(' ').includes(id));
      const passing = asked.filter(({ outcome }) => outcome === 'passed');
      const usual = passing.filter((one) => !OTHERWISE.has(one.id)).length;
      // A case of what others do otherwise is none that this kernel should have been asked.
      const why = asked
        .filter(({ outcome, id: name }) => outcome === 'unsupported' && !OTHERWISE.has(name))
        .map(reasonOf);
      rules[id] = [usual, passing.length - usual, ...new Set(why.map(indexOf))];
    }
    return { title, kernel: publicName(kernel), passed, failed, unsupported, broken, rules };
  };
  const kernels = [
    toRecord('Linux, newest', conformance('--backend', 'native')),
    toRecord('Linux 6.1, User Mode Linux', userModeLinux()),
    ...Object.keys(PROFILES).map((profile) =>
      toRecord(`emulation, ${profile}`, conformance('--profile', profile)),
    ),
  ];
  return { reasons, kernels };
}

/** Without what a case says of this run alone, such as the name of a temporary file. */
function reasonOf({ detail = '' }: CaseReport): string {
  return detail.replace(/, open '.*'/, '').replaceAll('|', '\\|');
}

/** A release without what a vendor adds to it. */
function publicName(kernel: string): string {
  return kernel.replace(/^(Linux \d+\.\d+)\S*/, '$1');
}

/** One rule to a line: changes are to be read. */
function toJson({ reasons, kernels }: Records): string {
  const lines = kernels.map(({ rules, ...head }) => {
    const entries = Object.entries(rules).map(([id, value]) => `      "${id}": ${JSON.stringify(value)}`);
    return `    {${JSON.stringify(head).slice(1, -1)}, "rules": {\n${entries.join(',\n')}\n    }}`;
  });
  return `{\n  "reasons": ${JSON.stringify(reasons, undefined, 4)},\n  "kernels": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

function cell(value: RuleRecord | undefined): string {
  if (value === undefined) return '?';
  const [passed, otherwise, ...why] = value;
  const notes = why.map((index) => ` [${index + 1}]`).join('');
  if (otherwise > 0) return `otherwise${notes}`;
  if (passed > 0) return why.length === 0 ? 'yes' : `in part${notes}`;
  return why.length === 0 ? '-' : `not asked${notes}`;
}

function table({ reasons, kernels }: Records): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    '# Which rule holds on which kernel',
    '',
    '<!-- Made by `npm run docs:kernels`; do not edit. -->',
    '',
    'What the conformance suite was answered on each kernel, rule by rule (`docs/internals/rules.md` says what they are). **yes**: every case of the',
    'rule passed. **in part**: those that could be asked passed. **otherwise**: it does what such kernels do instead, and the cases of that',
    'passed. **not asked**: the question makes no sense there, for the reason noted below. **-**: a rule of other kernels. `npm run docs:kernels -- --record` runs all of this again; `npm run check:kernels` holds that this page is what was recorded.',
    '',
    row(['kernel', 'which', 'passed', 'failed', 'unsupported', 'broken']),
    row(['---', '---', '---', '---', '---', '---']),
    ...kernels.map(({ title, kernel, passed, failed, unsupported, broken }) =>
      row([title, kernel, ...[passed, failed, unsupported, broken].map(String)]),
    ),
    '',
    row(['rule', ...kernels.map(({ title }) => title)]),
    row(['---', ...kernels.map(() => '---')]),
    ...ASKED.map(({ id }) => row([id, ...kernels.map(({ rules }) => cell(rules[id]))])),
    '',
    '## Why not',
    '',
    ...reasons.map((reason, index) => `${index + 1}. ${reason}`),
    '',
  ].join('\n');
}

function problems(records: Records): string[] {
  const found: string[] = [];
  for (const { title, failed, broken, rules } of records.kernels) {
    if (failed + broken > 0) found.push(`${title}: ${failed} failed, ${broken} broken`);
    for (const { id } of ASKED) if (rules[id] === undefined) found.push(`${title} says nothing of ${id}`);
    for (const id of Object.keys(rules))
      if (!ASKED.some((rule) => rule.id === id)) found.push(`${title} tells of ${id}, which has no case`);
  }
  for (const profile of Object.keys(PROFILES))
    if (!records.kernels.some(({ title }) => title === `emulation, ${profile}`))
      found.push(`nothing was recorded of the profile ${profile}`);
  if (readFileSync(page, 'utf8') !== table(records))
    found.push('docs/kernels.md is out of date: npm run docs:kernels');
  return found;
}

const { values } = parseArgs({ options: { record: { type: 'boolean' }, check: { type: 'boolean' } } });
if (values.record === true) writeFileSync(data, toJson(record()));
const records = JSON.parse(readFileSync(data, 'utf8')) as Records;
if (values.check === true) {
  const found = problems(records);
  for (const problem of found) console.error(problem);
  console.log(`${records.kernels.length} kernels, ${ASKED.length} rules, ${found.length} problems`);
  if (found.length > 0) process.exitCode = 1;
} else {
  writeFileSync(page, table(records));
}
