/** What a run measures. */

import { UNIT_BYTES } from './blocks.ts';
import type { Case, EngineName, Mode, Transfer } from './job.ts';
import { bytesTitle, ENGINES, isMixed, isOpen, isWrite, MODES, TRANSFERS } from './job.ts';

/** A case and who takes turns in it. */
export interface PlannedCase extends Case {
  readonly engines: readonly EngineName[];
}

export interface Plan {
  readonly cases: readonly PlannedCase[];
  readonly rounds: number;
  /** Seconds of each timed stretch of one engine in one round. */
  readonly seconds: number;
  /** A fixed number of transfers for each stretch instead. */
  readonly operations: number | undefined;
  readonly size: number;
  readonly seed: number;
  readonly verify: boolean;
  /** Seconds that one engine may take for one round, beyond what it is to last, before it is given up. */
  readonly patience: number;
  /** Programs that do nothing but compute, beside it. Default 0. */
  readonly busy?: number;
}

/** What can be chosen; whatever is left out comes from the preset. */
export interface Choice {
  readonly engines?: readonly EngineName[];
  readonly rw?: readonly Transfer[];
  readonly mode?: readonly Mode[];
  readonly blockSize?: readonly number[];
  readonly queueDepth?: readonly number[];
  readonly rounds?: number;
  readonly seconds?: number;
  readonly operations?: number;
  readonly size?: number;
  readonly seed?: number;
  readonly verify?: boolean;
  readonly patience?: number;
}

interface Preset extends Required<Omit<Choice, 'operations'>> {
  readonly cases?: readonly Case[];
}

const READ_4K = { rw: 'randread', blockSize: 4096 } as const;

const QUICK: Preset = {
  // The other ways into the emulation have a suite of their own.
  engines: ENGINES.filter((engine) => !engine.startsWith('emulation.')),
  rw: ['randread'],
  mode: ['direct', 'cached'],
  blockSize: [4096],
  queueDepth: [1, 32],
  cases: [
    { ...READ_4K, mode: 'direct', queueDepth: 1 },
    { ...READ_4K, mode: 'direct', queueDepth: 32 },
    { ...READ_4K, mode: 'cached', queueDepth: 1 },
    { ...READ_4K, mode: 'cached', queueDepth: 32 },
  ],
  rounds: 3,
  seconds: 0.15,
  size: 64 << 20,
  seed: 1,
  verify: false,
  patience: 30,
};

export const PRESETS = {
  /** About a minute. */
  quick: QUICK,
  /** Depths 1 to 512 for the curves; a quarter of an hour. */
  curves: {
    ...QUICK,
    queueDepth: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    cases: [],
    size: 256 << 20,
    seconds: 0.25,
  },
  /** Everything: hours. */
  full: {
    ...QUICK,
    // Files that are opened, of all sizes and at all depths, tell nothing new.
    rw: TRANSFERS.filter((rw) => !isOpen({ rw })),
    mode: MODES,
    blockSize: [512, 4096, 16384, 65536, 262144, 1 << 20],
    queueDepth: [1, 4, 16, 32, 64, 128, 256, 512],
    cases: [],
    rounds: 5,
    seconds: 0.5,
    size: 512 << 20,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

/** More memory than this for blocks under way would be a measurement of swapping. */
const MOST_BYTES_UNDER_WAY = 1 << 30;

/** The plan, and a line for everything that was asked for and makes no sense. */
export function makePlan(preset: PresetName, choice: Choice): { plan: Plan; left: string[] } {
  const base: Preset = PRESETS[preset];
  const { engines, rounds, seconds, size, seed, verify, patience } = { ...base, ...choice };
  const left: string[] = [];
  const cases = casesOf(base, choice).filter((one) => {
    const refusal = refusalOf(one, size);
    if (refusal !== undefined) left.push(refusal);
    return refusal === undefined;
  });
  return {
    plan: {
      cases: cases.map((one) => ({ ...one, engines: engines.filter((engine) => takesPart(engine, one)) })),
      rounds,
      seconds,
      operations: choice.operations,
      size,
      seed,
      verify,
      patience,
    },
    left: [...new Set(left)],
  };
}

function casesOf(base: Preset, choice: Choice): readonly Case[] {
  const untouched = !('rw' in choice || 'mode' in choice || 'blockSize' in choice || 'queueDepth' in choice);
  if (untouched && base.cases !== undefined && base.cases.length > 0) return base.cases;
  const { rw, mode, blockSize, queueDepth } = { ...base, ...choice };
  const cases: Case[] = [];
  for (const oneMode of mode)
    for (const oneRw of rw)
      for (const oneSize of blockSize)
        for (const depth of queueDepth)
          cases.push({ rw: oneRw, mode: oneMode, blockSize: oneSize, queueDepth: depth });
  return cases;
}

function refusalOf(one: Case, size: number): string | undefined {
  const { blockSize, mode, queueDepth } = one;
  if (mode === 'cold' && (isWrite(one) || isMixed(one)))
    return 'cold writes are left out: a write of whole pages reads nothing';
  if (mode === 'cold' && isOpen(one))
    return 'cold files to open are left out: they could be opened once, and no more of them are made than fit into caches';
  if (blockSize % UNIT_BYTES !== 0)
    return `blocks of ${blockSize} bytes are left out: not a multiple of ${UNIT_BYTES}`;
  if (size < blockSize)
    return `blocks of ${bytesTitle(blockSize)} are left out: larger than the file (--size ${size})`;
  if (blockSize * queueDepth > MOST_BYTES_UNDER_WAY)
    return `depth ${queueDepth} with blocks of ${bytesTitle(blockSize)} is left out: more than 1 GiB under way`;
  return undefined;
}

/** Who has no other way to a file than a descriptor, which somebody else opens. */
const OPENS_NOTHING: readonly EngineName[] = [
  'calls',
  'context',
  'context.threads',
  'emulation',
  'emulation.descriptor',
  'emulation.handle',
  'fio-libaio',
  'fio-io_uring',
];

/** The synchronous calls have one depth, and not everybody opens files. */
export function takesPart(engine: EngineName, one: Case): boolean {
  if (isOpen(one) && OPENS_NOTHING.includes(engine)) return false;
  return engine !== 'fs.sync' || one.queueDepth === 1;
}
