/** One JSON object: for programs. */
import type { Reporter } from './report.ts';

export function jsonReporter(print: (text: string) => void): Reporter {
  return {
    onEnd: (report) => print(JSON.stringify(report, undefined, 2)),
    onBroken: (reason) => print(JSON.stringify({ environmentBroken: reason }, undefined, 2)),
  };
}
