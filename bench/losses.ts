/** Where kaio is behind Node's own, out of the rows of a report: what a reader should know before all else. */
import { type Case, caseTitle, type EngineName, NODE_ENGINES } from './job.ts';
import { type Row, ratios } from './report.ts';
import { median } from './statistics.ts';

const PEERS: readonly EngineName[] = ['fs.promises', 'fs.callbacks'];
const OURS: readonly EngineName[] = NODE_ENGINES.filter((one) => one !== 'calls' && !one.startsWith('fs.'));

export interface Loss {
  readonly case: Case;
  readonly engine: EngineName;
  readonly peer: EngineName;
  readonly measure: 'rate' | '99th percentile';
  /** The peer's by kaio's where less is better, and the other way round: below 1. */
  readonly part: number;
}

/** The worst first. */
export function lossesOf(rows: readonly Row[]): Loss[] {
  const losses: Loss[] = [];
  for (const ours of rows) {
    if (!OURS.includes(ours.engine)) continue;
    for (const theirs of rows) {
      if (!PEERS.includes(theirs.engine) || caseTitle(theirs) !== caseTitle(ours)) continue;
      const { engine, rw, mode, blockSize, queueDepth } = ours;
      const about = { case: { rw, mode, blockSize, queueDepth }, engine, peer: theirs.engine };
      const rates = ratios(ours.iopsByRound, theirs.iopsByRound);
      if (rates.length > 0) losses.push({ ...about, measure: 'rate', part: median(rates) });
      if (ours.p99Us !== null && theirs.p99Us !== null && ours.p99Us > 0)
        losses.push({ ...about, measure: '99th percentile', part: theirs.p99Us / ours.p99Us });
    }
  }
  return losses.filter(({ part }) => part < 1).sort((a, b) => a.part - b.part);
}
