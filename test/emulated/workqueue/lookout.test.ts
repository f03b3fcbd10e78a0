/** Looking for what has ended: found at the next turn, given up in time, and not tried again for a while. */
import { describe, expect, it } from 'vitest';
import { Lookout } from '../../../src/emulated/workqueue/lookout.ts';
import { QUAY } from '../../../src/emulated/workqueue/mail.ts';
import { LEAST_REST } from '../../../src/emulated/workqueue/pace.ts';

const NEVER_MS = Number.POSITIVE_INFINITY;
/** Less than the clock of these tests goes on from one look at it to the next. */
const AT_ONCE_MS = 1e-9;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A worker that ends what it is told to. */
function watched(mostMs: number) {
  const quay = new Int32Array(new SharedArrayBuffer(4 * QUAY.WORDS));
  const log: string[] = [];
  const gaveUp = { meanwhile: (): void => {} };
  let nowMs = 1000;
  let underWay = 0;
  let ended = 0;
  const lookout = new Lookout(
    quay,
    {
      hasNews: () => ended > 0,
      isBusy: () => underWay > 0,
      collect: () => {
        log.push(`collected ${ended}`);
        underWay -= ended;
        ended = 0;
        return () => log.push('told');
      },
      gaveUp: () => {
        log.push(`gave up, looked for: ${quay[QUAY.LOOKED_FOR]}`);
        gaveUp.meanwhile();
      },
    },
    mostMs,
    () => (nowMs += 1e-6),
  );
  return {
    lookout,
    quay,
    log,
    gaveUp,
    /** So long passes by. */
    pass: (ms: number) => {
      nowMs += ms;
    },
    begin: (isAsleep = false) => {
      underWay++;
      lookout.begin(isAsleep);
    },
    end: () => ended++,
    /** What {@link Lookout.mayBegin} refuses before it allows one. */
    refusals: () => {
      let count = 0;
      while (!lookout.mayBegin()) count++;
      return count;
    },
  };
}

describe('a lookout', () => {
  it('finds what has ended in the next turn, however late that is, and goes on while there is more', async () => {
    const { begin, end, log, lookout, quay } = watched(NEVER_MS);
    begin();
    begin();
    expect(quay[QUAY.LOOKED_FOR]).toBe(1);
    for (let turns = 0; turns < 100; turns++) await turn();
    expect(log).toEqual([]);
    end();
    await turn();
    expect(log).toEqual(['collected 1', 'told']);
    expect(lookout.isOut).toBe(true);
    end();
    await turn();
    expect(log).toEqual(['collected 1', 'told', 'collected 1', 'told']);
    expect(lookout.isOut).toBe(false);
    expect(quay[QUAY.LOOKED_FOR]).toBe(0);
  });

  it('ends when somebody else has collected what it looks for', async () => {
    const { lookout, log, quay } = watched(NEVER_MS);
    lookout.begin(false);
    await turn();
    expect([lookout.isOut, quay[QUAY.LOOKED_FOR], log]).toEqual([false, 0, []]);
  });

  it('says that it does not look before it says that it has given up', async () => {
    const { begin, log, lookout } = watched(AT_ONCE_MS);
    begin();
    await turn();
    expect(log).toEqual(['gave up, looked for: 0']);
    expect(lookout.isOut).toBe(false);
  });

  it('tells of what ends while it gives up', async () => {
    const { begin, end, log, gaveUp } = watched(AT_ONCE_MS);
    gaveUp.meanwhile = end;
    begin();
    await turn();
    expect(log.slice(1)).toEqual(['collected 1', 'told']);
  });

  it('rests after looking in vain, longer each time, once it has settled', async () => {
    const { begin, log, refusals, quay, pass } = watched(AT_ONCE_MS);
    begin();
    await turn();
    expect(log.length).toBe(1);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(2);
    expect(refusals()).toBe(0);
    for (const rest of [LEAST_REST, 2 * LEAST_REST]) {
      pass(20);
      begin();
      await turn();
      expect(quay[QUAY.STAYS_AWAKE]).toBe(0);
      expect(refusals()).toBe(rest);
      begin();
      await turn();
    }
  });

  it('rests where the worker was asleep each time, and settles again in its next try', async () => {
    const { begin, end, refusals, quay, pass } = watched(NEVER_MS);
    const one = async (isAsleep: boolean): Promise<void> => {
      begin(isAsleep);
      end();
      await turn();
    };
    await one(false);
    pass(20);
    for (let count = 0; count < 7; count++) await one(true);
    await one(false);
    for (let count = 0; count < 7; count++) await one(true);
    expect(refusals()).toBe(0);
    await one(true);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(0);
    pass(20);
    expect(refusals()).toBe(LEAST_REST);
    await one(true);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(2);
  });

  it('forgives one in vain among many that are found', async () => {
    const { begin, end, refusals, lookout, log, pass } = watched(1);
    begin();
    pass(20);
    end();
    await turn();
    for (let count = 0; count < 50; count++) {
      begin();
      end();
      await turn();
    }
    begin();
    pass(2);
    while (lookout.isOut) await turn();
    expect(log.at(-1)).toMatch(/gave up/);
    expect(refusals()).toBe(0);
  });

  it('never looks where it is told so', () => {
    expect(watched(0).lookout.mayBegin()).toBe(false);
  });
});
