/** Programs for the kernel of 2007, made up by a seed. */
import { Random } from '../../../src/fuzz/random.ts';

/** What one call of a file's method does. */
export interface Act {
  readonly kind: 'now' | 'retry' | 'queue' | 'early';
  readonly count: number;
  readonly tooMuch: boolean;
  readonly advance: number;
  /** Kicks of its own request. */
  readonly kicks: number;
  readonly other: number;
  readonly toOther: 'kick' | 'complete' | undefined;
}

export interface Script {
  readonly stream: boolean;
  readonly methods: readonly ('read' | 'write' | 'fsync')[];
  readonly acts: readonly Act[];
  readonly cancels: readonly { readonly lets: boolean; readonly says: number | undefined }[] | undefined;
}

export type Place = 'good' | 'half' | 'read-only' | 'unmapped' | 'kernel';

export interface Transfer {
  /** Which of the iocbs in memory is written anew; as it is, if `keep`. */
  readonly slot: number;
  readonly keep: boolean;
  readonly opcode: number;
  readonly file: number;
  readonly data: number;
  readonly buffer: Place;
  readonly nbytes: bigint;
  readonly segments: readonly { readonly place: Place; readonly length: bigint }[];
  readonly offset: bigint;
  /** A word of the iocb that is set although it is reserved. */
  readonly reserved: number | undefined;
  /** Where the iocb itself lies. */
  readonly at: 'good' | 'read-only' | 'unmapped';
}

export type Step =
  | {
      readonly do: 'setup';
      readonly ctx: number;
      readonly nr: bigint;
      readonly ctxp: Place;
      readonly dirty: boolean;
    }
  | { readonly do: 'destroy'; readonly ctx: number }
  | {
      readonly do: 'submit';
      readonly ctx: number;
      readonly transfers: readonly Transfer[];
      readonly nr: bigint | undefined;
      readonly array: Place;
    }
  | {
      readonly do: 'getevents';
      readonly ctx: number;
      readonly min: bigint;
      readonly nr: bigint;
      readonly events: Place;
      readonly timeout: 'none' | 'null' | 'unmapped';
    }
  | {
      readonly do: 'cancel';
      readonly ctx: number;
      readonly slot: number;
      readonly result: Place;
      readonly key: number;
    }
  | { readonly do: 'kick'; readonly request: number }
  | { readonly do: 'complete'; readonly request: number; readonly answer: number }
  | {
      readonly do: 'poke';
      readonly ctx: number;
      readonly word: 'head' | 'tail';
      readonly by: number;
      readonly value: number;
    }
  | { readonly do: 'tick'; readonly ms: number }
  | { readonly do: 'reopen'; readonly file: number; readonly again: boolean };

export interface Program {
  readonly aio_max_nr: number;
  readonly files: readonly Script[];
  readonly steps: readonly Step[];
}

export const CONTEXTS = 3;
export const SLOTS = 5;
const MAX_STEPS = 60;

const PLACES: readonly Place[] = ['half', 'read-only', 'unmapped', 'kernel'];

function act(r: Random, kinds: readonly Act['kind'][]): Act {
  return {
    kind: r.pick(kinds),
    count: r.mostly([1, 2, 3, 4, 8, 100], 5, [0, 0, -5, -28, -11]),
    tooMuch: r.once(30),
    advance: r.pick([0, 0, 1, 2, 5, 100]),
    kicks: r.mostly([0, 0, 1], 6, [2]),
    other: r.below(40),
    toOther: r.mostly([undefined], 4, ['kick', 'complete'] as const),
  };
}

function script(r: Random): Script {
  const acts = Array.from({ length: r.below(5) }, () => act(r, ['now', 'retry', 'retry', 'queue', 'early']));
  // Whoever only ever asked to be called again would be called for ever.
  acts.push(act(r, ['now', 'now', 'queue', 'early']));
  const cancels = Array.from({ length: 1 + r.below(3) }, () => ({
    lets: !r.once(3),
    says: r.once(4) ? r.pick([0, 1, 3, -5]) : undefined,
  }));
  return {
    stream: r.once(3),
    methods: r.mostly([['read', 'write', 'fsync']], 6, [['read'], ['write', 'fsync'], []]),
    acts,
    cancels: r.once(3) ? undefined : cancels,
  };
}

function transfer(r: Random): Transfer {
  const opcode = r.mostly([0, 0, 1, 1, 7, 8], 8, [2, 3, 2, 3, 5, 6, 4, 9, 0xffff]);
  return {
    slot: r.below(SLOTS),
    keep: r.once(5),
    opcode,
    file: r.below(8),
    data: r.below(1 << 30),
    buffer: r.mostly(['good'], 12, PLACES),
    nbytes: r.mostly([8n, 8n, 16n, 3n, 0n, 200n], 15, [2n ** 31n, 2n ** 40n, 2n ** 63n, 2n ** 63n - 1n]),
    segments: Array.from({ length: r.mostly([1, 2, 3], 10, [0, 1024, 1025]) }, () => ({
      place: r.mostly(['good'], 10, PLACES),
      length: r.mostly([3n, 8n, 0n, 20n], 30, [2n ** 62n, 2n ** 63n]),
    })),
    offset: r.mostly([0n, 5n, 100n], 12, [-1n, -(2n ** 63n)]),
    reserved: r.once(25) ? r.pick([12, 48, 52, 56, 60]) : undefined,
    at: r.mostly(['good'], 25, ['read-only', 'unmapped']),
  };
}

function step(r: Random): Step {
  const ctx = r.below(CONTEXTS);
  switch (
    r.mostly(
      [
        'submit',
        'submit',
        'submit',
        'kick',
        'kick',
        'complete',
        'complete',
        'getevents',
        'getevents',
        'cancel',
        'tick',
      ],
      6,
      ['poke', 'setup', 'destroy', 'reopen'],
    )
  ) {
    case 'submit':
      return {
        do: 'submit',
        ctx,
        transfers: Array.from({ length: r.mostly([1, 1, 2, 3], 25, [0, 130]) }, () => transfer(r)),
        nr: r.once(25)
          ? r.pick([-1n, 0n, 2n ** 61n, 2n ** 61n + 1n, 2n ** 60n, -(2n ** 63n), 5n])
          : undefined,
        array: r.mostly(['good'], 25, PLACES),
      };
    case 'getevents':
      return {
        do: 'getevents',
        ctx,
        min: r.mostly([0n, 1n, 1n, 2n], 12, [3n, 9n, -1n, 2n ** 62n]),
        nr: r.mostly([1n, 2n, 4n, 300n], 12, [0n, -1n, 2n ** 63n - 1n]),
        events: r.mostly(['good'], 8, PLACES),
        timeout: r.mostly(['none'], 8, ['null', 'unmapped']),
      };
    case 'cancel':
      return {
        do: 'cancel',
        ctx,
        slot: r.below(SLOTS),
        result: r.mostly(['good'], 8, PLACES),
        key: r.mostly([0], 15, [1, 0xffff_ffff]),
      };
    case 'kick':
      return { do: 'kick', request: r.below(64) };
    case 'complete':
      return { do: 'complete', request: r.below(64), answer: r.mostly([1, 2, 3, 8], 4, [0, -5, -4, 1000]) };
    case 'tick':
      return { do: 'tick', ms: r.pick([1, 40, 99, 100, 250]) };
    case 'poke':
      return {
        do: 'poke',
        ctx,
        word: r.pick(['head', 'tail']),
        by: r.pick([-2, -1, 1, 2, 5]),
        value: r.mostly([-1], 3, [0, 3, 126, 127, 128, 254, 0xffff_ffff]),
      };
    case 'setup':
      return {
        do: 'setup',
        ctx,
        nr: r.mostly([1n, 8n, 130n], 3, [
          0n,
          126n,
          125n,
          400n,
          2n ** 32n,
          2n ** 32n + 3n,
          1157049n,
          1157050n,
          8388609n,
          0xffff_ffffn,
        ]),
        ctxp: r.mostly(['good'], 5, PLACES),
        dirty: r.once(8),
      };
    case 'destroy':
      return { do: 'destroy', ctx };
    default:
      return { do: 'reopen', file: r.below(8), again: !r.once(4) };
  }
}

/** A context that is full, and in it a request that is the last to use its file. */
function full(r: Random): Step[] {
  const submit = (times: number, file: number): Step => {
    const one: Transfer = {
      ...transfer(r),
      keep: false,
      at: 'good',
      opcode: r.pick([0, 1]),
      file,
      reserved: undefined,
    };
    const transfers = Array.from({ length: times }, () => ({
      ...one,
      nbytes: 8n,
      buffer: 'good' as const,
      offset: 0n,
    }));
    return { do: 'submit', ctx: 0, transfers, nr: undefined, array: 'good' };
  };
  return [
    submit(1, 0),
    { do: 'reopen', file: 0, again: r.once(2) },
    submit(130, 1),
    { do: 'complete', request: 0, answer: 8 },
    { do: 'getevents', ctx: 0, min: 1n, nr: r.pick([1n, 2n, 300n]), events: 'good', timeout: 'none' },
    submit(r.pick([1, 2, 130]), 1),
  ];
}

/** Requests with one iocb on several files, and a cancel that may find any of them. */
function twins(r: Random): Step[] {
  const slot = r.below(SLOTS);
  const submit = (): Step => ({
    do: 'submit',
    ctx: 0,
    transfers: [
      { ...transfer(r), slot, opcode: r.pick([0, 1, 0, 1, 2]), keep: false, at: 'good', reserved: undefined },
    ],
    nr: undefined,
    array: 'good',
  });
  const cancel: Step = { do: 'cancel', ctx: 0, slot, result: 'good', key: 0 };
  return [submit(), submit(), cancel, submit(), cancel];
}

/** Program `index` of `seed`. */
export function program(seed: number, index: number): Program {
  const r = new Random(seed, index);
  return {
    aio_max_nr: r.mostly([65536], 4, [300, 8, 2_000_000]),
    files: Array.from({ length: 1 + r.below(4) }, () => script(r)),
    steps: [
      { do: 'setup', ctx: 0, nr: r.pick([1n, 8n, 130n]), ctxp: 'good', dirty: false },
      ...(r.once(15) ? full(r) : []),
      ...(r.once(6) ? twins(r) : []),
      ...Array.from({ length: 10 + r.below(MAX_STEPS) }, () => step(r)),
    ],
  };
}
