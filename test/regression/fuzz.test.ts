/** What `kaio fuzz` has found: each program ran differently on Linux and on the emulation once. Paste new ones at the end. */
import { afterAll, describe, it } from 'vitest';
import { openNativeKernel } from '../../src/native/index.ts';
import { bothAgree, closeMachine } from './both-agree.ts';

function availability(): true | string {
  try {
    openNativeKernel();
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const available = availability();

describe.runIf(available !== true)('programs that the fuzzer found', () => {
  it(`have no native kernel here to be run on: ${available}`, () => {});
});

describe.runIf(available === true)('programs that the fuzzer found', () => {
  afterAll(closeMachine);

  // submit: Linux -22, the emulation 1
  it('a write to the device that is always full is refused', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        {
          op: 'submit',
          context: 0,
          entries: [{ at: 0, opcode: 1, file: 'full', buffer: { in: 'data', at: 0 }, nbytes: 8 }],
        },
      ],
    }));

  // events: Linux -29, the emulation 0
  it('a socket refuses a place in the file before it looks at the length', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        {
          op: 'submit',
          context: 0,
          entries: [
            { at: 0, opcode: 0, file: 'socket', buffer: { in: 'data', at: 0 }, nbytes: 0, offset: 1 },
            { at: 1, opcode: 1, file: 'socket', buffer: { in: 'data', at: 0 }, nbytes: 0, offset: 1 },
          ],
        },
      ],
    }));

  // events: Linux 100, the emulation -14
  it('the zero device takes writes from memory that is not there', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        {
          op: 'submit',
          context: 0,
          entries: [{ at: 0, opcode: 1, file: 'zero', buffer: { in: 'nowhere', at: 0 }, nbytes: 100 }],
        },
      ],
    }));

  // submit: Linux -22, the emulation -14
  it('a negative length wins over a missing rest of the array of iovecs', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        {
          op: 'submit',
          context: 0,
          entries: [
            {
              at: 0,
              opcode: 7,
              file: 'regular',
              segments: [{ base: { in: 'data', at: 0 }, length: -4096 }],
              array: 'straddle',
              nbytes: 2,
            },
          ],
        },
      ],
    }));

  // events: Linux -32, the emulation 0
  it('a socket that may not send any more refuses also what has no bytes', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        { op: 'shutdown', socket: 'own-socket-peer', how: 0 },
        {
          op: 'submit',
          context: 0,
          entries: [{ at: 0, opcode: 1, file: 'own-socket', segments: [] }],
        },
      ],
    }));

  // The fuzzer took the kernel's own tail for the one that the program had written.
  it('a tail that the program wrote is the tail that the kernel writes later', () =>
    bothAgree({
      executor: 'threadpool',
      operations: [
        { op: 'setup', into: 2, nr: 1 },
        { op: 'ring', context: 2, word: 'tail', delta: 2 },
        {
          op: 'submit',
          context: 2,
          entries: [
            { at: 0, opcode: 0, file: 'regular', segments: [] },
            { at: 0, opcode: 0, file: 'regular', segments: [] },
          ],
        },
      ],
    }));

  // memory: Linux 01, the emulation 8f
  it('an eventfd read into memory that ends in the middle writes what there is room for', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        { op: 'eventfd_write', eventfd: 'eventfd-semaphore', value: 1n },
        {
          op: 'submit',
          context: 0,
          entries: [
            {
              at: 0,
              opcode: 7,
              file: 'eventfd-semaphore',
              segments: [
                { base: { in: 'data', at: 16383 }, length: 2 },
                { base: { in: 'data', at: 0 }, length: 6 },
              ],
            },
          ],
        },
      ],
    }));

  it('io_getevents for no events brings a head beyond the ring back into it all the same', () =>
    bothAgree({
      executor: 'submit',
      operations: [
        { op: 'setup', into: 2, nr: 1 },
        { op: 'ring', context: 2, word: 'head', delta: 127 },
        { op: 'submit', context: 0, entries: [] },
        { op: 'getevents', context: 2, min_nr: 0, nr: 0 },
      ],
    }));
});
