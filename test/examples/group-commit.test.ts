import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AioContext, open } from 'kaio';
import { check, type Simulation, simulate } from 'kaio/emulated';
import { describe, expect, it } from 'vitest';
import { Tickets } from '../../examples/group-commit/tickets.ts';

const COUNTERS = 8;

function openOn({ kernel }: Simulation) {
  const context = new AioContext({ kernel, queueDepth: 32 });
  return open('/tickets', fs.constants.O_RDWR | fs.constants.O_CREAT, 0o666, { context });
}

/** @returns Tickets that were given out before the power was lost. */
async function life(seed: number): Promise<number> {
  const first = simulate({ seed });
  return check(first, async () => {
    const given = new Map<number, bigint>();
    let total = 0;
    const second = await first.crashDuring(
      async (simulation) => {
        const store = await Tickets.open(await openOn(simulation), COUNTERS);
        const writer = async (counter: number): Promise<void> => {
          for (let times = 0; times < 20; times++) {
            const number = await store.next(counter);
            if (simulation.isCrashed) return;
            given.set(counter, number);
            total++;
          }
        };
        await Promise.all(Array.from({ length: COUNTERS }, (_, counter) => writer(counter)));
      },
      { withinEvents: 200 },
    );
    const again = await Tickets.open(await openOn(second), COUNTERS);
    for (const [counter, number] of given) expect(await again.next(counter)).toBeGreaterThan(number);
    return total;
  });
}

describe('tickets', () => {
  it('are never given out twice, whenever the power is lost', async () => {
    let given = 0;
    for (let seed = 1; seed <= 100; seed++) given += await life(seed);
    expect(given).toBeGreaterThan(1000);
  });

  it('go on after a restart, on this host', async () => {
    const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-tickets-'));
    try {
      const path = join(directory, 'tickets');
      for (let restart = 0; restart < 3; restart++) {
        await using file = await open(path, restart === 0 ? 'w+' : 'r+', 0o666, { direct: 'prefer' });
        const store = await Tickets.open(file, COUNTERS);
        const numbers = await Promise.all(
          Array.from({ length: COUNTERS }, (_, counter) => store.next(counter)),
        );
        expect(new Set(numbers)).toEqual(new Set([BigInt(restart + 1)]));
      }
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});
