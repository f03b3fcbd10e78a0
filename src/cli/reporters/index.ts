/** The reporters of `kaio conformance`, by name. */
import type { Selection } from '../../../test/conformance/index.ts';
import { htmlReporter } from './html.ts';
import { jsonReporter } from './json.ts';
import { junitReporter } from './junit.ts';
import type { Reporter } from './report.ts';
import { tableReporter } from './table.ts';
import { tapReporter } from './tap.ts';

export const REPORTERS = ['table', 'tap', 'junit', 'json', 'html'] as const;
export type ReporterName = (typeof REPORTERS)[number];

const MAKE: Readonly<
  Record<ReporterName, (print: (text: string) => void, selection: Selection) => Reporter>
> = { table: tableReporter, tap: tapReporter, junit: junitReporter, json: jsonReporter, html: htmlReporter };

/** @param selection - Which cases will run: TAP says beforehand how many. */
export function reporter(name: ReporterName, selection: Selection): Reporter {
  return MAKE[name]((text) => console.log(text), selection);
}
