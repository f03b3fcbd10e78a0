/**
 * What is left of what packages have saved when their process is killed, and when the power is lost: the table of
 * `docs/crashed-packages.md`. Each is installed by npm in a folder of its own, and runs as it is, with `node:fs` from the simulated machine.
 *
 *     npm run crashes -- --crashes 60
 *     npm run crashes -- --only steno --model posix --how crash --seed 3 --at 17
 *
 * `--write` writes the page; `--turn` tries a quarter of them, another one each day. That something is lost is no failure of this.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Command, Option } from 'commander';
import { isOfDeadMachine } from '../../src/emulated/index.ts';
import { register } from '../../src/simulated.ts';
import { packageRoot } from '../package-root.ts';
import { partOfToday } from '../turn.ts';
import { databases } from './databases.ts';
import { documents } from './documents.ts';
import { logs } from './logs.ts';
import { type Load, nameOf, type Subject } from './subject.ts';
import { type End, type Trials, trial, trials, type Verdict } from './trial.ts';

const SUBJECTS: readonly Subject[] = [...documents, ...databases, ...logs];
const ENDS: readonly End[] = [
  { how: 'kill', model: 'posix' },
  { how: 'crash', model: 'ext4-ordered' },
  { how: 'crash', model: 'posix' },
];
const PAGE = join(packageRoot(), 'docs/crashed-packages.md');
const TURNS = 4;
const WORDS: Readonly<Record<Verdict, string>> = { whole: 'whole', older: 'older', damaged: 'not readable' };

interface Options {
  readonly crashes: string;
  readonly only?: string;
  readonly how?: End['how'];
  readonly model?: End['model'];
  readonly seed?: string;
  readonly at?: string;
  readonly write?: boolean;
  readonly turn?: boolean;
}

const program = new Command('crashes')
  .option('--crashes <count>', 'how many ends of each kind', '40')
  .addOption(new Option('--only <name>', 'this package alone').choices(SUBJECTS.map(nameOf)))
  .addOption(new Option('--how <end>', 'how it ends').choices(['kill', 'crash']))
  .addOption(new Option('--model <name>', 'what the disk keeps').choices(['posix', 'ext4-ordered']))
  .option('--seed <seed>', 'one history alone, with --only, --how, --model and --at')
  .option('--at <event>', 'where it ends')
  .option('--write', 'write the page')
  .option('--turn', 'a quarter of them, another one each day')
  .parse();
const options = program.opts<Options>();
for (const number of [options.crashes, options.seed ?? '1', options.at ?? '1'])
  if (!/^\d{1,15}$/.test(number)) program.error(`no decimal number: ${number}`);
const subjects = (options.turn ? partOfToday(SUBJECTS, TURNS) : SUBJECTS).filter(
  (subject) => (options.only ?? nameOf(subject)) === nameOf(subject),
);
const ends = ENDS.filter(
  ({ how, model }) => (options.how ?? how) === how && (options.model ?? model) === model,
);

const print = console.log;
// Packages log what they come upon, and throw where nobody catches it, also when their machine is gone already.
console.log = () => {};
console.warn = () => {};
console.error = () => {};
for (const event of ['uncaughtException', 'unhandledRejection'])
  process.on(event, (error: unknown) => {
    if (isOfDeadMachine(error)) return;
    print(error);
    process.exit(1);
  });

/** Installs them. @returns What loads one, and what takes all away. */
function installed(): { load: Load; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'kaio-crashes-'));
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  const flags = ['--no-audit', '--no-fund', '--silent', '--ignore-scripts'];
  execFileSync('npm', ['install', ...flags, ...subjects.map(({ spec }) => spec)], { cwd: folder });
  register({
    packages: subjects.flatMap((subject) => [nameOf(subject), ...(subject.by ?? [])]),
    folders: [folder],
  });
  // A module of that folder finds what is installed there, by the conditions of an import; and `node:fs`, as a program would.
  writeFileSync(join(folder, 'load.mjs'), 'export const load = (name) => import(name);\n');
  const loader = import(pathToFileURL(join(folder, 'load.mjs')).href) as Promise<{ load: Load }>;
  return {
    load: async (name) => (await loader).load(name),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function cellOf({ counts }: Trials): string {
  const found = (Object.keys(WORDS) as Verdict[]).filter((verdict) => counts[verdict] > 0);
  return found.map((verdict) => `${counts[verdict]} ${WORDS[verdict]}`).join(', ');
}

function commandOf(subject: Subject, { how, model }: End, seed: number, at: number): string {
  return `--only ${nameOf(subject)} --how ${how} --model ${model} --seed ${seed} --at ${at}`;
}

interface Row {
  readonly subject: Subject;
  readonly found: readonly (readonly [End, Trials])[];
}

function page(rows: readonly Row[]): string {
  const text = readFileSync(PAGE, 'utf8');
  const table = rows.map(
    ({ subject: { spec, promise }, found }) =>
      `| ${spec.replace(/@(?=\d)/, ' ')} | ${promise} | ${found.map(([, one]) => cellOf(one)).join(' | ')} |`,
  );
  const uses = rows.map(({ subject }) => `- ${nameOf(subject)}: ${subject.what}.`);
  const seen = rows.flatMap(({ subject, found }) =>
    found.flatMap(([end, { first }]) =>
      Object.entries(first).map(
        ([verdict, { seed, atEvent, told }]) =>
          `| ${nameOf(subject)} | ${WORDS[verdict as Verdict]} | ${told
            .replaceAll(/[^ -~]/g, '.')
            .replaceAll('|', '\\|')
            .slice(0, 110)} | \`${commandOf(subject, end, seed, atEvent)}\` |`,
      ),
    ),
  );
  const between = (from: string, lines: readonly string[], whole: string): string =>
    whole.replace(
      new RegExp(`(<!-- ${from} -->\n)[^]*?(<!-- end -->)`),
      (_, begin: string, end: string) => `${begin}\n${lines.join('\n')}\n\n${end}`,
    );
  const heads = {
    table: [
      '| package | promises | process killed | power lost, `ext4-ordered` | power lost, `posix` |',
      '| --- | --- | --- | --- | --- |',
      ...table,
    ],
    seen: [
      '| package | what is left | in words | `npm run crashes --` |',
      '| --- | --- | --- | --- |',
      ...seen,
    ],
  };
  return between('seen', heads.seen, between('uses', uses, between('table', heads.table, text)));
}

async function main(): Promise<void> {
  const { load, remove } = installed();
  const rows: Row[] = [];
  try {
    for (const subject of subjects) {
      const make = await subject.load(load);
      if (options.seed !== undefined) {
        const at = options.at === undefined ? undefined : Number(options.at);
        const { after, verdict, told } = await trial(make, ends[0]!, Number(options.seed), at);
        print(`${after.trace}\n${after.image}\n${WORDS[verdict]}: ${told}`);
        return;
      }
      const found: [End, Trials][] = [];
      for (const end of ends) {
        const one = await trials(make, end, Number(options.crashes));
        found.push([end, one]);
        print(`${subject.spec}, ${end.how}, ${end.model}: ${cellOf(one)}`);
        for (const { seed, atEvent, told } of Object.values(one.first))
          print(`  ${told}: ${commandOf(subject, end, seed, atEvent)}`);
      }
      rows.push({ subject, found });
    }
  } finally {
    remove();
  }
  if (options.write) writeFileSync(PAGE, page(rows));
}

await main();
// Some packages keep the process alive.
process.exit();
