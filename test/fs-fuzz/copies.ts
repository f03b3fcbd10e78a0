/** Every copy of one kind of thing onto another, with all options: what `cp` does on one file system, as text. */
import type * as NodeFs from 'node:fs';
import { shownError } from '../../src/fs-fuzz/shown.ts';

type Fs = typeof NodeFs;
/** @param at - Where to make it. @param leads - The way from there to what links lead to. @param place - The folder that has all this. */
type Arrange = (fs: Fs, at: string, leads: string, place: string) => void;

const OPTIONS = ['force', 'errorOnExist', 'dereference', 'verbatimSymlinks', 'recursive'] as const;
type Options = Readonly<Record<(typeof OPTIONS)[number], boolean>>;

/** Kinds of sources. What links lead to is in a folder beside them. */
export const SOURCES: Readonly<Record<string, Arrange>> = {
  nothing: () => {},
  file: (fs, at) => fs.writeFileSync(at, 'source', { mode: 0o640 }),
  directory: (fs, at) => {
    fs.mkdirSync(at, { mode: 0o750 });
    fs.writeFileSync(`${at}/in`, 'in source');
  },
  'link to a file': (fs, at, leads) => fs.symlinkSync(`${leads}/file`, at),
  'link to a directory': (fs, at, leads) => fs.symlinkSync(`${leads}/directory`, at),
  'absolute link to a directory': (fs, at, _, place) => fs.symlinkSync(`${place}/leads/directory`, at),
  'dangling link': (fs, at, leads) => fs.symlinkSync(`${leads}/nowhere`, at),
};

/** Only these can be a directory, with which copies that are not recursive differ. */
const MAY_BE_DIRECTORIES = /directory/;

/** Two errors at once: Node asks for source and target together where it can wait, and tells of the one that is answered first. */
const LEADS_NOWHERE = /^(nothing|dangling link)$/;
const BELOW_FILE = 'link to a place below a file';
const BELOW = 'link to a directory below';

const TARGETS: Readonly<Record<string, Arrange>> = {
  nothing: () => {},
  file: (fs, at) => fs.writeFileSync(at, 'target', { mode: 0o604 }),
  'empty directory': (fs, at) => fs.mkdirSync(at),
  directory: (fs, at) => {
    fs.mkdirSync(at);
    fs.writeFileSync(`${at}/in`, 'in target');
    fs.writeFileSync(`${at}/other`, 'other');
  },
  'link to a file': (fs, at, leads) => fs.symlinkSync(`${leads}/other-file`, at),
  'link to the same file': (fs, at, leads) => fs.symlinkSync(`${leads}/file`, at),
  'link to a directory': (fs, at, leads) => fs.symlinkSync(`${leads}/other-directory`, at),
  'link to the same directory': (fs, at, leads) => fs.symlinkSync(`${leads}/directory`, at),
  'link to a directory above': (fs, at, leads) => fs.symlinkSync(leads, at),
  [BELOW]: (fs, at, leads) => fs.symlinkSync(`${leads}/directory/in`, at),
  'dangling link': (fs, at, leads) => fs.symlinkSync(`${leads}/no-place`, at),
  'the same dangling link': (fs, at, leads) => fs.symlinkSync(`${leads}/nowhere`, at),
  [BELOW_FILE]: (fs, at, leads) => fs.symlinkSync(`${leads}/file/below`, at),
  'link to the source': (fs, at, _, place) => fs.symlinkSync(`${place}/source`, at),
};

/** The source and the target, or directories that have them by one name. */
export const LEVELS = ['alone', 'within'] as const;
export interface Copy {
  readonly source: string;
  readonly target: string;
  readonly level: (typeof LEVELS)[number];
  readonly face: 'sync' | 'promise';
  readonly options: Options;
}

export function* copiesOf(source: string, level: Copy['level'], face: Copy['face']): Generator<Copy> {
  for (const target of Object.keys(TARGETS)) {
    for (let bits = 0; bits < 1 << OPTIONS.length; bits++) {
      const given = OPTIONS.map((name, index) => [name, (bits & (1 << index)) !== 0]);
      const options = Object.fromEntries(given) as Options;
      if (!options.recursive && (level === 'within' || !MAY_BE_DIRECTORIES.test(source))) continue;
      // Such a directory is copied into itself until names are too long.
      if (options.dereference && /link to a directory$/.test(source) && target === BELOW) continue;
      if (options.dereference && LEADS_NOWHERE.test(source) && target === BELOW_FILE) continue;
      yield { source, target, level, face, options };
    }
  }
}

export function titleOf({ source, target, level, face, options }: Copy): string {
  const given = OPTIONS.filter((name) => options[name]).join(' ') || 'no options';
  return `${source} onto ${target}, ${level}, ${face}, ${given}`;
}

/** Where copies are made, one after the other. */
export class Place {
  readonly #fs: Fs;
  readonly #folder: string;
  readonly #leads: string;

  /** @param folder - One that is there and empty. */
  constructor(fs: Fs, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
    this.#arrangeLeads();
    this.#leads = this.#looked(`${folder}/leads`);
  }

  /** @returns What the call came to, and all that is there afterwards. */
  async outcomeOf({ source, target, level, face, options }: Copy): Promise<string> {
    const fs = this.#fs;
    const [from, to] = [`${this.#folder}/source`, `${this.#folder}/target`];
    const [below, leads] = level === 'within' ? ['/item', '../leads'] : ['', 'leads'];
    if (level === 'within') for (const folder of [from, to]) fs.mkdirSync(folder);
    SOURCES[source]!(fs, `${from}${below}`, leads, this.#folder);
    TARGETS[target]!(fs, `${to}${below}`, leads, this.#folder);
    let said = 'done';
    try {
      if (face === 'sync') fs.cpSync(from, to, options);
      else await fs.promises.cp(from, to, options);
    } catch (error) {
      said = shownError(error);
    }
    const outcome = [said, ...[from, to].map((path) => this.#looked(path)), this.#tidied()].join('\n');
    return outcome.replaceAll(this.#folder, '');
  }

  /** @returns What has changed where the links lead. */
  #tidied(): string {
    for (const name of ['source', 'target'])
      this.#fs.rmSync(`${this.#folder}/${name}`, { recursive: true, force: true });
    const leads = this.#looked(`${this.#folder}/leads`);
    if (leads === this.#leads) return '';
    this.#fs.rmSync(`${this.#folder}/leads`, { recursive: true });
    this.#arrangeLeads();
    return leads;
  }

  #arrangeLeads(): void {
    const leads = `${this.#folder}/leads`;
    // One name in each that is copied: their order would be the file system's.
    this.#fs.mkdirSync(`${leads}/directory/in`, { recursive: true });
    this.#fs.mkdirSync(`${leads}/other-directory`);
    this.#fs.writeFileSync(`${leads}/file`, 'file');
    this.#fs.writeFileSync(`${leads}/other-file`, 'other file');
  }

  #looked(path: string): string {
    const stats = this.#fs.lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return '';
    if (stats.isSymbolicLink()) return `${path} -> ${this.#fs.readlinkSync(path)}`;
    const permissions = (stats.mode & 0o7777).toString(8);
    if (!stats.isDirectory()) return `${path} ${permissions} ${this.#fs.readFileSync(path, 'utf8')}`;
    const names = this.#fs.readdirSync(path).sort();
    return [`${path} ${permissions}`, ...names.map((name) => this.#looked(`${path}/${name}`))].join('\n');
  }
}
