/** Databases: records in a file of many, or in files of their own. */
import { fs } from '../../src/simulated.ts';
import { isRecord, lineOf, recordOf, recordsBy, type Subject } from './subject.ts';

const PATH = '/file';

export const databases: readonly Subject[] = [
  {
    spec: '@seald-io/nedb@4.1.2',
    what: 'an embedded database; `insertAsync()`',
    promise: 'nothing in its README; its code has a "crash-safe" replacement of its file, by sync and rename',
    async load(load) {
      interface Nedb {
        loadDatabaseAsync(): Promise<void>;
        insertAsync(document: object): Promise<unknown>;
        findAsync(query: object): { sort(by: object): Promise<{ number: number; text: string }[]> };
      }
      const { default: Database } = await load<{ default: new (options: object) => Nedb }>('@seald-io/nedb');
      return () => {
        const database = new Database({ filename: PATH });
        return {
          begin: () => database.loadDatabaseAsync(),
          step: (number) => database.insertAsync({ number, text: recordOf(number).toString('latin1') }),
          async find() {
            await database.loadDatabaseAsync();
            const found = await database.findAsync({}).sort({ number: 1 });
            found.forEach(({ number, text }, index) => {
              if (number !== index + 1 || text !== recordOf(number).toString('latin1'))
                throw new Error(`document ${index + 1} is not there, or not as it was saved`);
            });
            return found.length;
          },
        };
      };
    },
  },
  {
    spec: 'cacache@20.0.4',
    by: ['@npmcli/fs', 'fs-minipass'],
    what: "npm's cache; `put()` of a new key",
    promise: 'no corrupted data: what is read is verified, and an entry that is not whole is none',
    async load(load) {
      const { default: cacache } = await load<{
        default: {
          put(cache: string, key: string, data: Buffer): Promise<unknown>;
          get: (cache: string, key: string) => Promise<{ data: Buffer }>;
        };
      }>('cacache');
      return () => ({
        step: (number) => cacache.put('/cache', `key ${number}`, recordOf(number)),
        find: () =>
          recordsBy(async (number) => {
            try {
              return (await cacache.get('/cache', `key ${number}`)).data;
            } catch (error) {
              // It says so of what is not there, and of what it has found to be damaged, which to a cache is the same.
              if (
                ['ENOENT', 'EINTEGRITY', 'EBADSIZE'].includes(String((error as NodeJS.ErrnoException).code))
              )
                return undefined;
              throw error;
            }
          }),
      });
    },
  },
  {
    spec: 'isomorphic-git@1.44.19',
    what: 'Git; a commit of a new file, with the `node:fs` that the program imports',
    promise: 'nothing',
    async load(load) {
      interface Author {
        readonly name: string;
        readonly email: string;
        readonly timestamp: number;
        readonly timezoneOffset: number;
      }
      interface Git {
        init(at: { fs: unknown; dir: string; defaultBranch: string }): Promise<void>;
        add(at: { fs: unknown; dir: string; filepath: string }): Promise<void>;
        commit(at: { fs: unknown; dir: string; message: string; author: Author }): Promise<string>;
        log(at: {
          fs: unknown;
          dir: string;
          ref: string;
        }): Promise<{ oid: string; commit: { message: string } }[]>;
        readBlob(at: {
          fs: unknown;
          dir: string;
          oid: string;
          filepath: string;
        }): Promise<{ blob: Uint8Array }>;
      }
      const { default: git } = await load<{ default: Git }>('isomorphic-git');
      const { default: theirs } = await load<{ default: typeof fs }>('node:fs');
      const at = { fs: theirs, dir: '/repository' };
      const author = { name: 'a', email: 'a@example.org', timezoneOffset: 0 };
      return () => ({
        begin: () => git.init({ ...at, defaultBranch: 'main' }),
        async step(number) {
          const filepath = `file${number}`;
          await theirs.promises.writeFile(`${at.dir}/${filepath}`, recordOf(number));
          await git.add({ ...at, filepath });
          await git.commit({ ...at, message: `step ${number}`, author: { ...author, timestamp: number } });
        },
        async find() {
          // Before the first commit there is no branch.
          if (!theirs.existsSync(`${at.dir}/.git/refs/heads/main`)) return 0;
          const log = await git.log({ ...at, ref: 'main' });
          for (const [index, { oid, commit }] of log.entries()) {
            const number = log.length - index;
            if (commit.message !== `step ${number}\n`) throw new Error(`step ${number} is another commit`);
            // The name of an object is the digest of its content, which is compared as it is read.
            for (let file = 1; file <= number; file++) {
              const { blob } = await git.readBlob({ ...at, oid, filepath: `file${file}` });
              if (!isRecord(blob, file)) throw new Error(`file${file} is not as it was saved`);
            }
          }
          return log.length;
        },
      });
    },
  },
  {
    spec: 'node-sqlite3-wasm@0.8.60',
    what: 'SQLite in WebAssembly, with a VFS over `node:fs`; a transaction of one row, with a rollback journal. The lock that is left, a folder, is removed before reading',
    promise: "SQLite's own: a transaction that was committed is there after a loss of power",
    async load(load) {
      interface Database {
        run(sql: string, values?: readonly unknown[]): unknown;
        get(sql: string): Record<string, unknown> | null;
        all(sql: string): readonly { readonly number: number; readonly text: string }[];
      }
      const { default: sqlite } = await load<{ default: { Database: new (path: string) => Database } }>(
        'node-sqlite3-wasm',
      );
      return () => {
        let database: Database | undefined;
        return {
          async begin() {
            database = new sqlite.Database(PATH);
            database.run('CREATE TABLE lines (number INTEGER PRIMARY KEY, text TEXT)');
          },
          async step(number) {
            database!.run('INSERT INTO lines VALUES (?, ?)', [number, lineOf(number)]);
          },
          async find() {
            fs.rmSync(`${PATH}.lock`, { recursive: true, force: true });
            const found = new sqlite.Database(PATH);
            const { integrity_check: integrity } = found.get('PRAGMA integrity_check')!;
            if (integrity !== 'ok') throw new Error(`integrity_check: ${integrity}`);
            if (found.get("SELECT 1 FROM sqlite_schema WHERE name = 'lines'") === null) return 0;
            const lines = found.all('SELECT number, text FROM lines ORDER BY number');
            lines.forEach(({ number, text }, index) => {
              if (number !== index + 1 || text !== lineOf(number))
                throw new Error(`row ${index + 1} is not there, or not as it was saved`);
            });
            return lines.length;
          },
        };
      };
    },
  },
];
