/** A finding in words: what was seen, and the operations around it. */
import { type Change, describe, describeLook, type Finding, type History } from './history.ts';

const MOST_LINES = 24;
/** Blocks and pages around are of interest: what is lost is lost by their being written whole. */
const AROUND_BYTES = 4096;

export function report({ kind, what, look, from, to, involved }: Finding, { changes }: History): string {
  const lines = [`${kind}: ${from === to ? `at ${from}` : `bytes ${from}-${to} (${to - from})`}: ${what}`];
  if (kind === 'refused' || kind === 'stuck') return `${kind}: ${what}`;
  if (look !== undefined) lines.push(`  seen by ${describeLook(look)}`);
  const near = [...new Set([...involved, ...changes.filter((change) => isNear(change, from, to))])]
    .filter(({ begin }) => look === undefined || begin < look.end)
    .sort((a, b) => a.begin - b.begin);
  // The first of what is involved tells most: what came long before it does not matter.
  const earliest = Math.min(...involved.map(({ begin }) => begin));
  // What is involved is told whatever there is besides it.
  const others = near.filter((change) => !involved.includes(change) && change.end >= earliest);
  const room = Math.max(0, MOST_LINES - involved.length);
  const shown = new Set(others.slice(0, room));
  const told = near.filter((change) => involved.includes(change) || shown.has(change));
  for (const change of told) lines.push(`  ${involved.includes(change) ? '>' : ' '} ${describe(change)}`);
  if (near.length > told.length) lines.push(`    and ${near.length - told.length} others`);
  return lines.join('\n');
}

function isNear(change: Change, from: number, to: number): boolean {
  switch (change.kind) {
    case 'write':
      return change.from < to + AROUND_BYTES && change.to > from - AROUND_BYTES;
    case 'truncate':
      return change.size < to + AROUND_BYTES;
    case 'append':
      return true;
  }
}
