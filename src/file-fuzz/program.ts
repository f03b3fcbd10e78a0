/** Programs over files, as data: what the fuzzer makes up, shrinks, prints, and runs on each side. */
import type { Value as Data } from '../fuzz/value.ts';

/** Where a program's files are. Each side has its own of each, alike. */
export const PLACES = [
  'text',
  'data',
  'empty',
  'missing',
  'directory',
  'fifo',
  'null',
  'zero',
  'full',
  'version',
  'small',
] as const;
export type PlaceName = (typeof PLACES)[number];

/** An argument. */
export type Value = Data<Made>;

export type BytesKind =
  | 'Buffer'
  | 'Uint8Array'
  | 'Uint16Array'
  | 'Float64Array'
  | 'DataView'
  | 'ArrayBuffer'
  | 'SharedArrayBuffer';

/** Marked by `$`. */
export type Made =
  /** Memory with a pattern that `fill` begins. */
  | { readonly $: 'bytes'; readonly length: number; readonly as?: BytesKind; readonly fill?: number }
  /** Text that is too long to be printed. */
  | { readonly $: 'text'; readonly length: number; readonly fill?: string }
  | {
      readonly $: 'iterable' | 'async-iterable' | 'readable';
      readonly items: readonly Value[];
      /** Before the item of this number is handed out, the signal with `signal: 'later'` is aborted. */
      readonly abortAt?: number;
      /** Before the item of this number is handed out, it throws. */
      readonly throwAt?: number;
    }
  /** Aborted already, or by a step. */
  | { readonly $: 'signal'; readonly state: 'aborted' | 'later' }
  | { readonly $: 'date'; readonly ms: number }
  | { readonly $: 'function' }
  | { readonly $: 'symbol' };

export const METHODS = [
  'read',
  'write',
  'readv',
  'writev',
  'readFile',
  'writeFile',
  'appendFile',
  'stat',
  'truncate',
  'utimes',
  'chmod',
  'chown',
  'sync',
  'datasync',
] as const;
export type Method = (typeof METHODS)[number];

/** What happens to a read stream, inside its events. */
export interface ReadPlan {
  /** How it is read: by 'data' or 'readable' events, as an iterable, or not at all. */
  readonly by: 'data' | 'readable' | 'iterate' | 'nothing';
  /** `stop` comes at the chunk of this number, counted from 1. Without one it is read to its end. */
  readonly at?: number;
  readonly stop?: 'pause' | 'destroy' | 'fail' | 'close-file' | 'break';
}

/** What happens to a write stream. */
export interface WritePlan {
  readonly chunks: readonly Value[];
  /** Each chunk waits for the one before it. */
  readonly oneByOne?: boolean;
  /** After the last chunk; with `'nothing'` it is abandoned. */
  readonly last: 'end' | 'destroy' | 'fail' | 'close-file' | 'close' | 'nothing';
}

/** What a step can do to a stream that another has begun. */
export const ACTS = ['resume', 'pause', 'read', 'destroy', 'fail', 'close', 'end', 'write', 'wait'] as const;
export type Act = (typeof ACTS)[number];

/** What of the host's own takes a file: by the object, or by its number at the position that the kernel keeps. */
export const HOST_CALLS = [
  'readFile(file)',
  'writeFile(file)',
  'appendFile(file)',
  'createReadStream(fd: file)',
  'createWriteStream(fd: file)',
  'readSync(number)',
  'writeSync(number)',
  'read(number)',
] as const;
export type HostCall = (typeof HOST_CALLS)[number];

/** A step; with `wait: false` the next one begins at once. */
export type Step =
  | {
      readonly op: 'open';
      readonly slot: number;
      readonly place: PlaceName;
      readonly flags?: Value;
      readonly mode?: Value;
    }
  | {
      readonly op: 'call';
      readonly slot: number;
      readonly method: Method;
      readonly args: readonly Value[];
      readonly wait?: false;
    }
  | { readonly op: 'close' | 'dispose'; readonly slot: number; readonly wait?: false }
  | { readonly op: 'host'; readonly slot: number; readonly call: HostCall; readonly length: number }
  | {
      readonly op: 'read-stream';
      readonly slot: number;
      readonly stream: number;
      readonly options?: Value;
      readonly plan: ReadPlan;
      readonly wait?: false;
    }
  | {
      readonly op: 'write-stream';
      readonly slot: number;
      readonly stream: number;
      readonly options?: Value;
      readonly plan: WritePlan;
      readonly wait?: false;
    }
  | { readonly op: 'act'; readonly stream: number; readonly act: Act; readonly wait?: false }
  | {
      readonly op: 'lines';
      readonly slot: number;
      readonly options?: Value;
      /** `break` after as many lines. */
      readonly most?: number;
      readonly wait?: false;
    }
  | {
      readonly op: 'web-stream';
      readonly slot: number;
      readonly options?: Value;
      readonly reader: 'default' | 'byob' | 'iterate';
      /** Chunks to read. */
      readonly reads: number;
      readonly last: 'cancel' | 'release' | 'close-file' | 'nothing';
      readonly wait?: false;
    }
  /** Aborts the signal with `state: 'later'`. */
  | { readonly op: 'abort' }
  /** Waits for all that was not waited for. */
  | { readonly op: 'settle' };

/** What the process that runs a program is like: `limited` has a limit on the sizes of files. */
export type Surroundings = 'plain' | 'limited';

export interface FileProgram {
  readonly surroundings?: Surroundings;
  readonly steps: readonly Step[];
}

export const SIDES = ['FileHandle', 'native', 'emulated'] as const;
/** FileHandles of another speed. */
export const PACES = ['slow FileHandle', 'quick FileHandle'] as const;
export type Pace = (typeof PACES)[number];
export type SideName = (typeof SIDES)[number] | Pace;

/** Something that a side showed. */
export interface Item {
  /** The number of the step, or the end of the program. */
  readonly step: number | 'end';
  readonly what: string;
  readonly value: string;
}

/** All that a program did on one side. */
export interface Run {
  readonly items: readonly Item[];
  /** What it left behind cannot be taken back: the process should be replaced. */
  readonly stained: boolean;
}

/** The first thing that is not alike. */
export interface FileDifference {
  readonly step: number | 'end';
  readonly what: string;
  readonly side: SideName;
  readonly fileHandle: string;
  readonly other: string;
}
