/** What runs of one program on several sides do not have alike. */
import { DECIDED, type Decided } from './decided.ts';
import type { FileDifference, FileProgram, Item, Run, SideName } from './program.ts';
import type { Feature } from './scope.ts';

export interface Compared {
  readonly difference: FileDifference | undefined;
  /** The decided divergences that showed. */
  readonly decided: readonly Decided[];
}

export const NODE_MAJOR = Number.parseInt(process.versions.node, 10);

export interface CompareOptions {
  readonly without?: readonly Feature[];
  readonly decisions?: readonly Decided[];
}

function keyOf({ step, what }: Item): string {
  return `${step} ${what}`;
}

const MISSING = 'nothing';

/** All that differs, in order. */
export function* differencesOf(fileHandle: Run, other: Run, side: SideName): Generator<FileDifference> {
  const theirs = new Map(other.items.map((item) => [keyOf(item), item.value]));
  const seen = new Set<string>();
  for (const item of fileHandle.items) {
    const key = keyOf(item);
    // A stream closes its file twice in some programs: the first one stands for both.
    if (seen.has(key)) continue;
    seen.add(key);
    const value = theirs.get(key) ?? MISSING;
    if (value !== item.value)
      yield { step: item.step, what: item.what, side, fileHandle: item.value, other: value };
  }
  for (const { step, what, value } of other.items)
    if (!seen.has(`${step} ${what}`)) yield { step, what, side, fileHandle: MISSING, other: value };
}

/** The first difference that is not decided. */
export function compare(
  program: FileProgram,
  fileHandle: Run,
  other: Run,
  side: SideName,
  { without = [], decisions = DECIDED }: CompareOptions = {},
): Compared {
  const decided: Decided[] = [];
  const ignoresPosition = without.includes('host-position');
  for (const difference of differencesOf(fileHandle, other, side)) {
    if (ignoresPosition && difference.what.startsWith('the position')) continue;
    const found = decisions.find(
      ({ on, matches }) => (on === undefined || on(NODE_MAJOR)) && matches(difference, program, fileHandle),
    );
    if (found === undefined) return { difference, decided };
    decided.push(found);
    // What comes after it follows from it.
    if (found.carries === true) break;
  }
  return { difference: undefined, decided };
}
