/** Programs as such: made up from a seed, valid, made small, printed. No native kernel is needed. */
import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { DATA_BYTES } from '../../src/fuzz/arena.ts';
import { generate } from '../../src/fuzz/generator.ts';
import { literalOf, testCaseOf } from '../../src/fuzz/print.ts';
import {
  FILES,
  IOCB_SLOTS,
  isDirect,
  isTransfer,
  type Operation,
  type Place,
  type Program,
  type Request,
} from '../../src/fuzz/program.ts';
import type { Scope } from '../../src/fuzz/requests.ts';
import { candidates, shrink } from '../../src/fuzz/shrink.ts';

const SCOPE: Scope = {
  openFlags: false,
  pollsDescriptors: false,
  runsInSubmit: false,
  rw_flags: 0x17,
  unequal_rw_flags: 0x1e8,
  realtime: true,
  hugeFiles: false,
  usualLimit: true,
  cutsOneSegment: true,
  wakesByPage: true,
  cleanFaults: true,
  files: FILES,
};

const SCOPES = { submit: { ...SCOPE, runsInSubmit: true }, threadpool: SCOPE };

const OPEN_FLAGS = { submit: { ...SCOPES.submit, openFlags: true }, threadpool: SCOPE };

const seeds = fc.integer({ min: 0, max: 2 ** 31 });
const indexes = fc.nat(1_000_000);
const anyProgram = fc.tuple(seeds, indexes).map(([seed, index]) => generate(seed, index, SCOPES));

function requestsIn({ operations }: Program): Request[] {
  return operations.flatMap((operation) => {
    if (operation.op === 'fill') return [operation.request];
    return operation.op === 'submit' ? operation.entries.filter((entry) => 'file' in entry) : [];
  });
}

function placesIn({ buffer, segments = [] }: Request): Place[] {
  return [...(buffer === undefined ? [] : [buffer]), ...segments.map(({ base }) => base)];
}

describe('programs made up from a seed', () => {
  it('are the same each time', () => {
    fc.assert(
      fc.property(seeds, indexes, (seed, index) =>
        assert.deepEqual(generate(seed, index, SCOPES), generate(seed, index, SCOPES)),
      ),
    );
  });

  it('are others for another seed', () => {
    const texts = Array.from({ length: 1000 }, (_, index) => literalOf(generate(index % 10, index, SCOPES)));
    // A few short ones may be equal.
    assert.ok(new Set(texts).size > 900);
  });

  it('name memory by places inside its regions only', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        for (const request of requestsIn(program)) {
          if (typeof request.at === 'number') assert.ok(request.at >= 0 && request.at < IOCB_SLOTS);
          for (const place of placesIn(request))
            if (place.in === 'data') assert.ok(place.at >= 0 && place.at < DATA_BYTES);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('use all operations, opcodes and files', () => {
    const operations = new Set<string>();
    const opcodes = new Set<number>();
    const files = new Set<string>();
    for (let index = 0; index < 20_000; index++) {
      const program = generate(1, index, OPEN_FLAGS);
      for (const { op } of program.operations) operations.add(op);
      for (const { opcode, file } of requestsIn(program)) {
        opcodes.add(opcode);
        files.add(file);
      }
    }
    const all: readonly Operation['op'][] = [
      'submit',
      'fill',
      'getevents',
      'cancel',
      'setup',
      'destroy',
      'eventfd_write',
      'eventfd_read',
      'eventfd_close',
      'close',
      'dup',
      'truncate',
      'hold',
      'poke',
      'reap',
      'ring',
    ];
    assert.deepEqual(
      all.filter((op) => !operations.has(op)),
      [],
    );
    assert.deepEqual(
      [0, 1, 2, 3, 5, 7, 8, 4, 6, 0xffff].filter((opcode) => !opcodes.has(opcode)),
      [],
    );
    assert.deepEqual(
      FILES.filter((file) => !files.has(file)),
      [],
    );
  });

  it('alter rings and destroy contexts only where no other program looks', () => {
    for (let index = 0; index < 20_000; index++)
      for (const operation of generate(2, index, SCOPES).operations) {
        if (operation.op === 'ring') assert.ok(operation.context >= 2);
        if (operation.op === 'destroy') assert.ok(operation.context !== 0 && operation.context !== 1);
      }
  });

  it('do direct I/O alone, and never where slots are counted', () => {
    for (let index = 0; index < 20_000; index++)
      for (const operation of generate(3, index, SCOPES).operations) {
        if (operation.op !== 'submit') continue;
        const direct = operation.entries.filter((entry) => 'file' in entry && isDirect(entry.file));
        if (direct.some((entry) => 'opcode' in entry && isTransfer(entry.opcode))) {
          assert.equal(operation.entries.length, 1);
          assert.notEqual(operation.context, 0);
        }
      }
  });
});

describe('making programs small', () => {
  it('finds the operation and the field that matter', async () => {
    const program: Program = {
      executor: 'threadpool',
      operations: [
        { op: 'poke', at: 5, length: 6, byte: 7 },
        {
          op: 'submit',
          context: 1,
          entries: [
            { at: 3, opcode: 0, file: 'null', buffer: { in: 'data', at: 77 }, nbytes: 500, offset: 3 },
            { at: 4, opcode: 1, file: 'zero', buffer: { in: 'nowhere', at: 1 }, nbytes: 700, flags: 4 },
          ],
        },
        { op: 'cancel', context: 0, iocb: 9 },
      ],
    };
    const shows = async (candidate: Program): Promise<boolean> =>
      requestsIn(candidate).some(({ opcode, nbytes }) => opcode === 1 && Number(nbytes) >= 100);
    assert.deepEqual(await shrink(program, shows), {
      executor: 'submit',
      operations: [
        {
          op: 'submit',
          context: 0,
          entries: [{ at: 0, opcode: 1, file: 'regular', buffer: { in: 'data', at: 0 }, nbytes: 100 }],
        },
      ],
    });
  });

  it('ends, whatever shows', async () => {
    await fc.assert(
      fc.asyncProperty(anyProgram, async (program) => {
        let tried = 0;
        await shrink(program, async () => {
          tried++;
          return true;
        });
        assert.ok(tried <= 1000);
      }),
    );
  });

  it('offers only other programs', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const text = literalOf(program);
        for (const candidate of candidates(program)) assert.notEqual(literalOf(candidate), text);
      }),
    );
  });
});

describe('printing programs', () => {
  it('gives a literal that means the same program', () => {
    fc.assert(
      fc.property(anyProgram, (program) => {
        const copy: unknown = runInNewContext(`JSON.stringify(${literalOf(program)}, ${String(replacer)})`);
        assert.equal(copy, JSON.stringify(program, replacer));
      }),
    );
  });

  it('gives a test that calls bothAgree', () => {
    const program: Program = { executor: 'submit', operations: [{ op: 'close', file: 'regular' }] };
    const difference = { step: 0, what: 'close', native: '0', emulated: 'threw Error\n    at nowhere' };
    const source = testCaseOf('seed 1, program 2: close', program, difference);
    assert.equal(
      source.replace(/\s+/g, ' '),
      `// close: Linux 0, the emulation threw Error it("seed 1, program 2: close", () => ` +
        `bothAgree({ executor: 'submit', operations: [ { op: 'close', file: 'regular' } ] })); `,
    );
  });
});

function replacer(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
