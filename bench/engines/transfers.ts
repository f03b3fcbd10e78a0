/** Transfers of a FileHandle, or of what has its methods. */
import { isMixed, isWrite, mixWrites } from '../job.ts';
import type { Phase } from '../phase.ts';
import type { Session, Work } from './engine.ts';
import { runLanes } from './lanes.ts';

interface Transferring {
  read(
    block: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
  write(
    block: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesWritten: number }>;
}

export function transfersOf(file: Transferring, work: Work): Session['run'] {
  const { blocks, blockSize } = work;
  if (isMixed(work))
    return (phase: Phase) =>
      runLanes<{ readonly bytesRead: number } | { readonly bytesWritten: number }>(
        phase,
        blocks,
        (block, position) =>
          mixWrites(position / blockSize)
            ? file.write(block, 0, blockSize, position)
            : file.read(block, 0, blockSize, position),
        (answer) => ('bytesRead' in answer ? answer.bytesRead : answer.bytesWritten),
      );
  if (isWrite(work))
    return (phase: Phase) =>
      runLanes(
        phase,
        blocks,
        (block, position) => file.write(block, 0, blockSize, position),
        ({ bytesWritten }) => bytesWritten,
      );
  return (phase: Phase) =>
    runLanes(
      phase,
      blocks,
      (block, position) => file.read(block, 0, blockSize, position),
      ({ bytesRead }) => bytesRead,
    );
}
