/**
 * The table of what the package works with: `docs/compatibility.md`, made by trying each row on the packed package.
 *
 * Without arguments everything is tried, and fails where something is not as expected; a word tries the groups whose title it begins.
 * `--turn` tries a part of the rows, another one each day, for as long as there is time; `--write` writes the page; `--page` tries nothing
 * and tells whether the page has all rows.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { partOfToday } from '../turn.ts';
import { bundlers, formats } from './bundlers.ts';
import { installers } from './installers.ts';
import type { Group, Row } from './row.ts';
import { damages, runtimes } from './runtimes.ts';
import { Workshop } from './workshop.ts';

const GROUPS: readonly Group[] = [installers, formats, bundlers, runtimes, damages];
const PAGE = join(packageRoot(), 'docs/compatibility.md');
const TURNS = 5;
const TURN_MS = 200_000;

interface Answer {
  readonly row: Row;
  readonly printed: string;
}

const HEADING = `# Compatibility

What was tried on Linux x64 with the packed package, row by row: made by \`npm run docs:compatibility\`, where \`scripts/compatibility\` has each
row and the versions of the tools. In PATH are Node.js and a shell, and so no compiler. Each program reads a file, and prints which kernel
did it (\`native\` or \`emulated\`), how many bytes came, and whether the addon is there. TypeScript works from 4.9 on
(\`npm run check:types\`; before 5.2 with \`lib: ["es2022"]\`). macOS and Windows: not run there; the emulation serves
([portability.md](portability.md)).
`;

function page(answers: ReadonlyMap<string, Answer>): string {
  const table = ({ title, rows }: Group): string => {
    const lines = rows.map(({ title: row, remark = '' }) => {
      const printed = (answers.get(row)?.printed ?? '').replace(/\n[\s\S]*/, '');
      return `| ${row} | ${printed.replace(/(without the addon): .*/, '$1')} | ${remark} |`;
    });
    return `## ${title}\n\n| | prints | |\n| --- | --- | --- |\n${lines.join('\n')}\n`;
  };
  return [HEADING, ...GROUPS.map(table)].join('\n');
}

function rowsInPage(): string[] {
  return [...readFileSync(PAGE, 'utf8').matchAll(/^\| (?!---|\|)(.+?) \| (?!prints)/gm)].map(
    ([, title]) => title!,
  );
}

async function attempt(row: Row, workshop: Workshop): Promise<Answer> {
  const reason = row.skip?.();
  if (reason !== undefined) return { row, printed: `not tried: ${reason}` };
  const printed = await row.run(workshop);
  const { expected } = row;
  if (typeof expected === 'string' ? printed !== expected : !expected.test(printed))
    throw new Error(`it printed ${printed}, not ${expected}`);
  return { row, printed };
}

async function main(args: readonly string[]): Promise<void> {
  const titles = GROUPS.flatMap((group) => group.rows).map(({ title }) => title);
  if (new Set(titles).size < titles.length) throw new Error('two rows have the same title');
  if (args.includes('--page')) {
    if (rowsInPage().join('\n') !== titles.join('\n'))
      throw new Error('docs/compatibility.md has other rows: npm run docs:compatibility');
    return;
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('skipped: the tools that are installed are for Linux x64');
    return;
  }
  const word = args.find((one) => !one.startsWith('--'));
  const rows = GROUPS.filter(
    ({ title }) => word === undefined || title.toLowerCase().startsWith(word),
  ).flatMap((group) => group.rows);
  if (rows.length === 0) throw new Error(`no group begins with ${word}`);
  const chosen = args.includes('--turn') ? partOfToday(rows, TURNS) : rows;
  const end = Date.now() + (args.includes('--turn') ? TURN_MS : Number.POSITIVE_INFINITY);
  const answers = new Map<string, Answer>();
  let failed = 0;
  const workshop = new Workshop();
  try {
    for (const row of chosen) {
      if (Date.now() > end) {
        console.log(`${row.title}: no time left today`);
        continue;
      }
      try {
        const answer = await attempt(row, workshop);
        answers.set(row.title, answer);
        console.log(`${row.title}: ${answer.printed}`);
      } catch (error) {
        failed++;
        console.log(`${row.title}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    workshop.dispose();
  }
  console.log(`compatibility: ${answers.size} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
  else if (args.includes('--write')) writeFileSync(PAGE, page(answers));
}

await main(process.argv.slice(2));
