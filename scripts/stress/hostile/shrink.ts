/** Makes a program that finds something as small as can be, each trial in a process of its own. */
import type fc from 'fast-check';
import type { Program } from './program.ts';

/** Halves, quarters and so on of a program left out, as long as it still fails: most of it goes in few trials. */
async function withoutChunks(
  program: Program,
  fails: (program: Program) => Promise<boolean>,
  isLate: () => boolean,
): Promise<Program> {
  let current = program;
  for (let chunk = current.length >> 1; chunk >= 1; chunk >>= 1) {
    for (let at = 0; at < current.length && !isLate(); ) {
      const candidate = [...current.slice(0, at), ...current.slice(at + chunk)];
      if (candidate.length > 0 && (await fails(candidate))) current = candidate;
      else at += chunk;
    }
  }
  return current;
}

/** Properties that a step is simpler without. */
const OPTIONAL = new Set(['cursor', 'asked', 'changes', 'lie', 'signal', 'signalLie', 'nowait', 'context']);
const LISTS = new Set(['body', 'views', 'requests', 'asked']);

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** The same with one thing less: a property that may be left out, or an element of a list. */
function* simpler(value: Json, name = ''): Generator<Json> {
  if (Array.isArray(value)) {
    const list = value as readonly Json[];
    if (LISTS.has(name) && list.length > 1)
      for (let at = 0; at < list.length; at++) yield [...list.slice(0, at), ...list.slice(at + 1)];
    for (const [at, element] of list.entries())
      for (const one of simpler(element)) yield [...list.slice(0, at), one, ...list.slice(at + 1)];
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const object = value as { readonly [name: string]: Json };
  for (const [key, inner] of Object.entries(object)) {
    if (
      OPTIONAL.has(key) &&
      !(key === 'context' && object.do !== 'open') &&
      !(key === 'signal' && 'do' in object)
    ) {
      const { [key]: _, ...rest } = object;
      yield rest;
    }
    for (const one of simpler(inner, key)) yield { ...object, [key]: one };
  }
}

/** Steps that run in the middle of others. */
function* bodiesOf(value: Json): Generator<readonly Json[]> {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    if ((name === 'asked' || name === 'body') && Array.isArray(inner)) yield inner as readonly Json[];
    else yield* bodiesOf(inner as Json);
  }
}

/** The same with what runs in the middle of a step in its place. */
function* unfolded(program: Program): Generator<Program> {
  for (const [at, step] of program.entries())
    for (const body of bodiesOf(step as unknown as Json))
      yield [...program.slice(0, at), ...(body as unknown as Program), ...program.slice(at + 1)];
}

async function withoutParts(
  program: Program,
  fails: (program: Program) => Promise<boolean>,
  isLate: () => boolean,
): Promise<Program> {
  let current = program;
  for (let progress = true; progress && !isLate(); ) {
    progress = false;
    for (const candidate of [
      ...unfolded(current),
      ...(simpler(current as unknown as Json) as Iterable<unknown>),
    ]) {
      if (isLate()) break;
      if (!(await fails(candidate as Program))) continue;
      current = candidate as Program;
      progress = true;
      break;
    }
  }
  return current;
}

/** Properties that a program which was written down has lost, because they were undefined: fast-check knows its own by them. */
const LOST: readonly {
  readonly isIn: (object: object, name: string) => boolean;
  readonly names: readonly string[];
}[] = [
  { isIn: (object) => 'type' in object && 'at' in object, names: ['lie', 'asked'] },
  { isIn: (object) => 'target' in object, names: ['asked', 'changes'] },
  { isIn: (_, name) => name === 'extras', names: ['signal', 'signalLie', 'nowait', 'asked', 'changes'] },
  { isIn: (object) => 'do' in object && ('views' in object || 'requests' in object), names: ['lie'] },
  { isIn: (object) => 'opening' in object, names: ['context'] },
  { isIn: (object) => 'do' in object && 'file' in object && 'view' in object, names: ['cursor'] },
];

function restored(value: unknown, name = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => restored(one));
  if (typeof value !== 'object' || value === null) return value;
  const lost = LOST.filter(({ isIn }) => isIn(value, name)).flatMap(({ names }) => names);
  const inner = Object.entries(value).map(([key, one]) => [key, restored(one, key)] as const);
  const missing = lost.filter((one) => !(one in value)).map((one) => [one, undefined] as const);
  return Object.fromEntries<unknown>([...inner, ...missing]);
}

/** fast-check's own: simpler steps, smaller numbers, shorter bodies. */
async function simplest(
  program: Program,
  arbitrary: fc.Arbitrary<Program>,
  fails: (program: Program) => Promise<boolean>,
  isLate: () => boolean,
): Promise<Program> {
  let current = restored(program) as Program;
  for (let progress = true; progress && !isLate() && arbitrary.canShrinkWithoutContext(current); ) {
    progress = false;
    for (const { value } of arbitrary.shrink(current, undefined)) {
      if (isLate()) break;
      if (!(await fails(value))) continue;
      current = value;
      progress = true;
      break;
    }
  }
  return current;
}

function written(program: Program): string {
  return JSON.stringify(program);
}

/**
 * The smallest program that was found in the time given.
 *
 * @param fails - Whether a program finds the same.
 */
export async function shrunk(
  program: Program,
  arbitrary: fc.Arbitrary<Program>,
  fails: (program: Program) => Promise<boolean>,
  seconds: number,
): Promise<Program> {
  const until = Date.now() + seconds * 1000;
  const isLate = (): boolean => Date.now() > until;
  let current = JSON.parse(written(program)) as Program;
  for (let before = ''; before !== written(current) && !isLate(); ) {
    before = written(current);
    current = await withoutChunks(current, fails, isLate);
    current = await withoutParts(current, fails, isLate);
    current = await simplest(current, arbitrary, fails, isLate);
    current = JSON.parse(written(current)) as Program;
  }
  return current;
}
