/** Programs over a file system, as data: what the fuzzer makes up, shrinks, prints, and runs on `node:fs` and on the simulated one. */
import type { Value as Data } from '../fuzz/value.ts';

/** An argument. */
export type Value = Data<Made>;

/** Marked by `$`. */
export type Made =
  /** A path below the program's folder, or that folder. */
  | { readonly $: 'path'; readonly text: string; readonly as?: 'Buffer' | 'URL' }
  | {
      readonly $: 'bytes';
      readonly length: number;
      readonly as?: 'Uint16Array' | 'DataView';
      readonly fill?: number;
    }
  | { readonly $: 'text'; readonly length: number }
  /** A descriptor that a step has opened, or one that nobody has. */
  | { readonly $: 'fd'; readonly slot: number }
  | { readonly $: 'iterable' | 'async-iterable'; readonly items: readonly Value[] }
  | { readonly $: 'signal'; readonly aborted: boolean }
  | { readonly $: 'date'; readonly ms: number }
  /** For `cp`: passes what has no such letter in its last name. */
  | { readonly $: 'filter'; readonly without: string; readonly later?: boolean }
  /** For `glob`: what has that name. */
  | { readonly $: 'excluded'; readonly name: string }
  | { readonly $: 'symbol' };

export const FACES = ['sync', 'callback', 'promise'] as const;
export type Face = (typeof FACES)[number];

export type Step =
  | {
      readonly op: 'call';
      readonly face: Face;
      /** As callbacks have it: `readFile`. */
      readonly name: string;
      readonly args: readonly Value[];
      /** Where a descriptor goes that it opens. */
      readonly slot?: number;
    }
  /** A FileHandle, of `promises.open`. */
  | { readonly op: 'open'; readonly slot: number; readonly args: readonly Value[] }
  | { readonly op: 'method'; readonly slot: number; readonly name: string; readonly args: readonly Value[] }
  | { readonly op: 'read-stream'; readonly path: Value; readonly options: Value }
  | {
      readonly op: 'write-stream';
      readonly path: Value;
      readonly options: Value;
      readonly chunks: readonly Value[];
    };

export interface FsProgram {
  readonly steps: readonly Step[];
}

export const SLOTS = 3;

/** Something that a side showed. */
export interface Item {
  readonly step: number | 'end';
  readonly what: string;
  readonly value: string;
}

/** The first thing that is not alike. */
export interface FsDifference {
  readonly step: number | 'end';
  readonly what: string;
  readonly node: string;
  readonly simulated: string;
}
