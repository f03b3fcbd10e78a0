import { describe, expect, it } from 'vitest';
import { hostClock } from '../../src/emulated/clock.ts';
import { VirtualClock } from '../../src/emulated/simulated/virtual-clock.ts';

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

describe('the clock of the host', () => {
  it('calls back later, never from inside the call, in order, and not after it was called off', async () => {
    const log: string[] = [];
    const before = hostClock.nowNs();
    hostClock.after(0, () => log.push('called off'))();
    hostClock.after(1_000_000, () => log.push('called off'))();
    hostClock.after(0, () => log.push('at once'));
    await new Promise<void>((resolve) => {
      hostClock.after(2_000_000, () => {
        log.push('later');
        resolve();
      });
      log.push('asked');
    });
    expect(log).toEqual(['asked', 'at once', 'later']);
    expect(hostClock.nowNs()).toBeGreaterThan(before);
  });
});

describe('the virtual clock', () => {
  it('jumps from one thing that is due to the next, and ties are in the order of asking', () => {
    const clock = new VirtualClock();
    const log: [string, number][] = [];
    const note = (name: string) => () => log.push([name, clock.nowNs()]);
    clock.after(3_000_000_000, note('third'));
    clock.after(10, note('first'));
    clock.after(20, note('called off'))();
    clock.after(20, note('second'));
    clock.after(20, note('second too'));
    clock.after(-5, note('no time can be before now'));
    expect(clock.nextNs).toBe(0);
    while (clock.step());
    expect(log).toEqual([
      ['no time can be before now', 0],
      ['first', 10],
      ['second', 20],
      ['second too', 20],
      ['third', 3_000_000_000],
    ]);
    expect(clock.nextNs).toBe(Number.POSITIVE_INFINITY);
    expect(clock.step()).toBe(false);
  });

  it('keeps the order of many', () => {
    const clock = new VirtualClock();
    const seen: number[] = [];
    for (let i = 0; i < 1000; i++) {
      const ns = (i * 7919) % 1000;
      clock.after(ns, () => seen.push(clock.nowNs()));
    }
    while (clock.step());
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('stands still while the program has something to do, and then moves by itself', async () => {
    const clock = new VirtualClock();
    let passed = false;
    clock.after(1_000_000_000, () => {
      passed = true;
    });
    for (let turn = 0; turn < 20; turn++) {
      clock.touch();
      await turns(1);
      expect([turn, passed, clock.nowNs()]).toEqual([turn, false, 0]);
    }
    await turns(10);
    expect(passed).toBe(true);
    expect(clock.nowNs()).toBe(1_000_000_000);
  });

  it('lets time pass in which nothing is due, and never goes back', () => {
    const clock = new VirtualClock();
    clock.passUntil(500);
    clock.passUntil(100);
    expect(clock.nowNs()).toBe(500);
  });
});
