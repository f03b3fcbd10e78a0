/** Random programs, by fast-check. */
import fc from 'fast-check';
import {
  ANSWERS,
  type Body,
  CHANNELS,
  type Extras,
  HANDOVERS,
  LIES,
  MEMORY_KINDS,
  OPENINGS,
  type Place,
  type Program,
  SIGNAL_LIES,
  STREAMS,
  type Step,
  TARGETS,
  VECTOR_LIES,
  VIEW_TYPES,
  type ViewShape,
  WAITS,
} from './program.ts';

const MEMORIES = 3;
const SIGNALS = 3;
const FILES = 2;
const CONTEXTS = 5;
const PAGES = 255;
const STEPS = 40;
const BODY_STEPS = 3;

/** Those of requests more often than those of contexts. */
const LIKELY_CHANNELS = ['kaio:submit', 'kaio:submit', 'kaio:complete', ...CHANNELS] as const;
const LENGTHS = [0, 1, 8, 500, 512, 1024, 4096, 4096, 4096, 8192, 65_536, 262_144] as const;

/**
 * The arbitrary of programs.
 *
 * @param without - What is left out: names of steps, memories, views, lies and so on, as in program.ts, or all of a sort: `'lies'`,
 * `'signal lies'`, `'vector lies'`, `'asked'` (steps that run when something is asked for), `'changes'` (what is another thing when it is asked for again), `'nested'` (those of listeners and the like),
 * `'handles'` (FileHandles of the program's own).
 */
export function programs(without: ReadonlySet<string>, emulated: boolean): fc.Arbitrary<Program> {
  const isIn = (name: string): boolean => !without.has(name);
  const oneOf = <T extends string>(names: readonly T[]): fc.Arbitrary<T> => {
    const left = names.filter(isIn);
    return fc.constantFrom(...(left.length > 0 ? left : names));
  };
  /** There one time in `one + 1`. */
  const perhaps = <T>(arbitrary: fc.Arbitrary<T>, one: number): fc.Arbitrary<T | undefined> =>
    fc.oneof({ weight: one, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
  /** The same, and never where its sort is left out. */
  const seldom = <T>(sort: string, arbitrary: fc.Arbitrary<T>, one: number): fc.Arbitrary<T | undefined> =>
    isIn(sort) ? perhaps(arbitrary, one) : fc.constant(undefined);
  const index = (count: number): fc.Arbitrary<number> => fc.nat({ max: count - 1 });

  /** @param body - What may run in the middle of a step; without it nothing does. */
  const steps = (
    body: fc.Arbitrary<Body> | undefined,
  ): { simple: fc.Arbitrary<Step>; all: fc.Arbitrary<Step> } => {
    const askedSeldom = (): fc.Arbitrary<Body | undefined> =>
      body === undefined ? fc.constant(undefined) : seldom('asked', body, 20);
    const view: fc.Arbitrary<ViewShape> = fc.record({
      memory: index(MEMORIES),
      at: fc.nat({ max: 64 }),
      bytes: fc.constantFrom(...LENGTHS),
      type: fc.oneof({ weight: 3, arbitrary: fc.constant('Uint8Array' as const) }, oneOf(VIEW_TYPES)),
      lie: seldom('lies', oneOf(LIES), 6),
      asked: askedSeldom(),
    });
    const place: fc.Arbitrary<Place> = fc.record({
      target: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom('direct' as const, 'buffered' as const) },
        oneOf(TARGETS.filter((target) => emulated || (target !== 'installed' && target !== 'pipe'))),
      ),
      index: index(FILES),
      page: fc.nat({ max: PAGES }),
      asked: askedSeldom(),
      changes: seldom('changes', fc.constant(true), 20),
    });
    const extras: fc.Arbitrary<Extras> = fc.record({
      signal: perhaps(index(SIGNALS), 4),
      signalLie: seldom('signal lies', oneOf(SIGNAL_LIES), 12),
      nowait: perhaps(fc.constant(true), 8),
      asked: askedSeldom(),
      changes: seldom('changes', fc.constant(true), 20),
    });
    const vectorLie = seldom('vector lies', oneOf(VECTOR_LIES), 8);
    const views = fc.array(view, { maxLength: 4 });
    const named = <T extends Step['do']>(name: T): fc.Arbitrary<T> => fc.constant(name);
    const context = index(CONTEXTS);
    const file = index(FILES);

    // What does harm in the middle of something.
    const often = body === undefined ? 3 : 1;
    const flat: [number, fc.Arbitrary<Step>, readonly Step['do'][]][] = [
      [
        5,
        fc.record({
          do: named('memory'),
          memory: index(MEMORIES),
          kind: oneOf(MEMORY_KINDS),
          sectors: fc.constantFrom(1, 8, 16, 128, 1024),
        }),
        ['memory'],
      ],
      [
        14,
        fc.record({ do: oneOf(['read', 'write'] as const), context, place, view, extras }),
        ['read', 'write'],
      ],
      [
        4,
        fc.record({ do: oneOf(['readv', 'writev'] as const), context, place, views, lie: vectorLie, extras }),
        ['readv', 'writev'],
      ],
      [
        3,
        fc.record({
          do: named('submit'),
          context,
          requests: fc.array(fc.record({ write: fc.boolean(), place, view, extras }), { maxLength: 4 }),
          lie: vectorLie,
        }),
        ['submit'],
      ],
      [1, fc.record({ do: named('sync'), context, place, data: fc.boolean() }), ['sync']],
      [3, fc.record({ do: named('poll'), context, event: index(2), extras }), ['poll']],
      [2, fc.record({ do: named('wake'), event: index(2) }), ['wake']],
      [
        often * 8,
        fc.record({ do: named('hand over'), memory: index(MEMORIES), how: oneOf(HANDOVERS) }),
        ['hand over'],
      ],
      [
        often * 4,
        fc.record({
          do: named('resize'),
          memory: index(MEMORIES),
          sectors: fc.constantFrom(0, 1, 8, 128, 256),
        }),
        ['resize'],
      ],
      [often * 4, fc.record({ do: named('abort'), signal: index(SIGNALS) }), ['abort']],
      [1, fc.record({ do: named('drain'), context }), ['drain']],
      [
        3,
        fc.record({
          do: oneOf(['file read', 'file write', 'file readFully', 'file writeFully'] as const),
          file,
          page: fc.nat({ max: PAGES }),
          cursor: perhaps(fc.constant(true), 5),
          view,
          extras,
        }),
        ['file read', 'file write', 'file readFully', 'file writeFully'],
      ],
      [
        1,
        fc.record({
          do: oneOf(['file readv', 'file writev'] as const),
          file,
          page: fc.nat({ max: PAGES }),
          views,
          lie: vectorLie,
        }),
        ['file readv', 'file writev'],
      ],
      [
        1,
        fc.record({ do: oneOf(['file readFile', 'file sync', 'file stat', 'close file'] as const), file }),
        ['file readFile', 'file sync', 'file stat', 'close file'],
      ],
      [1, fc.record({ do: named('close descriptor'), own: file }), ['close descriptor']],
      [1, fc.record({ do: named('reuse descriptor'), own: file }), ['reuse descriptor']],
      [1, fc.record({ do: named('give back'), memory: index(MEMORIES) }), ['give back']],
      [1, fc.record({ do: named('collect garbage') }), ['collect garbage']],
      [1, fc.record({ do: named('close context') }), ['close context']],
      [1, fc.record({ do: named('drop context') }), ['drop context']],
      [1, fc.record({ do: named('close shared context') }), ['close shared context']],
    ];
    if (emulated) {
      flat.push(
        [2, fc.record({ do: named('answer'), file }), ['answer']],
        [1, fc.record({ do: named('feed pipe'), bytes: fc.constantFrom(1, 8, 4096, 65_536) }), ['feed pipe']],
      );
    }
    const outer: typeof flat = [
      [
        1,
        fc.record({
          do: named('context'),
          queueDepth: fc.constantFrom(1, 2, 8, 1 << 20),
          submitThread: fc.constantFrom<boolean | number | 'auto'>(false, false, true, 2, 'auto'),
          busyPoll: fc.boolean(),
        }),
        ['context'],
      ],
      [
        3,
        fc.record({
          do: named('open'),
          file,
          opening: oneOf(OPENINGS),
          context: perhaps(context, 1),
        }),
        ['open'],
      ],
      [1, fc.record({ do: named('adopt'), file, own: file }), ['adopt']],
      [1, fc.record({ do: named('drop file'), file }), ['drop file']],
      [1, fc.record({ do: named('stream'), file, stream: oneOf(STREAMS) }), ['stream']],
      [
        2,
        fc.record({
          do: named('descriptor'),
          own: file,
          writable: fc.boolean(),
          direct: fc.boolean(),
          handle: isIn('handles') ? fc.boolean() : fc.constant(false),
        }),
        ['descriptor'],
      ],
      [12, fc.record({ do: named('wait'), how: oneOf(WAITS) }), ['wait']],
    ];
    const among = (lists: typeof flat): fc.Arbitrary<Step> =>
      fc.oneof(
        ...lists
          .filter(([, , names]) => names.some(isIn))
          .map(([weight, arbitrary]) => ({ weight, arbitrary })),
      );
    // A context can be made in the middle of a step too, so that constructors meet a lack of descriptors.
    if (body === undefined) return { simple: among([...flat, outer[0]!, outer[1]!]), all: among(flat) };
    // All memory at once: what is in flight was pinned by then, or it is too late.
    const gives: fc.Arbitrary<Body> = fc
      .array(oneOf(HANDOVERS), { minLength: MEMORIES, maxLength: MEMORIES })
      .map((ways) => ways.map((how, memory) => ({ do: 'hand over', memory, how })));
    const told: fc.Arbitrary<Body> = isIn('hand over')
      ? fc.oneof({ weight: 2, arbitrary: body }, gives)
      : body;
    const nesting: typeof flat = [
      [2, fc.record({ do: named('on abort'), signal: index(SIGNALS), body }), ['on abort']],
      [5, fc.record({ do: named('subscribe'), channel: oneOf(LIKELY_CHANNELS), body: told }), ['subscribe']],
      [1, fc.record({ do: named('promise hook'), after: fc.nat({ max: 12 }), body }), ['promise hook']],
      [
        1,
        fc.record({ do: named('exhaust descriptors'), leave: fc.nat({ max: 3 }), body }),
        ['exhaust descriptors'],
      ],
    ];
    if (emulated) {
      nesting.push([3, fc.record({ do: named('install'), file, answer: oneOf(ANSWERS), body }), ['install']]);
    }
    return { simple: among(flat), all: among([...flat, ...outer, ...(isIn('nested') ? nesting : [])]) };
  };
  const body = fc.array(steps(undefined).simple, { minLength: 1, maxLength: BODY_STEPS });
  return fc.array(steps(body).all, { minLength: 1, maxLength: STEPS, size: 'max' });
}
