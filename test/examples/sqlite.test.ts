import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { crashTest } from '../../examples/sqlite/crash-test.ts';
import { Database, type JournalMode } from '../../examples/sqlite/database.ts';
import { host } from 'kaio/sqlite-vfs';
import type { SimulationError } from '../../src/emulated/index.ts';

const JOURNALS: readonly JournalMode[] = ['delete', 'truncate', 'persist', 'wal'];
/** As much of node:sqlite as is used. */
interface NodeSqlite {
  readonly DatabaseSync: new (path: string) => { prepare(sql: string): { get(): unknown }; close(): void };
}
const builtin = process as { readonly getBuiltinModule?: (name: string) => unknown };
const sqlite = builtin.getBuiltinModule?.('node:sqlite') as NodeSqlite | undefined;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) fs.rmSync(folder, { recursive: true });
});

describe.each(JOURNALS)('SQLite with journal %s', (journal) => {
  it('works on the file system of this host', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'kaio-sqlite-'));
    folders.push(folder);
    const path = join(folder, 'test.db');
    const values = Array.from({ length: 50 }, (_, key) => [key, 'v'.repeat(key * 100)] as const);
    const database = await Database.open({ machine: host, path, journal });
    await database.run('CREATE TABLE entries (key INTEGER PRIMARY KEY, value TEXT)');
    await database.run('BEGIN');
    for (const [key, value] of values) await database.run('INSERT INTO entries VALUES (?, ?)', [key, value]);
    await database.run('COMMIT');
    await database.run('DELETE FROM entries WHERE key >= 40');
    // One connection, as its VFS has no locks.
    await expect(database.run(`ATTACH '${path}' AS again`)).rejects.toThrow();
    await database.close();
    const again = await Database.open({ machine: host, path, journal });
    expect(await again.run('PRAGMA integrity_check')).toEqual([['ok']]);
    expect(await again.run('SELECT key, value FROM entries ORDER BY key')).toEqual(values.slice(0, 40));
    await again.close();
    // Another SQLite, where Node.js has one, is the oracle for what is in the file.
    if (sqlite === undefined) return;
    const other = new sqlite.DatabaseSync(path);
    expect(other.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
    expect(
      other.prepare('SELECT count(*) AS count, sum(length(value)) AS length FROM entries').get(),
    ).toEqual({
      count: 40,
      length: values.slice(0, 40).reduce((sum, [, value]) => sum + value.length, 0),
    });
    other.close();
  });

  it('keeps what it has acknowledged over crashes at chosen points', async () => {
    let commits = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const result = await crashTest({ seed, journal, atEvent: seed * 13, inRecovery: seed % 2 === 0 });
      commits += result.commits;
    }
    expect(commits).toBeGreaterThan(12);
  });

  it('is caught when the database is not synced, by the same crash each time', async () => {
    const caught = async (): Promise<SimulationError> => {
      for (let seed = 1; seed <= 50; seed++) {
        try {
          await crashTest({ seed, journal, leavesOut: ['database'], atEvent: 60 + seed });
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_AIO_SIMULATION' });
          return error as SimulationError;
        }
      }
      return expect.fail('not caught');
    };
    const failure = await caught();
    expect(await caught()).toMatchObject({ seed: failure.seed, trace: failure.trace });
  });
});

describe('SQLite’s journals', () => {
  it('are three with an attached database, with their names on the disk, the one that joins them first', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'kaio-sqlite-'));
    folders.push(folder);
    const promised: string[] = [];
    const database = await Database.open({
      machine: host,
      path: join(folder, 'one.db'),
      journal: 'delete',
      promises: (why) => promised.push(why) > 0,
    });
    await database.run(`ATTACH '${join(folder, 'two.db')}' AS two`);
    await database.run('CREATE TABLE entries (key INTEGER)');
    await database.run('CREATE TABLE two.entries (key INTEGER)');
    promised.length = 0;
    await database.run('BEGIN');
    await database.run('INSERT INTO main.entries VALUES (1)');
    await database.run('INSERT INTO two.entries VALUES (1)');
    await database.run('COMMIT');
    await database.close();
    const names = promised.filter((why) => why === 'journal-name').length;
    expect([promised.indexOf('journal-name') < promised.indexOf('database'), names]).toEqual([true, 3]);
  });

  it.skipIf(process.platform === 'win32')('are for those whose database it is', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'kaio-sqlite-'));
    folders.push(folder);
    const path = join(folder, 'test.db');
    fs.writeFileSync(path, '', { mode: 0o600 });
    const database = await Database.open({ machine: host, path, journal: 'persist' });
    await database.run('CREATE TABLE entries (key INTEGER)');
    await database.close();
    expect(fs.statSync(`${path}-journal`).mode & 0o777).toBe(0o600);
  });
});
