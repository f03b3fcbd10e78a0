import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { pageAlignedBuffer } from '../../../src/common/memory/page-aligned.ts';
import { AddressSpace, PAGE_SIZE, TASK_SIZE } from '../../../src/emulated/memory/mm.ts';

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const soon = () => new Promise((resolve) => setTimeout(resolve, 1));

describe('address space', () => {
  it('gives a buffer one address for good, and its views places in it', () => {
    const mm = new AddressSpace();
    const buffer = new ArrayBuffer(100);
    const base = mm.addressOf(buffer);
    expect(mm.addressOf(new Uint8Array(buffer, 7, 3))).toBe(base + 7);
    expect(mm.addressOf(buffer)).toBe(base);
    expect(base + 100).toBeLessThan(TASK_SIZE);
    expect(mm.addressOf(new Uint8Array(buffer, 50, 0))).toBe(0);
  });

  it('puts ordinary memory 16 bytes into a page and page-aligned memory at its start', () => {
    const mm = new AddressSpace();
    expect(mm.addressOf(new ArrayBuffer(8192)) % PAGE_SIZE).toBe(16);
    expect(mm.addressOf(pageAlignedBuffer(1)) % PAGE_SIZE).toBe(0);
    expect(mm.mmap(1, 'read') % PAGE_SIZE).toBe(0);
  });

  it('leaves at least a page between buffers that belongs to nobody', () => {
    const mm = new AddressSpace();
    const one = new ArrayBuffer(PAGE_SIZE - 16);
    const two = new ArrayBuffer(8);
    const end = mm.addressOf(one) + one.byteLength;
    expect(mm.addressOf(two) - end).toBeGreaterThanOrEqual(PAGE_SIZE);
    expect(mm.read(end - 1, 1)).toHaveLength(1);
    expect(mm.read(end - 1, 2)).toBeUndefined();
    expect(mm.read(mm.addressOf(two) - 1, 1)).toBeUndefined();
  });

  it('faults at null, at nonsense and beyond user space', () => {
    const mm = new AddressSpace();
    mm.addressOf(new ArrayBuffer(8));
    for (const address of [0, 1, TASK_SIZE, 2 ** 53, 2 ** 63, 2 ** 64]) {
      expect(mm.read(address, 1)).toBeUndefined();
      expect(mm.write(address, new Uint8Array(1))).toBe(false);
    }
  });

  it('tells how much of a range is accessible, page by page', () => {
    const mm = new AddressSpace();
    const base = mm.mmap(4 * PAGE_SIZE, 'read-write');
    mm.mprotect(base + PAGE_SIZE, PAGE_SIZE, 'read');
    mm.mprotect(base + 2 * PAGE_SIZE, PAGE_SIZE, 'none');
    expect(mm.accessible(base + 10, 5 * PAGE_SIZE, 'write')).toBe(PAGE_SIZE - 10);
    expect(mm.accessible(base + 10, 5 * PAGE_SIZE, 'read')).toBe(2 * PAGE_SIZE - 10);
    expect(mm.accessible(base + 2 * PAGE_SIZE, 1, 'read')).toBe(0);
    expect(mm.accessible(base + 3 * PAGE_SIZE, 2 * PAGE_SIZE, 'read')).toBe(PAGE_SIZE);
    expect(mm.munmap(base, PAGE_SIZE)).toBe(0);
    expect(mm.accessible(base, 1, 'read')).toBe(0);
    expect(mm.mprotect(base, PAGE_SIZE, 'read')).toBe(-12);
    expect(mm.mprotect(base + 1, PAGE_SIZE, 'read')).toBe(-22);
  });

  it('faults on a buffer that was detached, and beyond one that shrank', () => {
    const mm = new AddressSpace();
    const detached = new ArrayBuffer(64);
    const address = mm.addressOf(detached);
    structuredClone(detached, { transfer: [detached] });
    expect(mm.read(address, 1)).toBeUndefined();

    const Resizable = ArrayBuffer as unknown as new (
      bytes: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(bytes: number): void };
    const resizable = new Resizable(64, { maxByteLength: 2 * PAGE_SIZE });
    const base = mm.addressOf(resizable);
    const next = mm.addressOf(new ArrayBuffer(8));
    expect(mm.accessible(base, 100, 'read')).toBe(64);
    resizable.resize(2 * PAGE_SIZE);
    expect(mm.write(base + 2 * PAGE_SIZE - 1, Uint8Array.of(7))).toBe(true);
    expect(next).toBeGreaterThan(base + 2 * PAGE_SIZE);
    resizable.resize(10);
    expect(mm.accessible(base, 100, 'read')).toBe(10);
  });

  it('keeps no buffer alive, and unmaps what was collected', async () => {
    const mm = new AddressSpace();
    const kept = new Uint8Array(8);
    const keptAt = mm.addressOf(kept);
    const addresses: number[] = [];
    for (let i = 0; i < 5000; i++) {
      addresses.push(mm.addressOf(new ArrayBuffer(64)));
      if (i % 500 === 0) {
        await soon();
        gc();
      }
    }
    await soon();
    gc();
    await soon();
    expect(mm.mappings).toBeLessThan(3000);
    expect(addresses.filter((address) => mm.read(address, 1) !== undefined).length).toBeLessThan(100);
    expect(mm.read(keptAt, 8)).toHaveLength(8);
    expect(mm.addressOf(kept)).toBe(keptAt);
  });

  it('never gives an address out twice', () => {
    const mm = new AddressSpace();
    const seen = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const base = mm.mmap(PAGE_SIZE, 'read-write');
      expect(seen.has(base)).toBe(false);
      seen.add(base);
      mm.munmap(base, PAGE_SIZE);
    }
    expect(mm.mappings).toBe(0);
  });
});
