/** As many loops of `await` as transfers may be under way: how users write it. */
import type { Phase } from '../phase.ts';

/**
 * @param transfer - Moves one block.
 * @param moved - The bytes moved, by what `transfer` resolved with. Apart from it, because an `async` function around
 * each call of an engine would be measured with the engine.
 */
export async function runLanes<T>(
  phase: Phase,
  blocks: readonly Buffer[],
  transfer: (block: Buffer, position: number) => Promise<T>,
  moved: (answer: T) => number,
): Promise<void> {
  const lane = async (index: number): Promise<void> => {
    const block = blocks[index]!;
    for (;;) {
      const position = phase.take(index, block);
      if (position < 0) return;
      phase.end(index, block, moved(await transfer(block, position)));
    }
  };
  // All, also when one fails: the blocks are in use until the last has ended.
  const outcomes = await Promise.allSettled(blocks.map((_, index) => lane(index)));
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
