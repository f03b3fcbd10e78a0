import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../../../scripts/stress/storage/check.ts';
import type {
  Append,
  Change,
  History,
  Look,
  Truncate,
  Write,
} from '../../../../scripts/stress/storage/history.ts';
import { planOf } from '../../../../scripts/stress/storage/plan.ts';
import { stamp } from '../../../../scripts/stress/storage/stamps.ts';
import { Random } from '../../../../src/fuzz/random.ts';

const SIZE = 2000;
const MOST_SIZE = 8000;

/** What a file does that takes one call after the other, while callers see their calls overlap. */
class OrderedFile {
  bytes: Buffer = Buffer.alloc(MOST_SIZE);
  size = SIZE;
  /** Whether it forgets the write with that id. */
  readonly #forgets: number;

  constructor(forgets: number) {
    this.#forgets = forgets;
    stamp(this.bytes.subarray(0, SIZE), 0, 0);
  }

  write(id: number, from: number, to: number, place: number): void {
    if (id === this.#forgets) {
      this.size = Math.max(this.size, to);
      return;
    }
    stamp(this.bytes.subarray(from, to), id, place);
    this.size = Math.max(this.size, to);
  }

  truncate(size: number): void {
    this.bytes.fill(0, size);
    this.size = size;
  }
}

/** A history of such a file: an operation happens at its moment, and is seen to begin some time before and to end some time after. */
function historyOf(seed: number, appends: boolean, forgets = -1): History {
  const random = new Random(seed, 0);
  const file = new OrderedFile(forgets);
  const changes: Change[] = [];
  const looks: Look[] = [];
  const count = appends ? 10 : 60;
  for (let id = 1; id <= count; id++) {
    const moment = 1000 + id * 100;
    // Odd and even, so that no two are the same.
    const times = {
      begin: moment - random.below(400) - id / 1000,
      end: moment + random.below(400) + id / 1000,
      by: 'a handle',
    };
    const what = random.below(10);
    if (what < 4) {
      const from = random.below(appends ? SIZE - 1 : 3000);
      const to = Math.min(from + 1 + random.below(700), appends ? SIZE : MOST_SIZE);
      changes.push({ ...times, kind: 'write', id, from, to } satisfies Write);
      file.write(id, from, to, from);
    } else if (what < 6 && appends) {
      const length = 1 + random.below(300);
      changes.push({ ...times, kind: 'append', id, length } satisfies Append);
      file.write(id, file.size, file.size + length, 0);
    } else if (what < 7) {
      const size = appends ? SIZE + random.below(400) : random.below(3000);
      changes.push({ ...times, kind: 'truncate', size } satisfies Truncate);
      file.truncate(size);
    } else {
      const from = random.below(file.size + 100);
      const to = Math.max(from, Math.min(file.size, from + random.below(2000)));
      const bytes = Uint8Array.from(file.bytes.subarray(from, to));
      looks.push({ ...times, from, bytes, extent: to === file.size || to === from ? 'to the end' : 'all' });
      looks.push({ ...times, from: 0, bytes: new Uint8Array(0), extent: 'some', size: file.size });
    }
  }
  // Reads of nothing are no ends of a file.
  const seen = looks.filter(
    ({ bytes, size, from }) => size !== undefined || bytes.length > 0 || from > MOST_SIZE,
  );
  const at = { begin: 1e6, end: 1e6 + 1, by: 'the end', from: 0 };
  seen.push({ ...at, bytes: new Uint8Array(0), extent: 'some', size: file.size });
  seen.push({ ...at, bytes: Uint8Array.from(file.bytes.subarray(0, file.size)), extent: 'to the end' });
  return { initialSize: SIZE, changes, looks: seen };
}

describe('the model of a stressed file', () => {
  for (const appends of [false, true]) {
    const name = appends ? 'appends' : 'writes';

    it(`explains whatever a file shows that does one after the other (${name})`, () => {
      for (let seed = 0; seed < 300; seed++)
        expect(findingsOf(historyOf(seed, appends)), `seed ${seed}`).toEqual([]);
    });

    it(`notices a write that was forgotten, where anybody could see it (${name})`, () => {
      let visible = 0;
      let noticed = 0;
      for (let seed = 0; seed < 300; seed++) {
        const history = historyOf(seed, appends);
        const writes = history.changes.filter((change): change is Write => change.kind === 'write');
        // Nobody has written there since, or at once, and no truncate was there: its bytes have to be found.
        const alone = writes.find((one) => {
          const others = history.changes.filter((other) => other !== one && other.end > one.begin);
          return others.every(
            (other) => other.kind === 'write' && (other.to <= one.from || other.from >= one.to),
          );
        });
        if (alone === undefined) continue;
        visible++;
        if (findingsOf(historyOf(seed, appends, alone.id)).length > 0) noticed++;
      }
      expect(visible).toBeGreaterThan(20);
      expect(noticed).toBe(visible);
    });
  }
});

describe('the plan of a round', () => {
  const options = {
    seed: 7,
    backends: ['native', 'emulated'],
    mix: 'mixed',
    without: new Set<string>(),
    changes: 200,
  } as const;

  it('is the same for the same numbers', () => {
    expect(planOf({ ...options, round: 3 })).toEqual(planOf({ ...options, round: 3 }));
    expect(planOf({ ...options, round: 3 })).not.toEqual(planOf({ ...options, round: 4 }));
  });

  it('is one that the model can decide', () => {
    for (let round = 0; round < 200; round++) {
      const plan = planOf({ ...options, round });
      const operations = plan.lanes.flatMap((lane) => lane.operations);
      const ids = operations.flatMap((operation) => ('id' in operation ? [operation.id] : []));
      expect(new Set(ids).size).toBe(ids.length);
      expect(Math.max(0, ...ids)).toBeLessThan(255);
      expect(new Set(plan.openings.map(({ backend }) => backend)).size).toBe(2);
      if (plan.theme !== 'appends' && plan.theme !== 'cuts') continue;
      for (const operation of operations) {
        if (operation.do === 'truncate') expect(operation.size).toBeGreaterThanOrEqual(plan.initialSize);
        if ('id' in operation && 'from' in operation)
          expect(operation.from + operation.length).toBeLessThanOrEqual(plan.initialSize);
      }
    }
  });

  it('has handles that are aligned write whole blocks, and plain ones in pages of their own', () => {
    for (let round = 0; round < 200; round++) {
      const plan = planOf({ ...options, round });
      for (const { handle, operations } of plan.lanes) {
        const { kind } = plan.openings[handle]!;
        const hasPlain = plan.openings.some((opening) => opening.kind === 'plain');
        for (const operation of operations) {
          if (!('id' in operation) || !('from' in operation)) continue;
          if (kind === 'aligned') expect([operation.from % 4096, operation.length % 4096]).toEqual([0, 0]);
          if (kind === 'plain') expect(operation.from + operation.length).toBeLessThanOrEqual(1 << 16);
          else if (hasPlain) expect(operation.from).toBeGreaterThanOrEqual(1 << 16);
        }
      }
    }
  });
});
