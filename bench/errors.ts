/** Reading what was thrown. */

export { codeOf } from '../src/common/errors.ts';

/** The first line, for people. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
}
