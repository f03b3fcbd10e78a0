/** A hostile program as data: a list of steps, each of which is one operation. */

export const MEMORY_KINDS = [
  'plain',
  'aligned',
  'wasm',
  'shared',
  'wasm-shared',
  'resizable',
  'growable',
  'pooled',
] as const;
/** Where the bytes of a view lie. */
export type MemoryKind = (typeof MEMORY_KINDS)[number];

export const VIEW_TYPES = ['Uint8Array', 'Buffer', 'DataView', 'Float64Array', 'BigUint64Array'] as const;
export type ViewType = (typeof VIEW_TYPES)[number];

export const LIES = [
  'own byteLength, longer',
  'own byteLength, shorter',
  'own length',
  'own byteOffset',
  'own buffer',
  'subclass',
  'byteLength changes',
  'byteOffset changes',
  'no prototype',
  "another's prototype",
  'species',
  'proxy',
] as const;
/** What a view says of itself that is not so. */
export type Lie = (typeof LIES)[number];

/** Steps that run when somebody asks for something. */
export type Body = readonly Step[];

/** A part of a memory. What does not fit is made to: every number means something. */
export interface ViewShape {
  readonly memory: number;
  /** In sectors. */
  readonly at: number;
  readonly bytes: number;
  readonly type: ViewType;
  readonly lie?: Lie | undefined;
  /** Runs when its `byteLength` is asked for. */
  readonly asked?: Body | undefined;
}

export const TARGETS = [
  'buffered',
  'direct',
  'handle',
  'written',
  'written direct',
  'file',
  'own',
  'installed',
  'pipe',
  'no file',
] as const;
/** What a request is on. */
export type Target = (typeof TARGETS)[number];

export interface Place {
  readonly target: Target;
  /** Which of those of that kind. */
  readonly index: number;
  /** In pages. */
  readonly page: number;
  /** Runs when `fd` is asked for, of an object that carries it. */
  readonly asked?: Body | undefined;
  /** The object's `fd` is another from the second question on. */
  readonly changes?: boolean | undefined;
}

export const SIGNAL_LIES = ['own aborted', 'own addEventListener', 'own reason', 'no slots'] as const;
export type SignalLie = (typeof SIGNAL_LIES)[number];

export interface Extras {
  /** Index of a signal. */
  readonly signal?: number | undefined;
  readonly signalLie?: SignalLie | undefined;
  readonly nowait?: boolean | undefined;
  /** Runs when `signal` is asked for, or, with `nowait`, `rw_flags`. */
  readonly asked?: Body | undefined;
  /** Every option is nonsense from the second question on. */
  readonly changes?: boolean | undefined;
}

export const VECTOR_LIES = ['hole', 'length changes', 'own map', 'element changes', 'proxy'] as const;
export type VectorLie = (typeof VECTOR_LIES)[number];

export const HANDOVERS = ['structuredClone', 'postMessage', 'transfer', 'transferToFixedLength'] as const;
export type Handover = (typeof HANDOVERS)[number];

export const CHANNELS = [
  'kaio:submit',
  'kaio:complete',
  'kaio:threadpool',
  'kaio:context:open',
  'kaio:context:close',
] as const;
export type Channel = (typeof CHANNELS)[number];

export const WAITS = ['microtask', 'tick', 'immediate', 'millisecond', 'settled'] as const;
export type Wait = (typeof WAITS)[number];

export const STREAMS = ['read', 'read, destroyed', 'write', 'web', 'web, cancelled', 'lines, left'] as const;
export type Stream = (typeof STREAMS)[number];

export const ANSWERS = [
  'now',
  'later',
  'promise',
  'retry',
  'advance',
  'too many',
  'nonsense',
  'throws',
  'rejects',
  'twice',
] as const;
/** How an installed file answers. */
export type Answer = (typeof ANSWERS)[number];

export const OPENINGS = ['buffered', 'direct', 'written', 'written direct', 'widened'] as const;
export type Opening = (typeof OPENINGS)[number];

export type Step =
  | { readonly do: 'memory'; readonly memory: number; readonly kind: MemoryKind; readonly sectors: number }
  | {
      readonly do: 'read' | 'write';
      readonly context: number;
      readonly place: Place;
      readonly view: ViewShape;
      readonly extras: Extras;
    }
  | {
      readonly do: 'readv' | 'writev';
      readonly context: number;
      readonly place: Place;
      readonly views: readonly ViewShape[];
      readonly lie?: VectorLie | undefined;
      readonly extras: Extras;
    }
  | {
      readonly do: 'submit';
      readonly context: number;
      readonly requests: readonly {
        readonly write: boolean;
        readonly place: Place;
        readonly view: ViewShape;
        readonly extras: Extras;
      }[];
      readonly lie?: VectorLie | undefined;
    }
  | { readonly do: 'sync'; readonly context: number; readonly place: Place; readonly data: boolean }
  | { readonly do: 'poll'; readonly context: number; readonly event: number; readonly extras: Extras }
  | { readonly do: 'wake'; readonly event: number }
  | { readonly do: 'hand over'; readonly memory: number; readonly how: Handover }
  | { readonly do: 'resize'; readonly memory: number; readonly sectors: number }
  | { readonly do: 'abort'; readonly signal: number }
  | { readonly do: 'on abort'; readonly signal: number; readonly body: Body }
  | {
      readonly do: 'context';
      readonly queueDepth: number;
      readonly submitThread: boolean | number | 'auto';
      readonly busyPoll: boolean;
    }
  | { readonly do: 'close context' | 'drop context' | 'close shared context' }
  | { readonly do: 'drain'; readonly context: number }
  | {
      readonly do: 'open';
      readonly file: number;
      readonly opening: Opening;
      readonly context?: number | undefined;
    }
  | { readonly do: 'adopt'; readonly file: number; readonly own: number }
  | {
      readonly do: 'file read' | 'file write' | 'file readFully' | 'file writeFully';
      readonly file: number;
      readonly page: number;
      /** A read goes on from the cursor, which is the descriptor's own where that was adopted. */
      readonly cursor?: boolean | undefined;
      readonly view: ViewShape;
      readonly extras: Extras;
    }
  | {
      readonly do: 'file readv' | 'file writev';
      readonly file: number;
      readonly page: number;
      readonly views: readonly ViewShape[];
      readonly lie?: VectorLie | undefined;
    }
  | {
      readonly do: 'file readFile' | 'file sync' | 'file stat' | 'close file' | 'drop file';
      readonly file: number;
    }
  | { readonly do: 'stream'; readonly file: number; readonly stream: Stream }
  | {
      readonly do: 'descriptor';
      readonly own: number;
      readonly writable: boolean;
      readonly direct: boolean;
      /** As a FileHandle of `node:fs/promises`. */
      readonly handle: boolean;
    }
  | { readonly do: 'close descriptor' | 'reuse descriptor'; readonly own: number }
  | { readonly do: 'exhaust descriptors'; readonly leave: number; readonly body: Body }
  | { readonly do: 'install'; readonly file: number; readonly answer: Answer; readonly body: Body }
  | { readonly do: 'answer'; readonly file: number }
  | { readonly do: 'feed pipe'; readonly bytes: number }
  | { readonly do: 'subscribe'; readonly channel: Channel; readonly body: Body }
  | { readonly do: 'promise hook'; readonly after: number; readonly body: Body }
  | { readonly do: 'give back'; readonly memory: number }
  | { readonly do: 'wait'; readonly how: Wait }
  | { readonly do: 'collect garbage' };

export type Program = readonly Step[];
