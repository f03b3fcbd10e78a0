/**
 * Makes the table of mechanisms in `docs/emulation.md`. With `--check` holds that it is up to date, and true: that every file
 * exists and has the kernel's words in it, and that every test does.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { MECHANISMS, type Mechanism } from './mechanisms.ts';

const root = packageRoot();
const page = join(root, 'docs', 'emulation.md');
const BEGIN = '<!-- Made by `npm run docs:mechanisms`; do not edit. -->';
const END = '<!-- Until here. -->';

function contentOf(...path: string[]): string | undefined {
  const file = join(root, ...path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** What is not true about a mechanism. */
function problemsOf({ name, files, terms, tests }: Mechanism): string[] {
  const sources = files.map((file) => ({ file, content: contentOf('src', 'emulated', file) }));
  return [
    ...sources.filter(({ content }) => content === undefined).map(({ file }) => `${name}: no file ${file}`),
    ...terms
      .filter((term) => !sources.some(({ content }) => content?.includes(term) === true))
      .map((term) => `${name}: ${term} is in none of its files`),
    ...tests
      .filter(([file, title]) => contentOf('test', 'emulated', file)?.includes(`('${title}'`) !== true)
      .map(([file, title]) => `${name}: no test "${title}" in ${file}`),
  ];
}

function table(): string {
  const rows = MECHANISMS.map(({ name, duty, files, terms, tests }) => {
    const where = files.map((file) => `[${file}](../src/emulated/${file})`).join(', ');
    const shown = tests.map(([file, title]) => `[${file}](../test/emulated/${file}): ${title}`).join('<br>');
    return `| ${name} (${terms.map((term) => `\`${term}\``).join(', ')}) | ${duty} | ${where} | ${shown} |`;
  });
  return [
    BEGIN,
    '',
    '| mechanism | what it does here | where | shown by |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    END,
  ].join('\n');
}

const before = readFileSync(page, 'utf8');
const begin = before.indexOf(BEGIN);
const end = before.indexOf(END);
if (begin === -1 || end < begin) throw new Error('docs/emulation.md has lost its marks');
const after = before.slice(0, begin) + table() + before.slice(end + END.length);

if (process.argv.includes('--check')) {
  const found = MECHANISMS.flatMap(problemsOf);
  if (before !== after) found.push('docs/emulation.md is out of date: npm run docs:mechanisms');
  for (const problem of found) console.error(problem);
  console.log(`${MECHANISMS.length} mechanisms, ${found.length} problems`);
  if (found.length > 0) process.exitCode = 1;
} else {
  writeFileSync(page, after);
}
