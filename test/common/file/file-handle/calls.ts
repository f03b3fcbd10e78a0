/** Calls made on a FileHandle and on an AioFile alike: what they answer and throw is compared, and shown in docs/filehandle.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** What both are, as far as the calls go. */
export type AnyFile = FileHandle;

/** What a call ended with, comparable. */
export type Outcome =
  | { readonly answered: unknown }
  | {
      readonly threw: { name: string; code: unknown; errno: unknown; syscall: unknown };
      readonly when: 'at once' | 'later';
    };

export interface Call {
  /** The call as one would write it. */
  readonly title: string;
  /** What is in the file before. Default `'hello world'`. */
  readonly content?: string;
  /** Default `'r+'`. */
  readonly flags?: string;
  /** A folder instead of a file. */
  readonly folder?: boolean;
  run(file: AnyFile, path: string): unknown;
  /** Why the outcome differs; one that does not is an error. */
  readonly differs?: string;
  /** The versions of Node.js on which it does, as their beginning. Default: all. */
  readonly differsOn?: string;
}

const buffer = (length = 5): Buffer => Buffer.alloc(length);
const shown = ({ buffer: bytes, ...rest }: { buffer?: unknown }): unknown => ({
  ...rest,
  ...(ArrayBuffer.isView(bytes)
    ? { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString() }
    : { bytes }),
});
// Arguments that the types forbid.
const wrong = (value: unknown): never => value as never;

/** Runs a call, telling a throw at once from a rejection. */
export async function outcomeOf(call: Call, file: AnyFile, path: string): Promise<Outcome> {
  const threw = (error: unknown, when: 'at once' | 'later'): Outcome => {
    const { name, code, errno, syscall } = error as NodeJS.ErrnoException;
    return { threw: { name: name === 'AioError' ? 'Error' : name, code, errno, syscall }, when };
  };
  let pending: unknown;
  try {
    pending = call.run(file, path);
  } catch (error) {
    return threw(error, 'at once');
  }
  try {
    return { answered: await pending };
  } catch (error) {
    return threw(error, 'later');
  }
}

const after = (title: string, run: (file: AnyFile) => unknown): Call => ({
  title: `close(), then ${title}`,
  async run(file) {
    await file.close();
    return run(file);
  },
});

export const CALLS: readonly Call[] = [
  // read
  {
    title: 'read()',
    run: async (f) =>
      shown(
        await f.read().then(({ bytesRead, buffer: b }) => ({ bytesRead, buffer: b.subarray(0, bytesRead) })),
      ),
  },
  { title: 'read(buffer)', run: async (f) => shown(await f.read(buffer())) },
  { title: 'read(buffer, 1)', run: async (f) => shown(await f.read(buffer(), 1)) },
  { title: 'read(buffer, 1, 2)', run: async (f) => shown(await f.read(buffer(), 1, 2)) },
  { title: 'read(buffer, 1, 2, 6)', run: async (f) => shown(await f.read(buffer(), 1, 2, 6)) },
  {
    title: 'read(buffer, 0, 5, 6n)',
    run: async (f) => shown(await f.read(buffer(), 0, 5, wrong(6n))),
  },
  {
    title: 'read(buffer, 0, 5, null) twice',
    run: async (f) => [shown(await f.read(buffer(), 0, 5, null)), shown(await f.read(buffer(), 0, 5, null))],
  },
  {
    title: 'read(buffer, 0, 5, -1) twice',
    run: async (f) => [shown(await f.read(buffer(), 0, 5, -1)), shown(await f.read(buffer(), 0, 5, -1))],
  },
  {
    title: 'read(buffer, null, null, null)',
    run: async (f) => shown(await f.read(buffer(), wrong(null), wrong(null), null)),
  },
  {
    title: 'read(buffer, { position: 6 })',
    run: async (f) => shown(await f.read(buffer(), { position: 6 })),
  },
  {
    title: 'read(buffer, { offset: 2, length: 1 })',
    run: async (f) => shown(await f.read(buffer(), { offset: 2, length: 1 })),
  },
  {
    title: 'read({ buffer, offset, length, position })',
    run: async (f) => shown(await f.read({ buffer: buffer(), offset: 1, length: 3, position: 2 })),
  },
  { title: 'read(null)', run: async (f) => (await f.read(wrong(null))).bytesRead },
  { title: 'read(Uint16Array)', run: async (f) => shown(await f.read(new Uint16Array(3))) },
  { title: 'read(DataView)', run: async (f) => shown(await f.read(new DataView(new ArrayBuffer(4)))) },
  { title: 'read(buffer, 0, 0)', run: async (f) => shown(await f.read(buffer(), 0, 0)) },
  { title: 'read at the end', run: async (f) => shown(await f.read(buffer(), 0, 5, 11)) },
  { title: 'read far behind the end', run: async (f) => shown(await f.read(buffer(), 0, 5, 2 ** 40)) },
  { title: 'read across the end', run: async (f) => shown(await f.read(buffer(), 0, 5, 9)) },
  { title: 'read of an empty file', content: '', run: async (f) => shown(await f.read(buffer())) },
  { title: 'read(empty buffer)', run: (f) => f.read(Buffer.alloc(0)).then(shown) },
  { title: "read('text')", run: (f) => f.read(wrong('text')) },
  { title: 'read(7)', run: (f) => f.read(wrong(7)) },
  { title: 'read({ buffer: 7 })', run: (f) => f.read(wrong({ buffer: 7 })) },
  { title: 'read(buffer, 6)', run: (f) => f.read(buffer(), 6) },
  { title: 'read(buffer, -1)', run: (f) => f.read(buffer(), -1) },
  { title: 'read(buffer, 1.5)', run: (f) => f.read(buffer(), 1.5) },
  { title: "read(buffer, '1')", run: (f) => f.read(buffer(), wrong('1')) },
  { title: 'read(buffer, 0, 6)', run: (f) => f.read(buffer(), 0, 6) },
  { title: 'read(buffer, 0, -1)', run: (f) => f.read(buffer(), 0, -1) },
  { title: 'read(buffer, 2, 4)', run: (f) => f.read(buffer(), 2, 4) },
  { title: 'read(buffer, { offset: 9 })', run: (f) => f.read(buffer(), { offset: 9 }) },
  { title: 'read of a file opened for writing', flags: 'w', run: (f) => f.read(buffer()) },
  { title: 'read of a folder', folder: true, flags: 'r', run: (f) => f.read(buffer()) },
  after('read(buffer)', (f) => f.read(buffer())),

  // write
  {
    title: 'write(buffer)',
    run: async (f, p) => [shown(await f.write(Buffer.from('HE'))), readFileSync(p, 'utf8')],
  },
  {
    title: 'write(buffer, 1)',
    run: async (f, p) => [shown(await f.write(Buffer.from('.HE'), 1)), readFileSync(p, 'utf8')],
  },
  {
    title: 'write(buffer, 1, 1, 4)',
    run: async (f, p) => [shown(await f.write(Buffer.from('.X.'), 1, 1, 4)), readFileSync(p, 'utf8')],
  },
  {
    title: 'write(buffer, { position: 20 })',
    run: async (f, p) => [
      shown(await f.write(Buffer.from('far'), wrong({ position: 20 }))),
      readFileSync(p, 'utf8'),
    ],
  },
  {
    title: 'write(buffer) twice, then read(buffer)',
    run: async (f, p) => [
      await f.write(Buffer.from('ab')).then(shown),
      await f.write(Buffer.from('cd')).then(shown),
      shown(await f.read(buffer())),
      readFileSync(p, 'utf8'),
    ],
  },
  { title: "write('text')", run: async (f, p) => [shown(await f.write('TEXT')), readFileSync(p, 'utf8')] },
  {
    title: "write('text', 6)",
    run: async (f, p) => [shown(await f.write('TEXT', 6)), readFileSync(p, 'utf8')],
  },
  {
    title: "write('ff00', 0, 'hex')",
    run: async (f, p) => [shown(await f.write('ff00', 0, 'hex')), readFileSync(p, 'latin1')],
  },
  {
    title: "write('ü', null)",
    run: async (f, p) => [shown(await f.write('ü', null)), readFileSync(p, 'utf8')],
  },
  { title: 'write(empty buffer)', run: (f) => f.write(Buffer.alloc(0)).then(shown) },
  { title: "write('')", run: (f) => f.write('').then(shown) },
  { title: 'write(7)', run: (f) => f.write(wrong(7)) },
  { title: 'write({})', run: (f) => f.write(wrong({})) },
  { title: 'write(null)', run: (f) => f.write(wrong(null)) },
  { title: "write('x', 0, 'nonsense')", run: (f) => f.write('x', 0, wrong('nonsense')).then(shown) },
  { title: 'write(buffer, 6)', run: (f) => f.write(buffer(), 6) },
  { title: 'write(buffer, 0, 6)', run: (f) => f.write(buffer(), 0, 6) },
  { title: 'write(buffer, -1)', run: (f) => f.write(buffer(), -1) },
  { title: 'write of a file opened for reading', flags: 'r', run: (f) => f.write(buffer()) },
  {
    title: 'write to an append file, at a position',
    flags: 'a+',
    run: async (f, p) => [
      shown(await f.write(Buffer.from('X'), 0, 1, 0)),
      shown(await f.write(Buffer.from('Y'))),
      readFileSync(p, 'utf8'),
    ],
  },
  {
    title: 'an append file: read, write, read',
    flags: 'a+',
    run: async (f) => [
      shown(await f.read(buffer())),
      shown(await f.write(Buffer.from('Y'))),
      shown(await f.read(buffer())),
    ],
  },
  after('write(buffer)', (f) => f.write(buffer())),

  // vectors
  {
    title: 'readv(buffers)',
    run: async (f) => {
      const b = [buffer(2), buffer(3)];
      const { bytesRead } = await f.readv(b);
      return [bytesRead, b.map(String)];
    },
  },
  {
    title: 'readv(buffers, 6)',
    run: async (f) => {
      const b = [buffer(2), buffer(9)];
      const { bytesRead } = await f.readv(b, 6);
      return [bytesRead, b.map(String)];
    },
  },
  { title: 'readv([])', run: async (f) => (await f.readv([])).bytesRead },
  { title: 'readv(7)', run: (f) => f.readv(wrong(7)) },
  { title: 'readv([7])', run: (f) => f.readv(wrong([7])) },
  {
    title: 'writev(buffers)',
    run: async (f, p) => [
      (await f.writev([Buffer.from('a'), Buffer.from('bc')])).bytesWritten,
      readFileSync(p, 'utf8'),
    ],
  },
  {
    title: 'writev(buffers, 9)',
    run: async (f, p) => [
      (await f.writev([Buffer.from('a'), Buffer.from('bcd')], 9)).bytesWritten,
      readFileSync(p, 'utf8'),
    ],
  },
  { title: 'writev([])', run: async (f) => (await f.writev([])).bytesWritten },
  { title: "writev(['x'])", run: (f) => f.writev(wrong(['x'])) },
  after('readv(buffers)', (f) => f.readv([buffer()])),
  after('writev(buffers)', (f) => f.writev([buffer()])),

  // whole files
  { title: 'readFile()', run: async (f) => (await f.readFile()).toString() },
  { title: "readFile('utf8')", run: (f) => f.readFile('utf8') },
  { title: "readFile({ encoding: 'hex' })", run: (f) => f.readFile({ encoding: 'hex' }) },
  {
    title: "read(buffer), then readFile('utf8')",
    run: async (f) => [shown(await f.read(buffer())), await f.readFile('utf8'), await f.readFile('utf8')],
  },
  { title: "readFile('nonsense')", run: (f) => f.readFile(wrong('nonsense')) },
  { title: 'readFile({ signal: aborted })', run: (f) => f.readFile(wrong({ signal: AbortSignal.abort() })) },
  { title: 'readFile() of a folder', folder: true, flags: 'r', run: (f) => f.readFile() },
  { title: "writeFile('text')", run: async (f, p) => [await f.writeFile('TEXT'), readFileSync(p, 'utf8')] },
  {
    title: "writeFile('ff', 'hex')",
    run: async (f, p) => [await f.writeFile('ff', 'hex'), readFileSync(p, 'latin1')],
  },
  {
    title: 'writeFile(buffer) twice',
    run: async (f, p) => [
      await f.writeFile(Buffer.from('ab')),
      await f.writeFile(Buffer.from('cd')),
      readFileSync(p, 'utf8'),
    ],
  },
  {
    title: "writeFile(['a', 'b'])",
    run: async (f, p) => [await f.writeFile(wrong(['a', 'b'])), readFileSync(p, 'utf8')],
  },
  {
    title: 'writeFile(stream)',
    run: async (f, p) => [await f.writeFile(wrong(Readable.from(['str', 'eam']))), readFileSync(p, 'utf8')],
  },
  { title: 'writeFile(7)', run: (f) => f.writeFile(wrong(7)) },
  {
    title: 'writeFile(text, { signal: aborted })',
    run: (f) => f.writeFile('x', wrong({ signal: AbortSignal.abort() })),
  },
  {
    title: "appendFile('text') in an append file",
    flags: 'a',
    run: async (f, p) => [await f.appendFile('TEXT'), readFileSync(p, 'utf8')],
  },
  after('readFile()', (f) => f.readFile()),
  after("writeFile('x')", (f) => f.writeFile('x')),
  after("appendFile('x')", (f) => f.appendFile('x')),

  // metadata
  {
    title: 'stat()',
    run: async (f) => {
      const s = await f.stat();
      return [s.size, s.isFile()];
    },
  },
  { title: 'stat({ bigint: true })', run: async (f) => (await f.stat({ bigint: true })).size },
  { title: 'truncate(5)', run: async (f, p) => [await f.truncate(5), readFileSync(p, 'utf8')] },
  { title: 'truncate()', run: async (f, p) => [await f.truncate(), readFileSync(p, 'utf8')] },
  { title: 'truncate(-1)', run: async (f, p) => [await f.truncate(-1), readFileSync(p, 'utf8')] },
  { title: "truncate('1')", run: (f) => f.truncate(wrong('1')) },
  {
    title: 'truncate(20), then read',
    run: async (f) => [await f.truncate(20), shown(await f.read(buffer(), 0, 5, 9))],
  },
  {
    title: 'utimes(1, 2)',
    run: async (f) => {
      await f.utimes(1, 2);
      return (await f.stat()).mtimeMs;
    },
  },
  { title: "utimes('x', 'y')", run: (f) => f.utimes(wrong({}), wrong({})) },
  {
    title: 'chmod(0o600)',
    run: async (f) => {
      await f.chmod(0o600);
      return (await f.stat()).mode & 0o777;
    },
  },
  { title: "chmod('x')", run: (f) => f.chmod('x') },
  { title: 'sync()', run: (f) => f.sync() },
  { title: 'datasync()', run: (f) => f.datasync() },
  { title: 'sync() of a folder', folder: true, flags: 'r', run: (f) => f.sync() },
  after('stat()', (f) => f.stat()),
  after('truncate()', (f) => f.truncate()),
  after('utimes(1, 2)', (f) => f.utimes(1, 2)),
  after('chmod(0o600)', (f) => f.chmod(0o600)),
  after('sync()', (f) => f.sync()),
  after('datasync()', (f) => f.datasync()),
  after('close()', (f) => f.close()),
  after('fd', (f) => f.fd),
  {
    title: "'close' event",
    run: async (f) => {
      let events = 0;
      (f as unknown as NodeJS.EventEmitter).on('close', () => events++);
      await f.close();
      return events;
    },
  },

  // streams
  { title: 'createReadStream()', run: async (f) => [await text(f.createReadStream()), f.fd] },
  {
    title: 'createReadStream({ start: 2, end: 4 })',
    run: (f) => text(f.createReadStream({ start: 2, end: 4 })),
  },
  {
    title: "createReadStream({ encoding: 'hex', highWaterMark: 3 })",
    run: (f) => text(f.createReadStream({ encoding: 'hex', highWaterMark: 3 })),
  },
  {
    title: 'createReadStream({ autoClose: false }), then stat()',
    run: async (f) => [await text(f.createReadStream({ autoClose: false })), (await f.stat()).size],
  },
  {
    title: 'read(buffer), then createReadStream()',
    run: async (f) => [shown(await f.read(buffer())), await text(f.createReadStream())],
  },
  {
    title: 'createWriteStream()',
    run: async (f, p) => {
      const s = f.createWriteStream();
      await new Promise<void>((done) => {
        s.once('close', () => done());
        s.write('AB');
        s.end('CD');
      });
      return [readFileSync(p, 'utf8'), f.fd];
    },
  },
  {
    title: 'createWriteStream({ start: 6 })',
    run: async (f, p) => {
      const s = f.createWriteStream({ start: 6 });
      await new Promise<void>((done) => {
        s.once('close', () => done());
        s.end('CD');
      });
      return readFileSync(p, 'utf8');
    },
  },
  {
    title: 'readLines()',
    content: 'one\ntwo\r\nthree',
    run: async (f) => {
      const lines: string[] = [];
      for await (const line of f.readLines()) lines.push(line);
      return lines;
    },
  },
  after('createReadStream()', (f) => {
    f.createReadStream();
  }),
  {
    title: "readableWebStream({ type: 'bytes' })",
    run: async (f) => {
      let all = '';
      for await (const chunk of f.readableWebStream(wrong({ type: 'bytes' })))
        all += Buffer.from(chunk as Uint8Array).toString();
      return all;
    },
  },
  {
    title: 'readableWebStream() twice',
    run: (f) => {
      f.readableWebStream(wrong({ type: 'bytes' }));
      f.readableWebStream(wrong({ type: 'bytes' }));
    },
  },
  after('readableWebStream()', (f) => {
    f.readableWebStream(wrong({ type: 'bytes' }));
  }),
];

/** Whether the outcomes are known to differ on this version of Node.js. */
export function isDifferent({ differs, differsOn = '' }: Call): boolean {
  return differs !== undefined && process.version.startsWith(differsOn);
}

/** Makes the file of a call. */
export function prepare(call: Call, path: string): void {
  writeFileSync(path, call.content ?? 'hello world');
}
