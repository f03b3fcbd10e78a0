import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { describe, it } from 'vitest';
import { errnoException } from '../../../src/common/errors.ts';
import { AwakeLoop } from '../../../src/common/file/awake-loop.ts';
import { FileSyncs, type SyncOperation } from '../../../src/common/file/file-syncs.ts';
import { JoiningSyncs } from '../../support/joining-syncs.ts';

/** A disk that does what it is told when it is told, and knows which writes are durable. */
class Disk {
  written = 0;
  durable = 0;
  readonly made: SyncOperation[] = [];
  readonly #underWay: { readonly covers: number; readonly end: (error?: unknown) => void }[] = [];

  readonly sync = (operation: SyncOperation): Promise<void> => {
    this.made.push(operation);
    const covers = this.written;
    return new Promise((resolve, reject) => {
      const end = (error?: unknown): void => {
        if (error !== undefined) reject(error);
        else {
          this.durable = Math.max(this.durable, covers);
          resolve();
        }
      };
      this.#underWay.push({ covers, end });
    });
  };

  /** Ends the sync that is under way. */
  async end(error?: unknown): Promise<void> {
    while (this.#underWay.length === 0) await setImmediate();
    this.#underWay.shift()!.end(error);
    await someTurns();
  }
}

/** What comes of something without waiting for anybody has come of it then. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate();
}

type Syncs = Pick<FileSyncs, 'sync'>;

/** Asks, and notes whether what was written before is durable when it is told so. */
function commit(disk: Disk, syncs: Syncs, operation: SyncOperation = 'fdatasync') {
  const mine = ++disk.written;
  const outcome: { state: string; error?: NodeJS.ErrnoException } = { state: 'waiting' };
  syncs.sync(operation).then(
    () => {
      outcome.state = disk.durable >= mine ? 'durable' : 'a lie';
    },
    (error) => {
      outcome.state = 'failed';
      outcome.error = error;
    },
  );
  return outcome;
}

async function whoAsksWhileOneRuns(make: (disk: Disk) => Syncs): Promise<string[]> {
  const disk = new Disk();
  const syncs = make(disk);
  const early = commit(disk, syncs);
  await setImmediate();
  const late = commit(disk, syncs);
  await disk.end();
  const first = [early.state, late.state];
  if (late.state === 'waiting') await disk.end();
  return [...first, late.state];
}

describe('syncs of a file', () => {
  it('serve all who asked before one began by one', async () => {
    const disk = new Disk();
    const syncs = new FileSyncs(disk.sync);
    const outcomes = Array.from({ length: 32 }, () => commit(disk, syncs));
    await setImmediate();
    assert.deepEqual(disk.made, ['fdatasync']);
    const late = Array.from({ length: 5 }, () => commit(disk, syncs));
    await disk.end();
    assert.deepEqual(new Set(outcomes.map(({ state }) => state)), new Set(['durable']));
    assert.deepEqual(new Set(late.map(({ state }) => state)), new Set(['waiting']));
    assert.equal(disk.made.length, 2);
    await disk.end();
    assert.deepEqual(new Set(late.map(({ state }) => state)), new Set(['durable']));
    // Nothing is left behind: the next one is made again.
    const again = commit(disk, syncs);
    await disk.end();
    assert.equal(again.state, 'durable');
    assert.equal(disk.made.length, 3);
  });

  it('tell a few at a time where a device would wait, each few when those before have gone on', async () => {
    const log: string[] = [];
    const begin = (): void => {
      if (log.at(-1) !== 'told') return;
      process.nextTick(() => log.push('submitted'));
    };
    for (const awake of [undefined, new AwakeLoop()]) {
      log.length = 0;
      const disk = new Disk();
      const syncs = new FileSyncs(disk.sync, undefined, awake);
      const all = Array.from({ length: 20 }, async () => {
        await syncs.sync('fdatasync');
        log.push('told');
        if (log.filter((line) => line === 'told').length % 4 === 1) begin();
      });
      await setImmediate();
      await disk.end();
      await Promise.all(all);
      await someTurns();
      const runs = log.join(' ').split(/(?: submitted)+ ?/);
      assert.deepEqual(
        runs.map((run) => run.split(' ').filter((word) => word === 'told').length),
        awake === undefined ? [20, 0] : [8, 8, 4, 0],
      );
      assert.deepEqual(disk.made, ['fdatasync']);
    }
  });

  it('keep the event loop awake for the next writes of those who shared one, and for no others', async () => {
    const disk = new Disk();
    let stays = 0;
    let begun = 0;
    const awake = { stay: () => stays++, begin: () => begun++, end: () => {} } as unknown as AwakeLoop;
    const syncs = new FileSyncs(disk.sync, undefined, awake);
    commit(disk, syncs);
    await disk.end();
    await someTurns();
    assert.equal(begun, 0, 'one who is alone');
    for (let caller = 0; caller < 4; caller++) commit(disk, syncs);
    await disk.end();
    await someTurns();
    stays = 0;
    for (let write = 0; write < 10; write++) {
      const { promise, resolve } = aWrite();
      syncs.expect(promise);
      resolve();
      await promise;
    }
    assert.equal(stays, 4);
  });

  it('tell an error to all at once', async () => {
    const disk = new Disk();
    const syncs = new FileSyncs(disk.sync, undefined, new AwakeLoop());
    const outcomes = Array.from({ length: 20 }, () => commit(disk, syncs));
    await setImmediate();
    const meanwhile = Array.from({ length: 20 }, () => commit(disk, syncs));
    await disk.end(errnoException(-5, 'fdatasync'));
    assert.deepEqual(
      [...outcomes, ...meanwhile].map(({ error }) => error?.code),
      Array.from({ length: 40 }, () => 'EIO'),
    );
    assert.equal(disk.made.length, 1);
  });

  it('serve nobody by one that is under way, and who does otherwise is caught', async () => {
    assert.deepEqual(await whoAsksWhileOneRuns((disk) => new FileSyncs(disk.sync)), [
      'durable',
      'waiting',
      'durable',
    ]);
    assert.deepEqual(await whoAsksWhileOneRuns((disk) => new JoiningSyncs(disk.sync)), [
      'durable',
      'a lie',
      'a lie',
    ]);
  });

  it('give datasync() what sync() does, and not the other way', async () => {
    const disk = new Disk();
    const syncs = new FileSyncs(disk.sync);
    const outcomes = [commit(disk, syncs), commit(disk, syncs, 'fsync'), commit(disk, syncs)];
    await disk.end();
    outcomes.push(commit(disk, syncs));
    await someTurns();
    outcomes.push(commit(disk, syncs, 'fsync'));
    await disk.end();
    await disk.end();
    assert.deepEqual(disk.made, ['fsync', 'fdatasync', 'fsync']);
    assert.deepEqual(new Set(outcomes.map(({ state }) => state)), new Set(['durable']));
  });

  it('tell an error to each whom the sync served, and to those who asked meanwhile', async () => {
    const disk = new Disk();
    const syncs = new FileSyncs(disk.sync);
    const served = [commit(disk, syncs), commit(disk, syncs, 'fsync')];
    await setImmediate();
    const meanwhile = commit(disk, syncs);
    await disk.end(errnoException(-5, 'fsync'));
    const all = [...served, meanwhile];
    assert.deepEqual(
      all.map(({ error }) => [error?.code, error?.syscall, error?.name]),
      [
        ['EIO', 'fdatasync', 'Error'],
        ['EIO', 'fsync', 'Error'],
        ['EIO', 'fdatasync', 'Error'],
      ],
    );
    assert.equal(new Set(all.map(({ error }) => error)).size, 3, 'each has an error of his own');
    // The one that those who asked meanwhile waited for was not made: it could only have said that nothing is wrong.
    assert.deepEqual(disk.made, ['fsync']);
    const after = commit(disk, syncs);
    await disk.end();
    assert.equal(after.state, 'durable');
  });

  it('wait, where several have shared one, for the writes under way, whose callers ask then', async () => {
    const { disk, syncs, timers } = await shared();
    const write = aWrite();
    syncs.expect(write.promise);
    const early = commit(disk, syncs);
    await someTurns();
    assert.equal(disk.made.length, 1);
    const late = write.promise.then(() => commit(disk, syncs));
    write.resolve();
    await disk.end();
    assert.deepEqual([early.state, (await late).state], ['durable', 'durable']);
    assert.equal(disk.made.length, 2);
    assert.deepEqual(timers, []);
  });

  it('wait for no write that begins later, and for none that takes long', async () => {
    const { disk, syncs, timers } = await shared();
    const writes = [1, 2].map(() => aWrite());
    syncs.expect(writes[0]!.promise);
    const outcome = commit(disk, syncs);
    await someTurns();
    syncs.expect(writes[1]!.promise);
    writes[0]!.reject(new Error('of the disk'));
    await disk.end();
    assert.equal(outcome.state, 'durable');
    const again = [commit(disk, syncs), commit(disk, syncs)];
    await someTurns();
    assert.equal(timers.length, 0);
    await disk.end();
    const next = [commit(disk, syncs), commit(disk, syncs)];
    await someTurns();
    assert.deepEqual([disk.made.length, timers.length], [3, 1]);
    timers[0]!();
    await disk.end();
    assert.deepEqual(new Set([...again, ...next].map(({ state }) => state)), new Set(['durable']));
    assert.equal(disk.made.length, 4);
  });

  it.each(Array.from({ length: 24 }, (_, at) => at))(
    'serve whoever asks %i microtasks after one has ended',
    async (at) => {
      for (const early of [1, 2, 20]) {
        let end!: () => void;
        const make = (): Promise<void> => new Promise((resolve) => (end = resolve));
        const syncs = new FileSyncs(make, undefined, early > 2 ? new AwakeLoop() : undefined);
        const first = Array.from({ length: early }, () => syncs.sync('fdatasync'));
        await someTurns();
        end();
        for (let step = 0; step < at; step++) await null;
        let isServed = false;
        const late = syncs.sync('fdatasync').then(() => (isServed = true));
        await Promise.all(first);
        await someTurns();
        end();
        await someTurns();
        assert.equal(isServed, true);
        await late;
      }
    },
  );

  it('wait for nobody where each has had one of his own', async () => {
    const disk = new Disk();
    const syncs = new FileSyncs(disk.sync);
    commit(disk, syncs);
    await disk.end();
    syncs.expect(new Promise(() => {}));
    const outcome = commit(disk, syncs);
    await disk.end();
    assert.equal(outcome.state, 'durable');
  });
});

/** One under way, which ends by hand. */
function aWrite() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((resolveWrite, rejectWrite) => {
    resolve = resolveWrite;
    reject = rejectWrite;
  });
  return { promise, resolve, reject };
}

/** Two callers have shared one; timers are called by hand. */
async function shared() {
  const disk = new Disk();
  const timers: (() => void)[] = [];
  const syncs = new FileSyncs(disk.sync, (_, callback) => {
    timers.push(callback);
    return () => void timers.splice(timers.indexOf(callback), 1);
  });
  commit(disk, syncs);
  commit(disk, syncs);
  await disk.end();
  return { disk, syncs, timers };
}
