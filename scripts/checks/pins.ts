/**
 * Which memory stays where it is, on which Node.js: every way of giving it away, under every supported line.
 *
 * `npm run check:pins` fails when pinned memory is moved anywhere, or when the tables in `docs/memory.md` say something else;
 * `npm run docs:memory` writes them.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../../src/native/index.ts';
import { packageRoot } from '../package-root.ts';
import { canInstallNode, LINES, underEachNode } from './node-binaries.ts';
import type { Tables } from './pins-program.ts';

const PAGE = join(packageRoot(), 'docs/memory.md');
const PROGRAM = fileURLToPath(new URL('./pins-program.js', import.meta.url));

function tablesUnder(node: string): Tables {
  return JSON.parse(execFileSync(node, [PROGRAM], { encoding: 'utf8', timeout: 300_000 })) as Tables;
}

function markdown(name: string, answers: readonly Tables[]): string {
  const rows = Object.keys(answers[0]![name]!);
  return [
    `| | ${LINES.map((line) => `Node.js ${line}`).join(' | ')} |`,
    `| --- |${' --- |'.repeat(LINES.length)}`,
    ...rows.map((row) => `| ${row} | ${answers.map((one) => one[name]![row]).join(' | ')} |`),
  ].join('\n');
}

/** Puts each table where the page has its place for it. */
function filled(page: string, answers: readonly Tables[]): string {
  return page.replace(
    /(<!-- table: (\w+) -->\n)[\s\S]*?(?=<!-- end of table -->)/g,
    (_all, place: string, name: string) => `${place}${markdown(name, answers)}\n`,
  );
}

function faultsIn(answers: readonly Tables[]): string[] {
  return answers.flatMap((tables, index) =>
    ['pinned', 'wasm'].flatMap((name) =>
      Object.entries(tables[name]!)
        .filter(([, answer]) => !/^(?:refused|copied|absent|yes)$/.test(answer))
        .map(([row, answer]) => `Node.js ${LINES[index]}: ${row}: ${answer}`),
    ),
  );
}

function main(): void {
  const { addon, ...without } = loadAddon();
  if (!canInstallNode() || addon === undefined) {
    const reason =
      'reason' in without ? `there is no addon: ${without.reason}` : 'binaries are for Linux x64';
    console.log(`skipped: ${reason}`);
    return;
  }
  const answers: Tables[] = [];
  underEachNode((node) => answers.push(tablesUnder(node)));
  for (const name of Object.keys(answers[0]!)) console.log(`${name}\n${markdown(name, answers)}\n`);
  const faults = faultsIn(answers);
  for (const fault of faults) console.error(fault);
  const page = readFileSync(PAGE, 'utf8');
  const expected = filled(page, answers);
  if (process.argv.includes('--write')) writeFileSync(PAGE, expected);
  else if (page !== expected) faults.push('docs/memory.md says something else: npm run docs:memory');
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

main();
