/** Packages that append, and databases. */
import { once } from 'node:events';
import { promisify } from 'node:util';
import { fs } from '../../src/simulated.ts';
import { linesIn, orNone, type Subject } from './subject.ts';

const PATH = '/file';
const LINE_BYTES = 700;
const RECORD_BYTES = 3000;

const lineOf = (number: number): string => `${`line ${number} `.padEnd(LINE_BYTES, `${number}`)}\n`;
const recordOf = (number: number): Buffer => Buffer.alloc(RECORD_BYTES, `record ${number} `);
const isRecord = (found: Uint8Array | null | undefined, number: number): boolean =>
  found !== undefined && found !== null && recordOf(number).equals(found);

/** How many records are there, read one after another until there is none. @throws Error for one that is not as it was saved. */
async function recordsBy(read: (number: number) => Promise<Uint8Array | null | undefined>): Promise<number> {
  for (let number = 1; ; number++) {
    const found = await read(number);
    if (found === undefined || found === null) return number - 1;
    if (!isRecord(found, number)) throw new Error(`record ${number} is not as it was saved`);
  }
}

interface SonicBoom {
  write(text: string): void;
  flush(done: (error?: Error) => void): void;
}

const sonicBoom = (how: string, promise: string, options: object): Subject => ({
  spec: 'sonic-boom@5.0.2',
  what: `the file destination of pino; \`write()\` and \`flush()\`, ${how}`,
  promise,
  async load(load) {
    const { default: Boom } = await load<{
      default: new (options: object) => SonicBoom & NodeJS.EventEmitter;
    }>('sonic-boom');
    return () => {
      let boom: (SonicBoom & NodeJS.EventEmitter) | undefined;
      return {
        async begin() {
          boom = new Boom({ dest: PATH, ...options });
          // Of its machine's end it tells nobody else.
          boom.on('error', () => {});
          await once(boom, 'ready');
        },
        async step(number) {
          boom!.write(lineOf(number));
          await promisify((done: (error?: Error) => void) => boom!.flush(done))();
        },
        find: () => orNone(() => linesIn(fs.readFileSync(PATH, 'utf8'), lineOf)),
      };
    };
  },
});

export const logs: readonly Subject[] = [
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
    spec: 'random-access-file@4.1.2',
    what: 'bytes at places of a file; `write()`, without a lock, which is native',
    promise: 'nothing',
    async load(load) {
      interface Storage {
        write(offset: number, data: Buffer, done: (error: Error | null) => void): void;
        read(offset: number, size: number, done: (error: Error | null, data?: Buffer) => void): void;
        stat(done: (error: Error | null, stats?: { size: number }) => void): void;
      }
      const { default: File } = await load<{ default: new (path: string) => Storage }>('random-access-file');
      return () => {
        const file = new File(PATH);
        return {
          step: (number) =>
            promisify<number, Buffer>(file.write.bind(file))((number - 1) * RECORD_BYTES, recordOf(number)),
          find: () =>
            orNone(async () => {
              const { size } = (await promisify<{ size: number } | undefined>(file.stat.bind(file))())!;
              return recordsBy(async (number) =>
                number * RECORD_BYTES > size
                  ? undefined
                  : promisify<number, number, Buffer | undefined>(file.read.bind(file))(
                      (number - 1) * RECORD_BYTES,
                      RECORD_BYTES,
                    ),
              );
            }),
        };
      };
    },
  },
  {
    spec: 'hypercore@10.38.2',
    by: ['random-access-file'],
    what: 'an append-only log, over random-access-file; `append()`',
    promise: 'nothing in its README',
    async load(load) {
      interface Core {
        readonly length: number;
        ready(): Promise<void>;
        append(block: Buffer): Promise<unknown>;
        get(index: number): Promise<Buffer>;
      }
      const { default: Hypercore } = await load<{
        default: new (storage: (name: string) => object, options?: object) => Core;
      }>('hypercore');
      const { default: File } = await load<{ default: new (path: string) => object }>('random-access-file');
      // Its own storage takes a native lock.
      const storage = (name: string): object => new File(`/core/${name}`);
      // The keys would be random.
      const keyPair = await keyPairOf(load);
      const opened = (): Core => new Hypercore(storage, { keyPair });
      return () => {
        let core: Core | undefined;
        return {
          async begin() {
            core = opened();
            await core.ready();
          },
          step: (number) => core!.append(recordOf(number)),
          async find() {
            const found = opened();
            await found.ready();
            return recordsBy(async (number) => (number > found.length ? undefined : found.get(number - 1)));
          },
        };
      };
    },
  },
  sonicBoom('with `fsync: true`', 'a sync each time a write is completed', { fsync: true }),
];

async function keyPairOf(load: <T>(name: string) => Promise<T>): Promise<object> {
  const { default: crypto } = await load<{ default: { keyPair(seed: Buffer): object } }>('hypercore-crypto');
  return crypto.keyPair(Buffer.alloc(32, 'kaio'));
}
