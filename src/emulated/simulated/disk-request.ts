/** What is asked of the disk, and through what. */
import type { Inode } from './inode.ts';

/** What an operation needs to know of the descriptor that it comes through. */
export interface Opened {
  readonly inode: Inode;
  readonly path: string;
  readonly direct: boolean;
  readonly append: boolean;
}

/** What a write does beyond writing. */
export type WriteSync = 'none' | 'data' | 'all';

/** What fallocate(2) is asked for. */
export type Room =
  | {
      readonly kind: 'allocate';
      readonly position: number;
      readonly length: number;
      readonly keepSize: boolean;
    }
  | { readonly kind: 'punch'; readonly position: number; readonly length: number };

/** Receives a count or a negative errno, never from inside the call that asked. */
export type Done = (result: number) => void;
