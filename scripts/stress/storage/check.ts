/** Whether some order of the operations explains everything that was seen of a file. */
import { AppendModel } from './append-model.ts';
import { ByteModel } from './byte-model.ts';
import type { Finding, History, Look } from './history.ts';
import { possibleSizes, sizeFault } from './size-model.ts';

/** Findings of one look that are told. */
const MOST = 3;

/**
 * What no order explains. Preconditions: where there are appends, all other writes stay below the file's initial size, no truncate goes below
 * it, and the last look is one at the whole file after everything.
 */
export function findingsOf(history: History): Finding[] {
  const findings: Finding[] = [];
  const hasAppends = history.changes.some(({ kind }) => kind === 'append');
  const bytes = new ByteModel(history, hasAppends ? history.initialSize : Number.POSITIVE_INFINITY);
  let appends: AppendModel | undefined;
  if (hasAppends) {
    appends = new AppendModel(history, history.looks.at(-1)!);
    const fault = appends.fault();
    if (fault !== undefined) {
      findings.push(fault);
      appends = undefined;
    }
  }
  const lastEnd = history.changes.reduce(
    (last, { end }) => (end === Number.POSITIVE_INFINITY ? last : Math.max(last, end)),
    -1,
  );
  let settled: Look | undefined;
  for (const look of history.looks) {
    // When everything is over all have to see the same, and once is enough.
    if (look.bytes.length > 0 && look.begin > lastEnd && look.extent === 'to the end') {
      if (settled !== undefined && isSame(settled, look)) continue;
      settled = look;
    }
    if (look.bytes.length > 0) findings.push(...bytes.faults(look, MOST));
    if (appends !== undefined) {
      const fault = appends.lookFault(look);
      if (fault !== undefined) findings.push(fault);
    }
    if (hasAppends) continue;
    const what = sizeFault(possibleSizes(history.initialSize, history.changes, look), look);
    if (what === undefined) continue;
    const place = look.size ?? look.from + look.bytes.length;
    const involved = history.changes.filter((change) => change.kind === 'truncate' || isNear(change, place));
    findings.push({ kind: 'size', what, look, from: place, to: place, involved });
  }
  return findings;
}

function isNear(change: History['changes'][number], place: number): boolean {
  return change.kind === 'write' && change.to >= place - 4096;
}

function isSame(one: Look, other: Look): boolean {
  return one.from === other.from && Buffer.compare(one.bytes, other.bytes) === 0;
}
