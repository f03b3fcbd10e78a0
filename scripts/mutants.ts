/**
 * Whether a fuzzer finds what it is for: the product is made wrong in one place at a time, and each must be found within a limit.
 *
 * A mutation is a replacement in a copy of the compiled code, so what runs is the whole product but for one place. In as many calls as
 * a mutant took to be found, the product as it is must not be found wrong, or a mutation proves nothing.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from './package-root.ts';

export interface Change {
  /** Below the folder that all changes of a check are in. */
  readonly file: string;
  /** Occurs exactly once. */
  readonly from: string;
  readonly to: string;
}

interface Named {
  readonly name: string;
  readonly what: string;
  /** Not wrong by themselves: limits made so low that small programs reach them. */
  readonly lowered?: readonly Change[];
  /** What the fuzzer leaves out, for it is wrong with those limits, and only with them. */
  readonly without?: readonly string[];
}

/** One place is changed, or several. */
export type Mutation = Named & (Change | { readonly changes: readonly Change[] });

/** What the fuzzer is asked. */
export interface Hunt {
  readonly seed: string;
  /** Steps, calls or operations at most. */
  readonly most: number;
  readonly without: readonly string[];
  /** Where it has its files, unless where it wants. */
  readonly directory: string | undefined;
  readonly node: string;
}

/** What it has found, if anything. */
export interface Finding {
  /** Steps, calls or operations until then. A fuzzer that does not tell may have needed all. */
  readonly after?: number;
  /** The program that shows it. */
  readonly text: string;
}

export interface MutationCheck {
  /** As it is called: `check:fuzz-mutations`. */
  readonly script: string;
  /** The folder that changes are in, below the package's: `dist/src/emulated`. */
  readonly below: string;
  /** What the limit counts: `operations`. */
  readonly unit: string;
  readonly most: number;
  readonly mutations: readonly Mutation[];
  /** Options of the fuzzer that the check hands on. */
  readonly takes?: readonly ('directory' | 'without')[];
  /**
   * The fuzzer's arguments, the first a compiled program below the package's folder. It must end with 0, or with 1 where it found
   * something.
   */
  arguments(hunt: Hunt): readonly string[];
  /** Its programs do not decide alone what it meets: what is missed is looked for once more, with the next seed. */
  readonly dependsOnTiming?: boolean;
  /** @param found - Whether it ended with 1. */
  read(stdout: string, found: boolean): Finding | undefined;
}

/** No hunt of a right fuzzer takes a tenth of it. */
const MOST_MS = 20 * 60_000;
/** What ends a program before it has done anything: a mutation that is no program any more is found by nobody. */
const NO_PROGRAM = /SyntaxError|ERR_MODULE_NOT_FOUND|does not provide an export/;

/** Runs the check that the command line asks for; what is missed, or is found where nothing is wrong, sets the exit code. */
export function checkMutations(check: MutationCheck): void {
  const { script, mutations, most, unit } = check;
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      only: { type: 'string' },
      without: { type: 'string', multiple: true, default: [] },
      node: { type: 'string', default: process.execPath },
      directory: { type: 'string' },
    },
  });
  for (const name of ['directory', 'without'] as const)
    if ((values[name]?.length ?? 0) > 0 && check.takes?.includes(name) !== true)
      throw new Error(`--${name} is not for ${script}`);
  const seed = values.seed ?? String(randomInt(2 ** 31));
  const chosen = mutations.filter(({ name }) => values.only === undefined || name === values.only);
  if (chosen.length === 0)
    throw new Error(`--only takes one of ${mutations.map(({ name }) => name).join(', ')}`);
  console.log(`seed ${seed}; again: npm run ${script} -- --seed ${seed}`);

  using copy = new MutantCopy(check.below);
  // Before minutes are spent: what no longer fits is an error.
  for (const mutation of chosen) copy.change(mutation.name, allChanges(mutation))();
  const hunt = (limit: number, without: readonly string[] = [], by = seed): Finding | undefined => {
    const { directory, node } = values;
    const asked = { seed: by, most: limit, without: [...values.without, ...without], directory, node };
    const [program, ...args] = check.arguments(asked);
    const { status, stdout, stderr, error } = spawnSync(node, [join(copy.root, program!), ...args], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
      timeout: MOST_MS,
      killSignal: 'SIGKILL',
    });
    if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT')
      return { text: `hangs: not over after ${MOST_MS / 60_000} minutes\n${stdout}${stderr}` };
    if (error !== undefined) throw error;
    if (NO_PROGRAM.test(stderr)) throw new Error(`the fuzzer could not begin:\n${stderr}`);
    if (status !== 0 && status !== 1) throw new Error(`the fuzzer ended with ${status}:\n${stdout}${stderr}`);
    // Its own looking at files may meet what is wrong and end it. As the product is, it must not.
    if (status === 1 && stdout === '') return { text: stderr };
    return check.read(stdout, status === 1);
  };
  const mustBeRight = (what: string, limit: number, without?: readonly string[]): void => {
    const found = hunt(limit, without);
    if (found !== undefined)
      throw new Error(`${what} was found wrong, so mutations prove nothing:\n${found.text}`);
  };

  let missed = 0;
  let longest = 0;
  for (const mutation of chosen) {
    const { name, what, lowered, without } = mutation;
    const undo = copy.change(name, allChanges(mutation));
    const found =
      hunt(most, without) ??
      (check.dependsOnTiming === true ? hunt(most, without, String(Number(seed) + 1)) : undefined);
    undo();
    if (found === undefined) {
      missed++;
      console.log(`MISSED in ${most} ${unit}: ${what} (${name})`);
      continue;
    }
    const { after = most, text } = found;
    longest = Math.max(longest, after);
    const told = found.after === undefined ? 'within' : 'after';
    console.log(`found ${told} ${after} ${unit}: ${what} (${name})\n\n${text}`);
    if (lowered !== undefined) {
      const raise = copy.change(name, lowered);
      mustBeRight(`the product with the limits of '${name}'`, after, without);
      raise();
    }
  }
  if (longest > 0) mustBeRight('the product as it is', longest);
  console.log(`${chosen.length - missed} of ${chosen.length} mutations found within ${most} ${unit}`);
  if (missed > 0) process.exitCode = 1;
}

function allChanges(mutation: Mutation): readonly Change[] {
  return [...(mutation.lowered ?? []), ...('changes' in mutation ? mutation.changes : [mutation])];
}

/** The compiled product, to be made wrong. */
class MutantCopy implements Disposable {
  /** Below node_modules, so that the copy finds its packages and nobody finds the copy. */
  readonly root = join(packageRoot(), 'node_modules', '.cache', `kaio-mutant-${process.pid}`);
  readonly #below: string;

  constructor(below: string) {
    this.#below = below;
    const original = packageRoot();
    mkdirSync(this.root, { recursive: true });
    cpSync(join(original, 'dist'), join(this.root, 'dist'), { recursive: true });
    cpSync(join(original, 'package.json'), join(this.root, 'package.json'));
    // The addon as it was built.
    for (const built of ['build', 'prebuilds'])
      if (existsSync(join(original, built))) symlinkSync(join(original, built), join(this.root, built));
  }

  /** Makes it wrong. @returns Takes the changes out again. */
  change(name: string, changes: readonly Change[]): () => void {
    const sources = new Map<string, string>();
    const undo = (): void => {
      for (const [path, source] of sources) writeFileSync(path, source);
    };
    for (const { file, from, to } of changes) {
      const path = join(this.root, this.#below, file);
      const source = readFileSync(path, 'utf8');
      if (!sources.has(path)) sources.set(path, source);
      if (source.split(from).length !== 2) {
        undo();
        throw new Error(`mutation '${name}' no longer fits: its text does not occur once in ${file}`);
      }
      // A function, for `$` in a text means something else.
      writeFileSync(
        path,
        source.replace(from, () => to),
      );
    }
    return undo;
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
