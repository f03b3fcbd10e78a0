/** What is left of what packages have saved when their process is killed, and when the power is lost. */
import { Command, Option } from 'commander';
import { isomorphicGit } from './isomorphic-git.ts';
import { jsonFile } from './jsonfile.ts';
import { type End, trial, trials } from './trial.ts';

const SUBJECTS = [isomorphicGit, jsonFile];
const ENDS: readonly End[] = ['kill', 'power'];

/** isomorphic-git logs what `stat` fails with, which after the end of the machine is that there is none. */
const { log } = console;
console.log = (...parts: unknown[]) => {
  if (!parts.some((part) => part instanceof Error && 'code' in part && part.code === 'ENODEV')) log(...parts);
};

const program = new Command('packages')
  .option('--crashes <count>', 'how many ends of each kind', '300')
  .addOption(new Option('--package <name>', 'this one alone').choices(SUBJECTS.map(({ name }) => name)))
  .addOption(new Option('--end <kind>', 'of this kind alone').choices(ENDS))
  .option('--seed <seed>', 'one history alone, with --package, --end and --at')
  .option('--at <event>', 'where it ends')
  .parse();
const options = program.opts<{ crashes: string; package?: string; end?: End; seed?: string; at?: string }>();
for (const number of [options.crashes, options.seed ?? '1', options.at ?? '1'])
  if (!/^\d{1,15}$/.test(number)) program.error(`no decimal number: ${number}`);
const subjects = SUBJECTS.filter(({ name }) => name === (options.package ?? name));
const ends = ENDS.filter((end) => end === (options.end ?? end));

if (options.seed !== undefined) {
  const { after, verdict, told } = await trial(
    subjects[0]!,
    Number(options.seed),
    ends[0]!,
    options.at === undefined ? undefined : Number(options.at),
  );
  console.log(`${after.trace}\n${after.image}\n${verdict}: ${told}`);
} else {
  for (const subject of subjects) {
    for (const end of ends) {
      const { counts, first } = await trials(subject, end, Number(options.crashes));
      const { whole, lost, damaged } = counts;
      console.log(
        `${subject.name}, ${end}: ${whole} whole, ${lost} lost something, ${damaged} could not be read`,
      );
      if (first !== undefined)
        console.log(
          `  ${first.told}: --package ${subject.name} --end ${end} --seed ${first.seed} --at ${first.atEvent}`,
        );
    }
  }
}
