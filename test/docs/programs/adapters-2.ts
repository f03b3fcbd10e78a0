import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as SQLite from '@journeyapps/wa-sqlite';
import createModule from '@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs';
import { AioVfs } from 'kaio/sqlite-vfs';

const wasm = createRequire(import.meta.url).resolve('@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm');
const module = await createModule({ wasmBinary: readFileSync(wasm) });
const sqlite = SQLite.Factory(module);
sqlite.vfs_register(new AioVfs('aio', module), true);

const database = await sqlite.open_v2(`${process.cwd()}/data.db`);
await sqlite.exec(
  database,
  `PRAGMA locking_mode = exclusive;
   PRAGMA journal_mode = wal;
   CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
   INSERT INTO notes (text) VALUES ('durable'), ('too');`,
);
await sqlite.exec(database, 'SELECT * FROM notes', (row) => console.log(row));
await sqlite.close(database);
