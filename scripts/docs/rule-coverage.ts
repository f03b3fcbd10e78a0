/**
 * Which case asks for which rule: makes `docs/internals/rules.md`, and with `--check` holds that every observable rule has a case, that
 * every case names known rules, that no case's name is used twice, and that the page is up to date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ALL_CASES } from '../../test/conformance/cases.ts';
import { sourceOf } from '../../test/conformance/rule-sources.ts';
import { RULES } from '../../test/conformance/rules.ts';
import { packageRoot } from '../package-root.ts';

const page = join(packageRoot(), 'docs/internals/rules.md');

function casesOf(rule: string): string[] {
  return ALL_CASES.filter((one) => one.rule.split(' ').includes(rule)).map(({ id }) => id);
}

function problems(): string[] {
  const known = new Set(RULES.map(({ id }) => id));
  const ids = ALL_CASES.map(({ id }) => id);
  return [
    ...RULES.filter(({ id, unobservable }) => unobservable === undefined && casesOf(id).length === 0).map(
      ({ id, summary }) => `${id} has no case: ${summary}`,
    ),
    ...RULES.filter(({ id, unobservable }) => unobservable !== undefined && casesOf(id).length > 0).map(
      ({ id }) => `${id} is said to be unobservable and has a case`,
    ),
    ...RULES.filter(({ id }) => sourceOf(id) === undefined).map(({ id }) => `${id} has no source`),
    ...ALL_CASES.flatMap(({ id, rule }) =>
      rule
        .split(' ')
        .filter((name) => !known.has(name))
        .map((name) => `${id} names a rule that does not exist: ${name}`),
    ),
    ...ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `two cases are called ${id}`),
  ];
}

function table(): string {
  const rows = RULES.map(({ id, summary, unobservable }) => {
    const cases =
      unobservable ??
      casesOf(id)
        .map((name) => `\`${name}\``)
        .join(', ');
    return `| ${id} | ${summary.replaceAll('|', '\\|')} | ${sourceOf(id)} | ${cases} |`;
  });
  return [
    '# The rules and their cases',
    '',
    '<!-- Made by `npm run docs:rules`; do not edit. -->',
    '',
    'What a program can see of Linux kernel AIO, by rule id, and the conformance cases that ask. Where there is no case, the',
    'last column says why.',
    '',
    '| rule | what it is about | source | cases |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

if (process.argv.includes('--check')) {
  const found = problems();
  if (readFileSync(page, 'utf8') !== table())
    found.push('docs/internals/rules.md is out of date: npm run docs:rules');
  for (const problem of found) console.error(problem);
  console.log(`${RULES.length} rules, ${ALL_CASES.length} cases, ${found.length} problems`);
  if (found.length > 0) process.exitCode = 1;
} else {
  writeFileSync(page, table());
}
