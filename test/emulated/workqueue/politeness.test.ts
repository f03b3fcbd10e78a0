import { pbkdf2 } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { temporaryFile } from '../user.ts';

const READS = 1000;
/** A thousand of them are few enough for one io_submit. */
const BYTES = 4000;

describe('the thread pool executor is polite', () => {
  const file = temporaryFile(Buffer.alloc(BYTES, 1));
  afterAll(() => file.remove());

  /** Reads that have ended by the time that a look-up and a hash have, which are asked for behind all of them. */
  async function readsBefore(concurrency: number | undefined): Promise<number> {
    await using context = new AioContext({
      kernel: emulatedKernel({
        executor: 'threadpool',
        ...(concurrency === undefined ? {} : { concurrency }),
      }),
      queueDepth: READS,
    });
    let reads = 0;
    const buffer = new Uint8Array(BYTES);
    const all = Array.from({ length: READS }, async () => {
      expect(await context.read(file.fd, buffer, 0)).toBe(BYTES);
      reads++;
    });
    // The pool has by now what the executor gives it at a time.
    await all[0];
    await Promise.all([lookup('localhost'), promisify(pbkdf2)('secret', 'salt', 1, 32, 'sha256')]);
    const before = reads;
    await Promise.all(all);
    expect(reads).toBe(READS);
    return before;
  }

  it('dns.lookup and crypto.pbkdf2 finish while a thousand reads are queued', async () => {
    expect(await readsBefore(undefined)).toBeLessThan(READS / 4);
  });

  it('which they do not where the pool is given everything at once', async () => {
    expect(await readsBefore(READS)).toBeGreaterThan(READS / 4);
  });
});
