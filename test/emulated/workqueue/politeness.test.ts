import { pbkdf2 } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { temporaryFile } from '../user.ts';

const READS = 1000;
/** A thousand of them are few enough for one io_submit. */
const BYTES = 4000;
const { read } = fs;

function replaceRead(other: typeof read): void {
  fs.read = other;
  syncBuiltinESMExports();
}

describe('the thread pool executor is polite', () => {
  const file = temporaryFile(Buffer.alloc(BYTES, 1));
  afterEach(() => replaceRead(read));
  afterAll(() => file.remove());

  /** Reads that the pool was given by the time that a look-up and a hash are asked for, which it serves behind them. */
  async function readsBefore(concurrency: number | undefined): Promise<number> {
    let given = 0;
    replaceRead(((...args: unknown[]) => {
      if (args[0] === file.fd) given++;
      (read as (...args: unknown[]) => void)(...args);
    }) as typeof read);
    await using context = new AioContext({
      kernel: emulatedKernel({
        executor: 'threadpool',
        transferThread: false,
        ...(concurrency === undefined ? {} : { concurrency }),
      }),
      queueDepth: READS,
    });
    const buffer = new Uint8Array(BYTES);
    const all = Array.from({ length: READS }, async () =>
      expect(await context.read(file.fd, buffer, 0)).toBe(BYTES),
    );
    // The pool has by now what the executor gives it at a time.
    await all[0];
    const before = given;
    await Promise.all([lookup('localhost'), promisify(pbkdf2)('secret', 'salt', 1, 32, 'sha256')]);
    await Promise.all(all);
    expect(given).toBe(READS);
    return before;
  }

  it('dns.lookup and crypto.pbkdf2 have few before them while a thousand reads are queued', async () => {
    expect(await readsBefore(undefined)).toBeLessThan(READS / 4);
  });

  it('which have all of them before them where the pool is given everything at once', async () => {
    expect(await readsBefore(READS)).toBe(READS);
  });
});
