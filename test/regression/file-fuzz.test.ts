/** What `kaio fuzz --files` has found, as small as it got: AioFile does as FileHandle does. */
import { afterAll, describe, it } from 'vitest';
import { asFileHandle, closeRunner, noFileFuzz } from '../file-fuzz/as-file-handle.ts';

describe.skipIf(noFileFuzz !== undefined)('programs over files that were found by fuzzing', () => {
  afterAll(closeRunner);

  it('a position that is given leaves the one that is kept alone', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'a+' },
        { op: 'call', slot: 0, method: 'read', args: [{ $: 'bytes', length: 5 }, 0, 5, 3] },
        { op: 'call', slot: 0, method: 'read', args: [{ $: 'bytes', length: 5 }, 0, 5, -1] },
      ],
    }));

  it('options of write that are null', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r+' },
        { op: 'call', slot: 0, method: 'write', args: [{ $: 'bytes', length: 3 }, null, 1] },
        { op: 'call', slot: 0, method: 'write', args: [{ $: 'bytes', length: 1 }, 1] },
        { op: 'call', slot: 0, method: 'write', args: [{ $: 'bytes', length: 1 }, 2n] },
        {
          op: 'call',
          slot: 0,
          method: 'write',
          args: [
            { $: 'bytes', length: 1 },
            { offset: 2n, length: null },
          ],
        },
      ],
    }));

  it('writes of no bytes, which the kernel may refuse', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        { op: 'call', slot: 0, method: 'write', args: [''] },
        { op: 'call', slot: 0, method: 'write', args: ['zz', undefined, 'hex'] },
        { op: 'call', slot: 0, method: 'write', args: ['abc', undefined, 'hex'] },
        { op: 'call', slot: 0, method: 'write', args: [{ $: 'bytes', length: 1 }, 1] },
        { op: 'open', slot: 1, place: 'version', flags: 'r' },
        { op: 'call', slot: 1, method: 'write', args: [{ $: 'bytes', length: 1 }, undefined, undefined, 0] },
      ],
    }));

  it('reads whose options are no options', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        { op: 'call', slot: 0, method: 'read', args: [[]] },
        { op: 'call', slot: 0, method: 'read', args: [{ offset: {} }] },
        { op: 'call', slot: 0, method: 'read', args: [{ $: 'bytes', length: 1 }, 0, 1, 0n] },
      ],
    }));

  it.each(['r', 'r+'] as const)('an abort while the first of several pieces is written (%s)', (flags) =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags },
        {
          op: 'call',
          slot: 0,
          method: 'writeFile',
          args: [
            { $: 'readable', items: [{ $: 'bytes', length: 8 }, '', ''], abortAt: 2 },
            { signal: { $: 'signal', state: 'later' }, mode: 384 },
          ],
        },
      ],
    }),
  );

  it('an abort in the turn of the call, and what is written of it', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        {
          op: 'call',
          slot: 0,
          method: 'appendFile',
          args: [{ $: 'bytes', length: 1 }, { signal: { $: 'signal', state: 'later' } }],
          wait: false,
        },
        { op: 'abort' },
        { op: 'settle' },
        {
          op: 'call',
          slot: 0,
          method: 'writeFile',
          args: [{ $: 'symbol' }, { signal: { $: 'signal', state: 'aborted' } }],
        },
      ],
    }));

  it('pieces of an iterable that are neither strings nor views', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r+' },
        { op: 'call', slot: 0, method: 'appendFile', args: [{ $: 'async-iterable', items: [[]] }] },
        { op: 'call', slot: 0, method: 'appendFile', args: [{ $: 'iterable', items: ['x', true] }] },
        { op: 'call', slot: 0, method: 'writeFile', args: [{ $: 'bytes', length: 0 }, { mode: 'x' }] },
      ],
    }));

  it('a read beside a close beside a write of nothing', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        { op: 'call', slot: 0, method: 'write', args: [{ $: 'bytes', length: 0 }], wait: false },
        { op: 'close', slot: 0, wait: false },
        { op: 'call', slot: 0, method: 'read', args: [] },
      ],
    }));

  it('more than a FIFO takes at once', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'fifo', flags: 2049 },
        { op: 'call', slot: 0, method: 'appendFile', args: [{ $: 'bytes', length: 540_000 }] },
      ],
    }));

  it('a close in an event of a stream that has closed the file already', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        {
          op: 'write-stream',
          slot: 0,
          stream: 0,
          options: { signal: { $: 'signal', state: 'aborted' } },
          plan: { chunks: [{ $: 'bytes', length: 0 }], oneByOne: true, last: 'close-file' },
        },
      ],
    }));

  it('a function of the host that takes a file, which FileHandle keeps open since it refused a stream', () =>
    asFileHandle({
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r+' },
        {
          op: 'read-stream',
          slot: 0,
          stream: 0,
          options: { start: null, end: 5, highWaterMark: 100 },
          plan: { by: 'data' },
        },
        {
          op: 'read-stream',
          slot: 0,
          stream: 1,
          options: { highWaterMark: 100 },
          plan: { by: 'readable' },
        },
        { op: 'host', slot: 0, call: 'appendFile(file)', length: 1 },
      ],
    }));
});
