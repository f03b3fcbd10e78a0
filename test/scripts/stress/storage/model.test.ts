import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../../scripts/stress/storage/check.ts';
import type {
  Append,
  Change,
  FindingKind,
  Look,
  Truncate,
  Write,
} from '../../../../scripts/stress/storage/history.ts';
import { stamp } from '../../../../scripts/stress/storage/stamps.ts';

const NEVER = Number.POSITIVE_INFINITY;
const SIZE = 1000;

const write = (id: number, [begin, end]: [number, number], from: number, to: number): Write => ({
  kind: 'write',
  id,
  from,
  to,
  begin,
  end,
  by: 'a handle',
});
const truncate = ([begin, end]: [number, number], size: number): Truncate => ({
  kind: 'truncate',
  size,
  begin,
  end,
  by: 'a handle',
});
const append = (id: number, [begin, end]: [number, number], length: number, after?: number): Append => ({
  kind: 'append',
  id,
  length,
  begin,
  end,
  after,
  by: 'a handle',
});

/** Stretches of a file: whose they are, or `-1` for zeros, and where they end. Of an append also where in it they begin. */
type Layout = readonly (readonly [id: number, to: number, offset?: number])[];

function content(layout: Layout): Uint8Array {
  const bytes = new Uint8Array(layout.at(-1)?.[1] ?? 0);
  let from = 0;
  for (const [id, to, offset] of layout) {
    if (id >= 0) stamp(bytes.subarray(from, to), id, offset ?? from);
    from = to;
  }
  return bytes;
}

/** A look at the whole file. */
const look = ([begin, end]: [number, number], layout: Layout): Look => ({
  begin,
  end,
  by: 'a reader',
  from: 0,
  bytes: content(layout),
  extent: 'to the end',
});
const size = ([begin, end]: [number, number], bytes: number): Look => ({
  begin,
  end,
  by: 'a stat',
  from: 0,
  bytes: new Uint8Array(0),
  extent: 'some',
  size: bytes,
});

function kinds(changes: readonly Change[], ...looks: Look[]): FindingKind[] {
  return findingsOf({ initialSize: SIZE, changes, looks }).map(({ kind }) => kind);
}

interface Case {
  readonly title: string;
  readonly changes: readonly Change[];
  readonly looks: readonly Look[];
  readonly found?: readonly FindingKind[];
}

const before = write(1, [0, 1], 100, 300);
const after = write(2, [2, 3], 200, 400);
const beside = write(3, [0, 3], 200, 400);
const further = write(4, [4, 5], 1500, 1600);

const CASES: Record<string, readonly Case[]> = {
  'bytes of writes': [
    {
      title: 'the later of two',
      changes: [before, after],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 200],
            [2, 400],
            [0, SIZE],
          ],
        ),
      ],
    },
    {
      title: 'the earlier of two',
      changes: [before, after],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 300],
            [2, 400],
            [0, SIZE],
          ],
        ),
      ],
      found: ['lost'],
    },
    {
      title: 'what was there before a write that has ended',
      changes: [before],
      looks: [
        look(
          [4, 5],
          [
            [0, 200],
            [1, 300],
            [0, SIZE],
          ],
        ),
      ],
      found: ['lost'],
    },
    {
      title: 'what was there before a write that is under way',
      changes: [write(1, [0, 9], 100, 300)],
      looks: [
        look(
          [4, 5],
          [
            [0, 200],
            [1, 300],
            [0, SIZE],
          ],
        ),
      ],
    },
    {
      title: 'either of two that were under way at once, byte by byte',
      changes: [before, beside],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 210],
            [3, 220],
            [1, 230],
            [3, 400],
            [0, SIZE],
          ],
        ),
        look(
          [6, 7],
          [
            [0, 100],
            [1, 300],
            [3, 400],
            [0, SIZE],
          ],
        ),
      ],
    },
    {
      title: 'a write that had not begun',
      changes: [write(1, [6, 7], 100, 300)],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 300],
            [0, SIZE],
          ],
        ),
      ],
      found: ['stray'],
    },
    {
      title: 'bytes of a write in another place',
      changes: [before],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 300],
            [1, 310],
            [0, SIZE],
          ],
        ),
      ],
      found: ['stray'],
    },
    {
      title: 'a write moved by one byte',
      changes: [before],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 300, 101],
            [0, SIZE],
          ],
        ),
      ],
      found: ['stray', 'stray', 'stray'],
    },
    {
      title: 'part of one that never ended',
      changes: [before, write(2, [2, NEVER], 200, 400)],
      looks: [
        look(
          [4, 5],
          [
            [0, 100],
            [1, 200],
            [2, 250],
            [1, 300],
            [2, 310],
            [0, SIZE],
          ],
        ),
      ],
    },
  ],
  zeros: [
    {
      title: 'in a hole',
      changes: [further],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [-1, 1500],
            [4, 1600],
          ],
        ),
      ],
    },
    {
      title: 'in place of what the file began with',
      changes: [further],
      looks: [
        look(
          [6, 7],
          [
            [0, 900],
            [-1, 1500],
            [4, 1600],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'in place of a write that has ended',
      changes: [write(1, [0, 1], SIZE, 1200), further],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1100],
            [-1, 1500],
            [4, 1600],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'in a write that grows the file and has not ended',
      changes: [write(1, [0, NEVER], SIZE, 1200)],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [-1, 1100],
            [1, 1200],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'left by a truncate, and exposed since',
      changes: [truncate([0, 1], 500), truncate([2, 3], 800)],
      looks: [
        look(
          [6, 7],
          [
            [0, 500],
            [-1, 800],
          ],
        ),
      ],
    },
    {
      title: 'left by a truncate, and exposed before it only',
      changes: [write(1, [0, 1], 1500, 1600), truncate([2, 3], 500), write(2, [4, 5], 500, 700)],
      looks: [
        look(
          [6, 7],
          [
            [0, 500],
            [-1, 700],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'while they are being cut off',
      changes: [truncate([0, 9], 500)],
      looks: [
        look(
          [4, 5],
          [
            [0, 500],
            [-1, SIZE],
          ],
        ),
      ],
    },
    {
      title: 'below what is being cut off',
      changes: [truncate([0, 9], 500)],
      looks: [
        look(
          [4, 5],
          [
            [0, 490],
            [-1, SIZE],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'behind the end, made whole blocks of',
      changes: [write(1, [0, 1], SIZE, 1010)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1010],
            [-1, 1024],
          ],
        ),
      ],
      found: ['padding', 'size'],
    },
  ],
  sizes: [
    { title: 'what is there', changes: [before], looks: [size([4, 5], SIZE)] },
    { title: 'shorter than a write', changes: [further], looks: [size([6, 7], 1599)], found: ['size'] },
    {
      title: 'part of a write that is under way',
      changes: [write(1, [0, 9], 900, 1200)],
      looks: [size([4, 5], 1100)],
    },
    {
      title: 'a truncate that a write followed, undone',
      changes: [truncate([0, 1], 500), before, write(2, [2, 3], 100, 300)],
      looks: [size([4, 5], 500), size([6, 7], SIZE)],
      found: ['size'],
    },
    {
      title: 'a truncate beside a write, in either order',
      changes: [truncate([0, 3], 500), write(2, [1, 2], 900, 1200)],
      looks: [size([4, 5], 500)],
    },
    {
      title: 'a truncate beside a write, in the other',
      changes: [truncate([0, 3], 500), write(2, [1, 2], 900, 1200)],
      looks: [
        look(
          [4, 5],
          [
            [0, 500],
            [-1, 900],
            [2, 1200],
          ],
        ),
      ],
    },
    {
      title: 'a truncate beside a write, half in each',
      changes: [truncate([0, 3], 500), write(2, [1, 2], 900, 1200)],
      looks: [size([4, 5], SIZE)],
      found: ['size'],
    },
    {
      title: 'two truncates at once, and a write that precedes one',
      changes: [write(1, [0, 1], 900, 1200), truncate([2, 5], 500), truncate([0, 4], 600)],
      looks: [size([6, 7], 500), size([8, 9], 600)],
    },
    {
      title: 'two truncates at once, and a write that precedes both',
      changes: [write(1, [0, 1], 900, 1200), truncate([2, 5], 500), truncate([3, 4], 600)],
      looks: [size([6, 7], 1200)],
      found: ['size'],
    },
    {
      title: 'a read that ends too early',
      changes: [],
      looks: [look([0, 1], [[0, 900]])],
      found: ['size'],
    },
  ],
  appends: [
    {
      title: 'one after the other',
      changes: [append(1, [0, 1], 50), append(2, [2, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1050, 0],
            [2, 1120, 0],
          ],
        ),
      ],
    },
    {
      title: 'the other way round, though one had ended',
      changes: [append(1, [0, 1], 50), append(2, [2, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [2, 1070, 0],
            [1, 1120, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'the other way round, at once',
      changes: [append(1, [0, 2], 50), append(2, [1, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [2, 1070, 0],
            [1, 1120, 0],
          ],
        ),
      ],
    },
    {
      title: 'the other way round, of one handle',
      changes: [append(1, [0, 2], 50), append(2, [1, 3], 70, 1)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [2, 1070, 0],
            [1, 1120, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'one over the other',
      changes: [append(1, [0, 2], 50), append(2, [1, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [2, 1070, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'one in the middle of another',
      changes: [append(1, [0, 2], 50), append(2, [1, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1020, 0],
            [2, 1090, 0],
            [1, 1120, 20],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'with zeros between',
      changes: [append(1, [0, 1], 50), append(2, [2, 3], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1050, 0],
            [-1, 1060],
            [2, 1130, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'part of one that never ended',
      changes: [append(1, [0, 1], 50), append(2, [2, NEVER], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1050, 0],
            [2, 1080, 0],
          ],
        ),
      ],
    },
    {
      title: 'nothing of one that never ended',
      changes: [append(1, [0, 1], 50), append(2, [2, NEVER], 70)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
    },
    {
      title: 'part of one that has ended',
      changes: [append(1, [0, 1], 50)],
      looks: [
        look(
          [4, 5],
          [
            [0, SIZE],
            [1, 1049, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'cut by a truncate between them',
      changes: [append(1, [0, 1], 50), truncate([0, 5], 1020), append(2, [2, 3], 70)],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1020, 0],
            [2, 1090, 0],
          ],
        ),
      ],
    },
    {
      title: 'a hole that a truncate has left between them',
      changes: [append(1, [0, 1], 50), truncate([0, 5], 1080), append(2, [2, 3], 70)],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1050, 0],
            [-1, 1080],
            [2, 1150, 0],
          ],
        ),
      ],
    },
    {
      title: 'cut by a truncate that was over before',
      changes: [truncate([0, 1], 1020), append(1, [2, 3], 50), append(2, [4, 5], 70)],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [-1, 1020],
            [2, 1090, 0],
          ],
        ),
      ],
      found: ['append'],
    },
    {
      title: 'a reader that sees one that had not begun',
      changes: [append(1, [4, 5], 50)],
      looks: [
        look(
          [0, 1],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
      found: ['size'],
    },
    {
      title: 'a reader that sees zeros in place of one',
      changes: [append(1, [0, 1], 50)],
      looks: [
        look(
          [2, 3],
          [
            [0, SIZE],
            [-1, 1050],
          ],
        ),
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
      found: ['padding'],
    },
    {
      title: 'a reader that sees too little',
      changes: [append(1, [0, 1], 50)],
      looks: [
        look([2, 3], [[0, SIZE]]),
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
      found: ['size'],
    },
    {
      title: 'readers in the middle of one',
      changes: [append(1, [0, 9], 50)],
      looks: [
        look(
          [2, 3],
          [
            [0, SIZE],
            [1, 1010, 0],
          ],
        ),
        size([4, 5], 1020),
        look(
          [10, 11],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
    },
    {
      title: 'a write below them that is lost',
      changes: [append(1, [0, 1], 50), before],
      looks: [
        look(
          [6, 7],
          [
            [0, SIZE],
            [1, 1050, 0],
          ],
        ),
      ],
      found: ['lost'],
    },
  ],
};

for (const [what, cases] of Object.entries(CASES)) {
  describe(`the model of a stressed file: ${what}`, () => {
    for (const { title, changes, looks, found = [] } of cases)
      it(`${found.length === 0 ? 'explains' : 'does not explain'} ${title}`, () => {
        const kind = kinds(changes, ...looks);
        // How many stretches a wrong byte is told in does not matter.
        expect([...new Set(kind)]).toEqual([...new Set(found)]);
      });
  });
}
