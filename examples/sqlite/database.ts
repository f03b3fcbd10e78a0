/** SQLite in WebAssembly, on whatever machine: as much of it as the test needs. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as SQLite from '@journeyapps/wa-sqlite';
import createModule from '@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs';
import { AioVfs, type Machine, type Promised } from 'kaio/sqlite-vfs';

/** How a transaction becomes durable. */
export type JournalMode = 'delete' | 'truncate' | 'persist' | 'wal';

export interface DatabaseOptions {
  readonly machine: Machine;
  /** Absolute. */
  readonly path: string;
  readonly journal: JournalMode;
  /** See {@link AioVfs}. */
  readonly promises?: (why: Promised) => boolean;
}

type Value = string | number | bigint | Uint8Array | null;

/** As much of WebAssembly as is used: the types of Node.js have none of it. */
interface Instance {
  readonly exports: object;
}
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object, imports: object) => Instance;
  };
};

/** Compiling takes a while; each database gets an instance of its own, as each process would. */
let compiled: object | undefined;

function compile(): object {
  const path = createRequire(import.meta.url).resolve('@journeyapps/wa-sqlite/dist/wa-sqlite-async.wasm');
  return new WebAssembly.Module(readFileSync(path));
}

/**
 * An instance of SQLite that has memory of its own, and nothing open. It is made at once: nothing that a simulation does may wait for the
 * host.
 */
function instantiate(): Promise<unknown> {
  compiled ??= compile();
  const module = compiled;
  return createModule({
    instantiateWasm(imports: object, ready: (instance: Instance, module: object) => void): object {
      const instance = new WebAssembly.Instance(module, imports);
      ready(instance, module);
      return instance.exports;
    },
  });
}

export class Database {
  /** Of SQLite itself. */
  readonly version: string;
  readonly #sqlite: SQLiteAPI;
  readonly #vfs: AioVfs;
  readonly #handle: number;

  private constructor(sqlite: SQLiteAPI, vfs: AioVfs, handle: number) {
    this.#sqlite = sqlite;
    this.#vfs = vfs;
    this.#handle = handle;
    this.version = sqlite.libversion();
  }

  /**
   * Opens a database, recovers it if need be, and makes it where it is missing.
   *
   * @throws SQLiteError, whose `cause` is what the file system has said.
   */
  static async open({ machine, path, journal, promises }: DatabaseOptions): Promise<Database> {
    const module = await instantiate();
    const sqlite = SQLite.Factory(module);
    const vfs = new AioVfs('aio', module, machine, promises);
    sqlite.vfs_register(vfs, true);
    const handle = await sqlite.open_v2(path).catch((error: unknown) => {
      throw withCause(error, vfs);
    });
    const database = new Database(sqlite, vfs, handle);
    try {
      // A write-ahead log needs shared memory between connections, or one connection that keeps the lock. With the other journals that
      // would keep the file of the journal too, whatever the mode.
      if (journal === 'wal') await database.run('PRAGMA locking_mode = exclusive');
      const [[mode] = []] = await database.run(`PRAGMA journal_mode = ${journal}`);
      if (mode !== journal) throw new Error(`the journal is ${mode}, and not ${journal}`);
      // Everything that can be synced is: what is tested is that it has to be.
      await database.run('PRAGMA synchronous = extra');
      return database;
    } catch (error) {
      await database.close().catch(() => {});
      throw error;
    }
  }

  /** Runs statements. @returns The rows of all of them. */
  async run(sql: string, parameters: readonly Value[] = []): Promise<Value[][]> {
    const rows: Value[][] = [];
    try {
      for await (const statement of this.#sqlite.statements(this.#handle, sql)) {
        this.#sqlite.bind_collection(statement, [...parameters]);
        while ((await this.#sqlite.step(statement)) === SQLite.SQLITE_ROW) {
          rows.push(this.#sqlite.row(statement) as Value[]);
        }
      }
    } catch (error) {
      throw withCause(error, this.#vfs);
    }
    return rows;
  }

  async close(): Promise<void> {
    await this.#sqlite.close(this.#handle).catch((error: unknown) => {
      throw withCause(error, this.#vfs);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function withCause(error: unknown, { lastError }: AioVfs): Error {
  const failure = error instanceof Error ? error : new Error(String(error));
  if (lastError !== undefined) failure.cause ??= lastError;
  return failure;
}
