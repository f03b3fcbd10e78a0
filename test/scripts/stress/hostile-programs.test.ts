import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { programs } from '../../../scripts/stress/hostile/arbitraries.ts';
import { programOf } from '../../../scripts/stress/hostile/generation.ts';
import { described } from '../../../scripts/stress/hostile/printer.ts';
import type { Program } from '../../../scripts/stress/hostile/program.ts';
import { shrunk } from '../../../scripts/stress/hostile/shrink.ts';

const native = programs(new Set(), false);

describe('programs', () => {
  it('are the same for the same seed and number', () => {
    for (let index = 0; index < 50; index++)
      expect(programOf(native, 7, index)).toEqual(programOf(native, 7, index));
    expect(programOf(native, 7, 1)).not.toEqual(programOf(native, 8, 1));
  });

  it('have every kind of step', () => {
    const seen = new Set<string>();
    const emulated = programs(new Set(), true);
    for (let index = 0; index < 2000; index++)
      for (const step of programOf(emulated, 1, index)) seen.add(step.do);
    expect([...seen].sort()).toMatchInlineSnapshot(`
      [
        "abort",
        "adopt",
        "answer",
        "close context",
        "close descriptor",
        "close file",
        "close shared context",
        "collect garbage",
        "context",
        "descriptor",
        "drain",
        "drop context",
        "drop file",
        "exhaust descriptors",
        "feed pipe",
        "file read",
        "file readFile",
        "file readFully",
        "file readv",
        "file stat",
        "file sync",
        "file write",
        "file writeFully",
        "file writev",
        "give back",
        "hand over",
        "install",
        "memory",
        "on abort",
        "open",
        "poll",
        "promise hook",
        "read",
        "readv",
        "resize",
        "reuse descriptor",
        "stream",
        "submit",
        "subscribe",
        "sync",
        "wait",
        "wake",
        "write",
        "writev",
      ]
    `);
  });

  it('leave out what is to be left out, wherever it may be', () => {
    const without = ['hand over', 'lies', 'asked', 'wasm', 'kaio:submit'];
    const arbitrary = programs(new Set(without), true);
    fc.assert(
      fc.property(arbitrary, (program) => {
        const text = JSON.stringify(program);
        for (const word of ['hand over', '"asked":', '"wasm"', 'kaio:submit', 'own byteLength'])
          expect(text).not.toContain(word);
      }),
      { numRuns: 300 },
    );
  });

  it('can be told in words', () => {
    fc.assert(
      fc.property(native, (program) => program.every((step) => described(step).length > 0)),
      { numRuns: 300 },
    );
  });

  it('survive being written down', () => {
    fc.assert(
      fc.property(native, (program) => {
        expect(described(JSON.parse(JSON.stringify(program))[0])).toEqual(described(program[0]!));
      }),
      { numRuns: 300 },
    );
  });
});

describe('shrunk', () => {
  const isHandOver = (program: Program): boolean => JSON.stringify(program).includes('"hand over"');

  it('comes down to the step that matters', async () => {
    let index = 0;
    while (!isHandOver(programOf(native, 3, index))) index++;
    const small = await shrunk(
      programOf(native, 3, index),
      native,
      async (program) => isHandOver(program),
      20,
    );
    expect(small).toEqual([{ do: 'hand over', memory: 0, how: expect.any(String) }]);
  });

  it('unfolds what runs in the middle of a step', async () => {
    const program: Program = [
      { do: 'wait', how: 'tick' },
      { do: 'subscribe', channel: 'kaio:submit', body: [{ do: 'hand over', memory: 2, how: 'transfer' }] },
    ];
    const small = await shrunk(program, native, async (one) => isHandOver(one), 20);
    expect(small).toEqual([{ do: 'hand over', memory: 0, how: 'structuredClone' }]);
  });

  it('keeps what it is given when nothing smaller fails, and ends in time', async () => {
    const program = programOf(native, 5, 1);
    const text = JSON.stringify(program);
    const small = await shrunk(program, native, async (one) => JSON.stringify(one) === text, 2);
    expect(JSON.stringify(small)).toBe(text);
  });
});
