/** Packages that append. */
import { once } from 'node:events';
import { promisify } from 'node:util';
import { fs } from '../../src/simulated.ts';
import { lineOf, linesIn, orNone, RECORD_BYTES, recordOf, recordsBy, type Subject } from './subject.ts';

const PATH = '/file';

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
