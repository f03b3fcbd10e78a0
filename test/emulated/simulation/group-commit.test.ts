/** What a resolved datasync() promises, held against a disk that loses its power. */
import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { check, simulate } from '../../../src/emulated/index.ts';
import { JoiningSyncs } from '../../support/joining-syncs.ts';
import { openOn } from './simulated.ts';

const WRITERS = 8;
const BLOCK = 512;
const VERSIONS = 12;

type Commit = (block: Buffer, position: number) => Promise<unknown>;
type Committing = (file: AioFile) => Commit;

const WAYS: Readonly<Record<string, Committing>> = {
  'write and datasync': (file) => async (block, position) => {
    await file.writeFully(block, { position });
    await file.datasync();
  },
  'write with dsync': (file) => (block, position) => file.writeFully(block, { position, dsync: true }),
  'a vector with dsync': (file) => async (block, position) => {
    const { bytesWritten } = await file.writev([block.subarray(0, 9), block.subarray(9)], position, {
      dsync: true,
    });
    // A short one has promised nothing about the rest.
    if (bytesWritten < BLOCK) await file.writeFully(block, { position, dsync: true });
  },
};

/** As one who lets a sync that is under way serve who asks. */
const joining: Committing = (file) => {
  const syncs = new JoiningSyncs(() => file.datasync());
  return async (block, position) => {
    await file.writeFully(block, { position });
    await syncs.sync('fdatasync');
  };
};

async function history(seed: number, committing: Committing): Promise<number> {
  const faults = seed % 2 === 0 ? {} : { EIO: 0.01, shortWrite: 0.1 };
  const first = simulate({ seed, faults });
  return check(first, async () => {
    const written = new Array<number>(WRITERS).fill(0);
    const durable = new Array<number>(WRITERS).fill(0);
    let commits = 0;
    const second = await first.crashDuring(
      async (simulation) => {
        const file = await openOn(simulation, '/file', 'w+');
        await file.sync();
        const commit = committing(file);
        const writer = async (index: number): Promise<void> => {
          for (let version = 1; version <= VERSIONS; version++) {
            written[index] = version;
            try {
              await commit(Buffer.alloc(BLOCK, version), index * BLOCK);
            } catch (error) {
              if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error;
              continue;
            }
            if (simulation.isCrashed) return;
            durable[index] = version;
            commits++;
          }
        };
        await Promise.all(Array.from({ length: WRITERS }, (_, index) => writer(index)));
      },
      { withinEvents: 120 },
    );
    if (commits === 0) return 0;
    const file = await openOn(second, '/file', 'r');
    const found = Buffer.alloc(WRITERS * BLOCK);
    for (let tries = 0; ; tries++) {
      try {
        await file.readFully(found, { position: 0 });
        break;
      } catch (error) {
        if (tries > 100) throw error;
      }
    }
    for (let index = 0; index < WRITERS; index++) {
      const version = Math.min(...found.subarray(index * BLOCK, (index + 1) * BLOCK));
      assert.ok(
        version >= durable[index]!,
        `writer ${index} was told that ${durable[index]} is durable; there is ${version}`,
      );
      assert.ok(version <= written[index]!);
    }
    await file.close();
    return commits;
  });
}

describe('a file that commits for many', () => {
  for (const [name, committing] of Object.entries(WAYS)) {
    it(`keeps its word over power cuts: ${name}`, async () => {
      let commits = 0;
      for (let seed = 1; seed <= 150; seed++) commits += await history(seed, committing);
      assert.ok(commits > 1000, `${commits} commits`);
    });
  }

  it('would be caught if a sync under way served who asks meanwhile', async () => {
    let caught: unknown;
    for (let seed = 1; seed <= 150 && caught === undefined; seed++)
      caught = await history(seed, joining).then(
        () => undefined,
        (error: unknown) => error,
      );
    assert.match(String(caught), /was told that \d+ is durable/);
  });
});
