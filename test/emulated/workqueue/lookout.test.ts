/** Looking for what has ended: found at the next turn, given up in time, and not tried again for a while. */
import { describe, expect, it } from 'vitest';
import { Lookout } from '../../../src/emulated/workqueue/lookout.ts';
import { QUAY } from '../../../src/emulated/workqueue/mail.ts';
import { LEAST_REST } from '../../../src/emulated/workqueue/pace.ts';

const NEVER_MS = Number.POSITIVE_INFINITY;
/** Any turn of the event loop takes longer. */
const AT_ONCE_MS = 1e-9;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A worker that ends what it is told to. */
function watched(mostMs: number) {
  const quay = new Int32Array(new SharedArrayBuffer(4 * QUAY.WORDS));
  const log: string[] = [];
  const gaveUp = { meanwhile: (): void => {} };
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
  );
  return {
    lookout,
    quay,
    log,
    gaveUp,
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
    const { begin, log, refusals, quay } = watched(AT_ONCE_MS);
    begin();
    await turn();
    expect(log.length).toBe(1);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(2);
    expect(refusals()).toBe(0);
    for (const rest of [LEAST_REST, 2 * LEAST_REST]) {
      await sleep(20);
      begin();
      await turn();
      expect(quay[QUAY.STAYS_AWAKE]).toBe(0);
      expect(refusals()).toBe(rest);
      begin();
      await turn();
    }
  });

  it('rests where the worker was asleep each time, and settles again in its next try', async () => {
    const { begin, end, refusals, quay } = watched(NEVER_MS);
    const one = async (isAsleep: boolean): Promise<void> => {
      begin(isAsleep);
      end();
      await turn();
    };
    await one(false);
    await sleep(20);
    for (let count = 0; count < 7; count++) await one(true);
    await one(false);
    for (let count = 0; count < 7; count++) await one(true);
    expect(refusals()).toBe(0);
    await one(true);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(0);
    await sleep(20);
    expect(refusals()).toBe(LEAST_REST);
    await one(true);
    expect(quay[QUAY.STAYS_AWAKE]).toBe(2);
  });

  it('forgives one in vain among many that are found', async () => {
    const { begin, end, refusals, lookout, log } = watched(1);
    await sleep(0);
    begin();
    await sleep(20);
    end();
    await turn();
    for (let count = 0; count < 50; count++) {
      begin();
      end();
      await turn();
    }
    begin();
    while (lookout.isOut) await turn();
    expect(log.at(-1)).toMatch(/gave up/);
    expect(refusals()).toBe(0);
  });

  it('never looks where it is told so', () => {
    expect(watched(0).lookout.mayBegin()).toBe(false);
  });
});
