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
});
