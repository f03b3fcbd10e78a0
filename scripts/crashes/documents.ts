/** Packages that put a new document in the place of the one before. */
import { fs } from '../../src/simulated.ts';
import { documentOf, orNone, type Store, type Subject, stepOf } from './subject.ts';

const PATH = '/store.json';

const parsed = (): number => stepOf(JSON.parse(fs.readFileSync(PATH, 'utf8')));

export const documents: readonly Subject[] = [
  {
    spec: 'write-file-atomic@7.0.1',
    what: 'writes a file by another name, syncs it and renames it',
    promise: 'the file is replaced atomically, and synced (`fsync` is on)',
    async load(load) {
      const { default: write } = await load<{
        default: (path: string, data: string) => Promise<void>;
      }>('write-file-atomic');
      return () => ({
        step: (number) => write(PATH, JSON.stringify(documentOf(number))),
        find: () => orNone(parsed),
      });
    },
  },
  {
    spec: 'steno@4.0.2',
    what: 'writes a file by another name and renames it',
    promise: 'no partial writes: writes are atomic',
    async load(load) {
      const { Writer } = await load<{
        Writer: new (path: string) => { write(data: string): Promise<void> };
      }>('steno');
      return () => {
        const writer = new Writer(PATH);
        return {
          step: (number) => writer.write(JSON.stringify(documentOf(number))),
          find: () => orNone(parsed),
        };
      };
    },
  },
  {
    spec: 'lowdb@7.0.1',
    by: ['steno'],
    what: 'a JSON document in memory; `write()` after each change, by steno',
    promise: 'safe atomic writes',
    async load(load) {
      interface Low {
        data: unknown;
        read(): Promise<void>;
        write(): Promise<void>;
      }
      const { JSONFilePreset } = await load<{
        JSONFilePreset: (path: string, data: unknown) => Promise<Low>;
      }>('lowdb/node');
      return () => {
        let low: Low | undefined;
        return {
          async step(number) {
            low ??= await JSONFilePreset(PATH, documentOf(0));
            low.data = documentOf(number);
            await low.write();
          },
          find: async () => stepOf((await JSONFilePreset(PATH, documentOf(0))).data),
        };
      };
    },
  },
  {
    spec: 'conf@15.1.0',
    by: ['atomically', 'stubborn-fs'],
    what: 'a config store; `set()`, by atomically',
    promise: 'atomic: a process that crashes during a write corrupts nothing',
    async load(load) {
      interface Conf {
        get(key: string): unknown;
        set(key: string, value: unknown): void;
      }
      const { default: Conf } = await load<{ default: new (options: object) => Conf }>('conf');
      const opened = (): Conf => new Conf({ cwd: '/conf', projectName: 'tried', clearInvalidConfig: false });
      return () => {
        let conf: Conf | undefined;
        return {
          async step(number) {
            conf ??= opened();
            conf.set('document', documentOf(number));
          },
          async find() {
            const found = opened().get('document');
            return found === undefined ? 0 : stepOf(found);
          },
        };
      };
    },
  },
  {
    spec: 'keyv-file@5.3.5',
    what: 'a store of keys for keyv: all in one JSON document; `set()`, with `writeDelay: 0`',
    promise: 'nothing',
    async load(load) {
      interface KeyvFile {
        get(key: string): Promise<unknown>;
        set(key: string, value: unknown): Promise<unknown>;
      }
      const { KeyvFile } = await load<{ KeyvFile: new (options: object) => KeyvFile }>('keyv-file');
      const opened = (): KeyvFile => new KeyvFile({ filename: PATH, writeDelay: 0 });
      return () => keyed(opened);
    },
  },
  {
    spec: 'node-persist@4.0.4',
    what: 'a store of keys, each in a file of its own; `setItem()` of one key',
    promise: 'nothing for ends of the process',
    async load(load) {
      interface Persist {
        init(): Promise<unknown>;
        getItem(key: string): Promise<unknown>;
        setItem(key: string, value: unknown): Promise<unknown>;
      }
      const { default: persist } = await load<{ default: { create(options: object): Persist } }>(
        'node-persist',
      );
      return () => {
        const store = persist.create({ dir: '/store' });
        let ready: Promise<unknown> | undefined;
        const opened = async (): Promise<Persist> => {
          ready ??= store.init();
          await ready;
          return store;
        };
        return {
          step: async (number) => (await opened()).setItem('document', documentOf(number)),
          async find() {
            const found = await (await opened()).getItem('document');
            return found === undefined ? 0 : stepOf(found);
          },
        };
      };
    },
  },
  {
    spec: 'flat-cache@6.1.23',
    what: 'a cache in one file; `setKey()` and `save()`',
    promise: 'nothing',
    async load(load) {
      interface Cache {
        getKey(key: string): unknown;
        setKey(key: string, value: unknown): void;
        save(): void;
      }
      const { create } = await load<{ create: (options: object) => Cache }>('flat-cache');
      const opened = (): Cache => create({ cacheId: 'cache', cacheDir: '/cache' });
      return () => {
        let cache: Cache | undefined;
        return {
          async step(number) {
            cache ??= opened();
            cache.setKey('document', documentOf(number));
            cache.save();
          },
          async find() {
            const found = opened().getKey('document');
            return found === undefined ? 0 : stepOf(found);
          },
        };
      };
    },
  },
];

/** A store whose one key has a document. */
function keyed(
  open: () => { get(key: string): Promise<unknown>; set(key: string, value: unknown): Promise<unknown> },
): Store {
  let store: ReturnType<typeof open> | undefined;
  return {
    async step(number) {
      store ??= open();
      await store.set('document', documentOf(number));
    },
    async find() {
      const found = await open().get('document');
      return found === undefined ? 0 : stepOf(found);
    },
  };
}
