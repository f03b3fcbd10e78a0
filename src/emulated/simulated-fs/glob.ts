/**
 * Patterns of names, as Node's `glob` takes them, over a simulated disk.
 *
 * Node's own takes no `fs`. Each part of a path is judged by Node's own matcher (`path.matchesGlob`); the way through the directories is
 * written anew, by the rules that Node's own follows (`lib/internal/fs/glob.js` of 22, 24 and 26), and held beside its results.
 */
import type { Dirent } from 'node:fs';
import { posix } from 'node:path';
import { codeOf } from '../../common/errors.ts';
import type { Entry, PathCalls } from '../simulated/path-calls.ts';
import type { Steps } from '../simulated/steps.ts';
import { ask, isUrl, NOWHERE, realFs, textOf } from './admission.ts';
import { direntOf } from './directory.ts';
import { optionsOf } from './options.ts';

type Matches = (path: string, pattern: string) => boolean;

const { matchesGlob } = posix as unknown as { readonly matchesGlob?: Matches };

/** Whether this Node has it, and what it takes to be the same. */
export const HAS_GLOB = 'globSync' in realFs && matchesGlob !== undefined;

/** Whether `glob` with a callback throws for wrong arguments, as seen on Node 24.21 and 26.12; 22.23 hands that to the callback. */
export const GLOB_THROWS = Number.parseInt(process.versions.node, 10) >= 24;

/** Whether `**` goes into a link whose name is what comes next, as seen on Node 22.23 and 24.21; 26.12 does not. */
const ENTERS_LINKS = Number.parseInt(process.versions.node, 10) < 26;

/** Any number of directories. */
const GLOBSTAR = '**';
/** What makes more than a name of a part, once lists in braces are gone. */
const MAGIC = /[*?[]|[!+@]\(/;
const RANGE = /^(-?\d+|[A-Za-z])\.\.(-?\d+|[A-Za-z])(?:\.\.(-?\d+))?$/;
const ANY = 'x';
const ROOT = '/';

interface Options {
  readonly root: string;
  readonly withFileTypes: boolean;
  readonly followSymlinks: boolean;
  readonly maxDepth: number;
  readonly isExcluded: (path: string) => boolean;
  readonly exclude: ((found: string | Dirent) => unknown) | undefined;
}

/** Where a search has come to. */
interface State {
  readonly path: string;
  /** The part of the pattern that is next. */
  readonly part: number;
  /** Whether it was come to by `**`, which goes through no link. */
  readonly isDeep: boolean;
  /** The directories on the way, where links are followed: one that leads back is a circle. */
  readonly way: readonly string[];
}

interface Inside {
  readonly entries: readonly Entry[];
  readonly way: readonly string[];
}

const NOTHING: Inside = { entries: [], way: [] };

/** What was found, by its path. */
type Found = Map<string, string | Dirent | null>;

/** One pattern without alternatives, in its parts. */
type Parts = readonly string[];

export class GlobOperations {
  readonly #paths: PathCalls;

  constructor(paths: PathCalls) {
    this.#paths = paths;
  }

  *glob(pattern: unknown, options?: unknown): Steps<(string | Dirent | null)[]> {
    const patterns = admitPatterns(pattern, options);
    const taken = takenOptions(options);
    const found: Found = new Map();
    for (const parts of patterns.flatMap(alternatives).map(partsOf))
      yield* new Search(this.#paths, parts, taken, found).run();
    return [...found.values()];
  }
}

class Search {
  readonly #paths: PathCalls;
  readonly #parts: Parts;
  readonly #options: Options;
  readonly #found: Found;
  readonly #seen = new Set<string>();

  constructor(paths: PathCalls, parts: Parts, options: Options, found: Found) {
    this.#paths = paths;
    this.#parts = parts;
    this.#options = options;
    this.#found = found;
  }

  *run(): Steps<void> {
    const isAbsolute = this.#parts[0] === '' && this.#parts.length > 1;
    const first: State = { path: isAbsolute ? ROOT : '.', part: isAbsolute ? 1 : 0, isDeep: false, way: [] };
    const states =
      this.#parts.length === 0 || (this.#parts.length === 1 && isDots(this.#parts[0]!)) ? [] : [first];
    for (let state = states.pop(); state !== undefined; state = states.pop()) {
      const key = `${state.part} ${state.isDeep} ${state.path}`;
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      states.push(...(yield* this.#next(state)).reverse());
    }
  }

  *#next(state: State): Steps<State[]> {
    const { path, part } = state;
    const current = this.#parts[part]!;
    if (this.#options.isExcluded(this.#full(path))) return [];
    if (current === GLOBSTAR) return yield* this.#below(state);
    const isLast = part === this.#parts.length - 1;
    if (current === '') {
      const entry = yield* this.#lookAt(path);
      // A link that was named is as good, wherever it leads, unless it is followed.
      const isNamedLink = entry?.kind === 'link' && !this.#options.followSymlinks;
      if (entry !== undefined && (isNamedLink || (yield* this.#isDirectory(entry, path))))
        yield* this.#add(path);
      return [];
    }
    if (isDots(current)) {
      if (state.isDeep) return [];
      const next = part === 0 && current === '..' ? '../' : posix.join(path, current);
      if (!isLast) return [{ ...state, path: next, part: part + 1 }];
      yield* this.#add(next);
      return [];
    }
    if (!MAGIC.test(current) && !state.isDeep) {
      const next = posix.join(path, current);
      if ((yield* this.#lookAt(next)) === undefined) return [];
      if (isLast) {
        yield* this.#add(next);
        return [];
      }
      const way = this.#isInReach(this.#full(path)) ? yield* this.#wayOn(state) : undefined;
      return way === undefined ? [] : yield* this.#descend(way, next, part + 1);
    }
    const states: State[] = [];
    const { entries, way } = yield* this.#children(state);
    for (const entry of entries) {
      if (!isMatch(entry.name, current) || (state.isDeep && this.#isLeftOut(entry, path))) continue;
      const next = posix.join(path, entry.name);
      if (isLast) yield* this.#add(next);
      else if (yield* this.#isDirectory(entry, next))
        states.push(...(yield* this.#descend(way, next, part + 1)));
    }
    return states;
  }

  /** What `**` finds: nothing at all, and whatever is below. */
  *#below(state: State): Steps<State[]> {
    const { path, part } = state;
    const isLast = part === this.#parts.length - 1;
    // The root of the search is found by this alone, and by what says that it begins there.
    const isFound =
      path !== '.' || this.#parts[0] === '.' || (part === 0 && (yield* this.#lookAt(path)) !== undefined);
    if (isLast && isFound) yield* this.#add(path);
    const states: State[] = isLast ? [] : [{ ...state, part: part + 1, isDeep: true }];
    const { entries, way } = yield* this.#children(state);
    for (const entry of entries) {
      const isNext = !isLast && isMatch(entry.name, this.#parts[part + 1]!);
      if ((entry.name.startsWith('.') && !isNext) || this.#isLeftOut(entry, path)) continue;
      const next = posix.join(path, entry.name);
      const isDirectory = yield* this.#isDirectory(entry, next);
      if (isDirectory) states.push(...(yield* this.#descend(way, next, part)));
      else if (isLast) yield* this.#add(next);
      if (isLast) continue;
      if (isDirectory && this.#parts[part + 1] === '..') states.push(...(yield* this.#up(state)));
      // In what is named like the part that comes next, that part is looked for once more.
      if ((isNext || this.#parts[0] === '.') && (isDirectory || (ENTERS_LINKS && entry.kind === 'link')))
        states.push(...(yield* this.#descend(way, next, part + 1)));
    }
    return states;
  }

  /** To go up from what `**` finds is to be where it was found, and above. */
  *#up({ path, part, way }: State): Steps<State[]> {
    const places = [path, posix.join(path, '..')];
    if (part + 2 < this.#parts.length)
      return places.map((place) => ({ path: place, part: part + 2, isDeep: false, way }));
    for (const place of places) yield* this.#add(place);
    return [];
  }

  /** Goes on at a path, if that is not to be left out. Where Dirents are asked for, Node looks for it from the current directory. */
  *#descend(way: readonly string[], path: string, part: number): Steps<State[]> {
    const { exclude, isExcluded, withFileTypes } = this.#options;
    if (isExcluded(`${this.#full(path)}/`) && (yield* this.#lookAt(path))?.kind === 'directory') return [];
    const entry =
      exclude !== undefined && withFileTypes ? yield* this.#lookAt(posix.resolve(ROOT, path)) : undefined;
    const found = withFileTypes ? entry && direntOf(entry, posix.dirname(posix.resolve(ROOT, path))) : path;
    if (found !== undefined && exclude?.(found)) return [];
    return [{ path, part, isDeep: false, way }];
  }

  #isLeftOut(entry: Entry, parent: string): boolean {
    const { exclude, withFileTypes } = this.#options;
    if (exclude === undefined) return false;
    return Boolean(exclude(withFileTypes ? direntOf(entry, this.#full(parent)) : entry.name));
  }

  #full(path: string): string {
    return posix.resolve(this.#options.root, path);
  }

  /** How many names lead there from the root of the search. */
  #depthOf(full: string): number {
    const path = posix.relative(this.#options.root, full);
    return path === '' ? 0 : path.split('/').length;
  }

  /** Whether it is to be looked into: a pattern from the root on comes through what is above the root of the search. */
  #isInReach(full: string): boolean {
    const { maxDepth, root } = this.#options;
    const isAbove = posix
      .relative(root, full)
      .split('/')
      .every((name) => name === '..');
    return this.#depthOf(full) < maxDepth || (this.#parts[0] === '' && isAbove);
  }

  *#add(path: string): Steps<void> {
    const full = this.#full(path);
    if (this.#found.has(path) || this.#options.isExcluded(full)) return;
    if (this.#depthOf(full) > this.#options.maxDepth) return;
    const { withFileTypes } = this.#options;
    if (!withFileTypes) {
      this.#found.set(path, path);
      return;
    }
    const entry = yield* this.#lookAt(path);
    // For what is not there, as the root of a search, Node has nothing to show.
    this.#found.set(path, entry === undefined ? null : direntOf(entry, posix.dirname(full)));
  }

  *#lookAt(path: string): Steps<Entry | undefined> {
    const full = this.#full(path);
    try {
      return { name: posix.basename(full), kind: (yield* this.#paths.stat(full, false)).kind };
    } catch (error) {
      throwUnlessAbsent(error);
      return undefined;
    }
  }

  /** What is in a directory, and the way on: nothing in what is none, or is too deep, or leads back to where it was come from. */
  *#children(state: State): Steps<Inside> {
    const full = this.#full(state.path);
    if (!this.#isInReach(full)) return NOTHING;
    try {
      const way = yield* this.#wayOn(state);
      return way === undefined ? NOTHING : { entries: yield* this.#paths.scandir(full), way };
    } catch (error) {
      throwUnlessAbsent(error);
      return NOTHING;
    }
  }

  /** The directories on the way, and this one; none where it was met before. They are of interest where links are followed. */
  *#wayOn({ path, way }: State): Steps<readonly string[] | undefined> {
    if (!this.#options.followSymlinks) return way;
    const real = yield* this.#paths.realpath(this.#full(path));
    return way.includes(real) ? undefined : [...way, real];
  }

  *#isDirectory({ kind }: Entry, path: string): Steps<boolean> {
    if (kind !== 'link' || !this.#options.followSymlinks) return kind === 'directory';
    try {
      return (yield* this.#paths.stat(this.#full(path), true)).kind === 'directory';
    } catch (error) {
      throwUnlessAbsent(error);
      return false;
    }
  }
}

/** What cannot be looked at is nothing, to Node; what cannot be looked at any more, or yet, is not that. */
function throwUnlessAbsent(error: unknown): void {
  if (['EDEADLK', 'ENODEV'].includes(codeOf(error) ?? '')) throw error;
}

function isDots(part: string): boolean {
  return part === '.' || part === '..';
}

function isMatch(name: string, part: string): boolean {
  return MAGIC.test(part) ? matchesGlob!(name, part) : name === part;
}

/** @throws What Node has to say about the arguments: it is asked where there is nothing. */
function admitPatterns(pattern: unknown, options: unknown): string[] {
  const patterns = Array.isArray(pattern) ? pattern : [pattern];
  const asked = patterns.map((one) => (typeof one === 'string' ? ANY : one));
  const isPath = (cwd: unknown): boolean => typeof cwd === 'string' || isUrl(cwd);
  const given = options as { readonly cwd?: unknown } | undefined;
  const harmless =
    typeof options === 'object' && options !== null
      ? { ...options, cwd: given!.cwd === undefined || isPath(given!.cwd) ? NOWHERE : given!.cwd }
      : options;
  ask('globSync', [Array.isArray(pattern) ? asked : asked[0], harmless]);
  return patterns as string[];
}

function takenOptions(options: unknown): Options {
  const { cwd, exclude, followSymlinks, maxDepth, withFileTypes } = optionsOf(options);
  const root = posix.resolve(ROOT, textOf(cwd) ?? ROOT);
  const left = Array.isArray(exclude) ? exclude.map((one) => posix.resolve(root, String(one))) : [];
  return {
    root,
    withFileTypes: Boolean(withFileTypes),
    followSymlinks: followSymlinks === true && knows({ followSymlinks: 'no boolean' }),
    maxDepth: typeof maxDepth === 'number' && knows({ maxDepth: -1 }) ? maxDepth : Number.POSITIVE_INFINITY,
    isExcluded: (path) => left.some((one) => matchesGlob!(path, one)),
    exclude: typeof exclude === 'function' ? (exclude as Options['exclude']) : undefined,
  };
}

/** Whether this version of Node looks at an option: one that it knows is refused when it is wrong. */
function knows(wrong: object): boolean {
  try {
    ask('globSync', [ANY, { cwd: NOWHERE, ...wrong }]);
    return false;
  } catch {
    return true;
  }
}

/** A pattern's parts, as the matcher sees them: without what changes nothing. */
function partsOf(pattern: string): Parts {
  const parts: string[] = [];
  // To the matcher of Node a backslash is a slash on every host.
  const all = pattern.replaceAll('\\', '/').split('/');
  for (const [index, part] of all.entries()) {
    const isInner = index > 0 && index < all.length - 1;
    const before = parts.at(-1);
    if (isInner && (part === '' || part === '.')) continue;
    if (part === GLOBSTAR && before === GLOBSTAR) continue;
    if (part === '..' && before !== undefined && !['', '.', '..', GLOBSTAR].includes(before)) parts.pop();
    else parts.push(part);
  }
  if (parts.length === 2 && parts[0] === '.' && ['', '.'].includes(parts[1]!)) parts.pop();
  return parts.every((part) => part === '') ? [] : parts;
}

/** What a pattern's braces stand for, where they hold a list or a range. */
function alternatives(pattern: string): string[] {
  for (let open = pattern.indexOf('{'); open !== -1; open = pattern.indexOf('{', open + 1)) {
    if (pattern[open - 1] === '$') continue;
    const list = listAt(pattern, open);
    if (list === undefined) continue;
    const { end } = list;
    const items = list.items.length === 1 ? range(list.items[0]!) : list.items;
    if (items === undefined) continue;
    const before = pattern.slice(0, open);
    return items.flatMap((item) => alternatives(`${before}${item}${pattern.slice(end)}`));
  }
  return [pattern];
}

/** The items of a list in braces, and where it ends. */
function listAt(pattern: string, open: number): { items: string[]; end: number } | undefined {
  const items: string[] = [];
  let depth = 0;
  let from = open + 1;
  for (let at = open; at < pattern.length; at++) {
    const character = pattern[at];
    if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      items.push(pattern.slice(from, at));
      from = at + 1;
    } else if (character === '}' && --depth === 0)
      return { items: [...items, pattern.slice(from, at)], end: at + 1 };
  }
  return undefined;
}

/** What `1..3` and `a..c` stand for, with a step behind it if there is one. */
function range(text: string): string[] | undefined {
  const [, first, last, by] = RANGE.exec(text) ?? [];
  if (first === undefined || last === undefined) return undefined;
  const isNumeric = /\d/.test(first);
  if (isNumeric !== /\d/.test(last)) return undefined;
  const [from, to] = [first, last].map((one) => (isNumeric ? Number(one) : one.charCodeAt(0))) as [
    number,
    number,
  ];
  const step = Math.max(Math.abs(Number(by ?? 1)), 1) * (from > to ? -1 : 1);
  // One that is written with zeros before it says how long all are.
  const isPadded = isNumeric && [first, last].some((one) => /^-?0\d/.test(one));
  const width = isPadded ? Math.max(first.length, last.length) : 0;
  const items: string[] = [];
  for (let at = from; step > 0 ? at <= to : at >= to; at += step) {
    const digits = String(Math.abs(at));
    const sign = at < 0 ? '-' : '';
    items.push(isNumeric ? sign + digits.padStart(width - sign.length, '0') : String.fromCharCode(at));
  }
  return items;
}
