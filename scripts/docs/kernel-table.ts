/**
 * Which rule holds where: makes `docs/kernels.md` and `docs/gvisor.md` from `docs/kernels.json`.
 *
 * With `--record` it first runs everything that has a column, an hour and more, or the columns that are named; `--from FOLDER` takes what checks
 * have left there (`check:machines -- --output`, and so on). With `--check` it holds that pages and data agree, that every rule with a
 * case is told of every column, and that nothing failed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';
import { gvisorPage, kernelsPage } from './kernel-pages.ts';
import { RECORDINGS, record } from './kernel-recording.ts';
import { ASKED, type Column, readColumns, writeColumns } from './kernel-records.ts';

const docs = join(packageRoot(), 'docs');
const PAGES: Readonly<Record<string, (columns: readonly Column[]) => string>> = {
  'kernels.md': kernelsPage,
  'gvisor.md': gvisorPage,
};

function problems(columns: readonly Column[]): string[] {
  const found: string[] = [];
  for (const { name } of RECORDINGS)
    if (!columns.some((column) => column.name === name)) found.push(`nothing was recorded of ${name}`);
  for (const { name, counts, rules } of columns) {
    const { failed, broken } = counts;
    if (failed + broken > 0) found.push(`${name}: ${failed} failed, ${broken} broken`);
    for (const { id } of ASKED) if (rules[id] === undefined) found.push(`${name} says nothing of ${id}`);
    for (const id of Object.keys(rules))
      if (!ASKED.some((rule) => rule.id === id)) found.push(`${name} tells of ${id}, which has no case`);
  }
  for (const [name, page] of Object.entries(PAGES))
    if (readFileSync(join(docs, name), 'utf8') !== page(columns))
      found.push(`docs/${name} is out of date: npm run docs:kernels`);
  return found;
}

const { values, positionals } = parseArgs({
  options: { record: { type: 'boolean' }, check: { type: 'boolean' }, from: { type: 'string' } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !RECORDINGS.some((one) => one.name === name));
if (unknown !== undefined)
  throw new Error(`there is no '${unknown}': ${RECORDINGS.map(({ name }) => name).join(', ')}`);
if (values.record === true) writeColumns(record(readColumns(), positionals, values.from));
const columns = readColumns();
if (values.check === true) {
  const found = problems(columns);
  for (const problem of found) console.error(problem);
  console.log(`${columns.length} columns, ${ASKED.length} rules, ${found.length} problems`);
  if (found.length > 0) process.exitCode = 1;
} else {
  for (const [name, page] of Object.entries(PAGES)) writeFileSync(join(docs, name), page(columns));
}
