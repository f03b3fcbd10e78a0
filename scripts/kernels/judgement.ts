/** What a conformance suite said that ran elsewhere, and whether that is good. */
import type { Report } from '../../test/conformance/index.ts';

/** Says how a report is, and each case that failed. @returns Whether nothing did. */
export function isGood(where: string, text: string, seconds: number): boolean {
  if (!text.startsWith('{')) {
    console.error(`${where}: no report\n${text}`);
    return false;
  }
  const { kernel, passed, failed, unsupported, broken, cases } = JSON.parse(text) as Report;
  for (const { id, rule, outcome, detail } of cases)
    if (outcome === 'failed' || outcome === 'broken') console.error(`${outcome} ${id} (${rule}): ${detail}`);
  console.log(
    `${where}: ${kernel}: ${passed} passed, ${failed} failed, ${unsupported} unsupported here, ${broken} broken; ${seconds} s`,
  );
  return failed === 0 && broken === 0;
}
