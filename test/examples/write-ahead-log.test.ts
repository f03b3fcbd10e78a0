import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'kaio';
import { afterEach, describe, expect, it } from 'vitest';
import { crashTest } from '../../examples/write-ahead-log/crash-test.ts';
import { decodeRecords, encodeRecord } from '../../examples/write-ahead-log/record.ts';
import type { Promised } from '../../examples/write-ahead-log/storage.ts';
import { type Recovered, WriteAheadLog } from '../../examples/write-ahead-log/write-ahead-log.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true });
});

function onThisHost() {
  const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-wal-'));
  directories.push(directory);
  return {
    directory,
    options: {
      directory,
      names: fs.promises,
      open: (path: string, flags: string) => open(path, flags),
      syncsDirectories: process.platform !== 'win32',
      segmentBytes: 500,
    },
    last: () =>
      join(
        directory,
        fs
          .readdirSync(directory)
          .filter((name) => name.endsWith('.log'))
          .sort()
          .at(-1)!,
      ),
  };
}

const texts = ({ records }: Recovered): string[] => records.map(String);

describe('the write-ahead log on a simulated disk', () => {
  it('keeps its word over a thousand crashes', async () => {
    const total = { crashes: 0, inRecovery: 0, acknowledged: 0 };
    for (let seed = 1; total.crashes < 1000; seed++) {
      const result = await crashTest({ seed });
      total.crashes += result.crashes;
      total.inRecovery += result.inRecovery;
      total.acknowledged += result.acknowledged;
    }
    // It would be easy to keep one's word without ever giving it.
    expect(total.acknowledged).toBeGreaterThan(10_000);
    expect(total.inRecovery).toBeGreaterThan(100);
  }, 300_000);

  it.each(['batch', 'content', 'segment', 'name'] as const)(
    'is caught when it forgets to sync: %s',
    async (forgotten: Promised) => {
      let failure: unknown;
      let seed = 0;
      while (failure === undefined && seed < 1000) {
        seed++;
        failure = await crashTest({ seed, forgotten }).then(
          () => undefined,
          (error: unknown) => error,
        );
      }
      expect(failure).toMatchObject({ code: 'ERR_AIO_SIMULATION', seed: BigInt(seed) });
      expect(String(failure)).toMatch(/(missing|damaged)[\s\S]*-- power lost/);
      // The seed is all it takes to see it again.
      await expect(crashTest({ seed, forgotten })).rejects.toMatchObject({
        trace: (failure as { trace: string }).trace,
      });
      await expect(crashTest({ seed })).resolves.toMatchObject({ crashes: 4 });
    },
  );
});

describe('the write-ahead log on a disk that puts writes elsewhere', () => {
  it('may lose records, or refuse to open, but makes none up', async () => {
    let refused = 0;
    for (let seed = 1; seed <= 100; seed++) {
      if ((await crashTest({ seed, misdirects: true })).refused) refused++;
    }
    expect(refused).toBeGreaterThan(0);
  });
});

describe('the write-ahead log on the file system of this host', () => {
  it('finds what was appended, in order, through segments and checkpoints', async () => {
    const { options, directory } = onThisHost();
    const first = await WriteAheadLog.open(options);
    expect([first.records, first.checkpoint]).toEqual([[], undefined]);
    const numbers = await Promise.all(
      Array.from({ length: 100 }, (_, index) => first.log.append(Buffer.from(`record ${index}`))),
    );
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    for (let index = 100; index < 130; index++) await first.log.append(Buffer.from(`record ${index}`));
    expect(fs.readdirSync(directory).length).toBeGreaterThan(1);
    await first.log.close();
    const second = await WriteAheadLog.open(options);
    expect(texts(second)).toEqual(Array.from({ length: 130 }, (_, index) => `record ${index}`));
    await expect(second.log.checkpoint(Buffer.from('too early'), 131)).rejects.toThrow(RangeError);
    await second.log.checkpoint(Buffer.from('the first 120'), 120);
    await second.log.append(Buffer.from('record 130'));
    await second.log.checkpoint(Buffer.from('the first 129'), 129);
    await second.log.close();
    await expect(second.log.append(Buffer.from('late'))).rejects.toThrow('closed');
    const third = await WriteAheadLog.open(options);
    expect([String(third.checkpoint), third.firstNumber]).toEqual(['the first 129', 130]);
    expect(texts(third)).toEqual(['record 129', 'record 130']);
    await third.log.close();
  });

  it('ends at the first record that is not whole, for good', async () => {
    const { options, last } = onThisHost();
    const { log } = await WriteAheadLog.open({ ...options, segmentBytes: 1 << 20 });
    for (const text of ['one', 'two', 'three']) await log.append(Buffer.from(text));
    await log.close();
    const content = fs.readFileSync(last());
    const second = encodeRecord(1, Buffer.from('one')).length;
    content[second + 17]! ^= 1;
    fs.writeFileSync(last(), content);
    const damaged = await WriteAheadLog.open(options);
    expect(texts(damaged)).toEqual(['one']);
    // Of the same length as the one that it replaces, so that the third would lie right behind it.
    await damaged.log.append(Buffer.from('new'));
    await damaged.log.close();
    const after = await WriteAheadLog.open(options);
    expect(texts(after)).toEqual(['one', 'new']);
    await after.log.close();
  });

  it('refuses what no crash can have left behind', async () => {
    const { options, directory, last } = onThisHost();
    const { log } = await WriteAheadLog.open(options);
    for (let index = 0; index < 60; index++) await log.append(Buffer.from(`record ${index}`));
    await log.checkpoint(Buffer.from('state'), 30);
    await log.close();
    const path = join(directory, 'checkpoint');
    const saved = fs.readFileSync(path);
    fs.writeFileSync(path, saved.subarray(0, saved.length - 1));
    await expect(WriteAheadLog.open(options)).rejects.toThrow('checkpoint is damaged');
    fs.writeFileSync(path, saved);
    const [firstSegment] = fs.readdirSync(directory).sort();
    expect(join(directory, firstSegment!)).not.toBe(last());
    fs.truncateSync(join(directory, firstSegment!), 30);
    await expect(WriteAheadLog.open(options)).rejects.toThrow('damaged');
    fs.unlinkSync(join(directory, firstSegment!));
    await expect(WriteAheadLog.open(options)).rejects.toThrow('are missing');
  });
});

describe('records', () => {
  it('are found up to the first that is cut, changed, or out of its turn', () => {
    const bytes = Buffer.concat(
      ['a', '', 'ccc'].map((text, index) => encodeRecord(7 + index, Buffer.from(text))),
    );
    const found = (some: Buffer, first = 7) => decodeRecords(some, first).map(String);
    expect(found(bytes)).toEqual(['a', '', 'ccc']);
    expect(found(bytes, 8)).toEqual([]);
    expect(found(bytes.subarray(0, bytes.length - 1))).toEqual(['a', '']);
    expect(found(Buffer.concat([bytes, Buffer.alloc(100)]))).toEqual(['a', '', 'ccc']);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      expect(found(changed).length).toBeLessThan(3);
    }
  });
});
