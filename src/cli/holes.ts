/**
 * Which parts of a block hold something.
 *
 * `node:fs` cannot ask where the holes of a file are (SEEK_HOLE), and reads them as zeros. What is all zeros need not be written into a
 * file that has nothing there: it reads the same.
 */

/** What file systems give room by. */
const UNIT_BYTES = 4096;
const ZEROS = Buffer.alloc(UNIT_BYTES);

export interface Run {
  readonly start: number;
  readonly end: number;
}

/** Whether a file has less room on its device than its size takes. @param blocks - Of 512 bytes, as stat(2) counts. */
export function isSparse({ size, blocks }: { readonly size: bigint; readonly blocks: bigint }): boolean {
  return blocks * 512n < size;
}

/** The stretches of `block` that are not zeros, in whole units but for the last. */
export function dataRuns(block: Uint8Array): Run[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const runs: Run[] = [];
  let start: number | undefined;
  for (let at = 0; at < bytes.length; at += UNIT_BYTES) {
    const unit = bytes.subarray(at, at + UNIT_BYTES);
    const empty = unit.equals(unit.length === UNIT_BYTES ? ZEROS : ZEROS.subarray(0, unit.length));
    if (!empty) start ??= at;
    else if (start !== undefined) {
      runs.push({ start, end: at });
      start = undefined;
    }
  }
  if (start !== undefined) runs.push({ start, end: bytes.length });
  return runs;
}
