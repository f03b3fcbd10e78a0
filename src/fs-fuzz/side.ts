/** Runs a program on one file system, and writes down all that it shows. */
import { createHash } from 'node:crypto';
import type * as NodeFs from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { FsProgram, Item, Made, Step, Value } from './program.ts';
import { shown, shownError } from './shown.ts';

type Method = (...args: unknown[]) => unknown;
type Loose = Readonly<Record<string, Method>>;
export type Fs = typeof NodeFs;

/** An open file of `promises.open`. */
type Handle = Readonly<Record<string, Method>> & { readonly fd: number };

const NO_FD = 0x7ffffff0;
/** A call that takes longer has been forgotten. */
const HANGS_MS = 3000;
const SHORTLY_MS = 2;
const UNSORTED = ['glob', 'opendir'];

export class Side {
  readonly #fs: Fs;
  readonly #folder: string;
  readonly #fds = new Map<number, number>();
  readonly #handles = new Map<number, Handle>();
  readonly #items: Item[] = [];

  /** @param folder - The program's, which is there and empty. */
  constructor(fs: Fs, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
  }

  async run({ steps }: FsProgram): Promise<readonly Item[]> {
    for (const [index, step] of steps.entries()) {
      const show = (what: string, value: string): void => void this.#items.push({ step: index, what, value });
      const timer = new AbortController();
      await Promise.race([this.#step(step, show), hanging(show, timer.signal)]);
      timer.abort();
    }
    for (const handle of this.#handles.values()) await this.#quietly(() => handle.close!());
    for (const fd of this.#fds.values()) await this.#quietly(() => this.#fs.closeSync(fd));
    // A program can take it away, or put a file in its place.
    const left = this.#fs.lstatSync(this.#folder, { throwIfNoEntry: false });
    try {
      if (left?.isDirectory()) this.#look(this.#folder);
    } catch (error) {
      // What was copied into itself is deeper than paths can be long.
      this.#items.push({ step: 'end', what: 'look', value: shownError(error) });
    }
    return this.#items;
  }

  async #quietly(call: () => unknown): Promise<void> {
    try {
      await call();
    } catch {
      // It was closed by the program.
    }
  }

  async #step(step: Step, show: (what: string, value: string) => void): Promise<void> {
    switch (step.op) {
      case 'call':
        await this.#call(step, show);
        return;
      case 'open':
        await this.#opened(step, show);
        return;
      case 'method': {
        const handle = this.#handles.get(step.slot);
        if (handle === undefined) return;
        const args = step.args.map((value) => this.#made(value));
        try {
          show('value', shown(namedOnly(await handle[step.name]!(...args)), false));
        } catch (error) {
          show('rejected', shownError(error));
        }
        if (step.name === 'close') this.#handles.delete(step.slot);
        return;
      }
      case 'read-stream':
      case 'write-stream':
        await this.#streamed(step, show);
    }
  }

  async #call(
    { face, name, args: values, slot }: Step & { op: 'call' },
    show: (what: string, value: string) => void,
  ): Promise<void> {
    const args = values.map((value) => this.#made(value));
    // Shrinking leaves it out, and the directory of this process is not the simulation's.
    if (name === 'glob') args[1] = { cwd: this.#folder, ...(args[1] as object | undefined) };
    const fs = this.#fs as unknown as Loose;
    const isSorted = UNSORTED.includes(name);
    const give = async (value: unknown): Promise<void> => {
      if (name === 'open' && typeof value === 'number' && slot !== undefined) {
        const before = this.#fds.get(slot);
        if (before !== undefined) await this.#quietly(() => this.#fs.closeSync(before));
        this.#fds.set(slot, value);
        show('value', 'a descriptor');
      } else if (name === 'mkdtemp' && value !== undefined) {
        const path = decoded(value, args[1]);
        show('value', `${typeof value} ${path.length}`);
        this.#fs.rmdirSync(path);
      } else if (name === 'opendir') show('value', shown(await all(value as NodeFs.Dir, face), isSorted));
      else show('value', shown(value, isSorted));
    };
    try {
      if (face === 'sync') {
        await give(fs[`${name}Sync`]!(...args));
      } else if (face === 'promise') {
        const answer = (fs.promises as unknown as Loose)[name]!(...args);
        if (name === 'glob') {
          const found: unknown[] = [];
          for await (const one of answer as AsyncIterable<unknown>) found.push(one);
          await give(found);
        } else await give(await answer);
      } else {
        const results = await new Promise<unknown[]>((resolve) => {
          fs[name]!(...args, (...given: unknown[]) => resolve(given));
        });
        const [error, ...rest] = results;
        if (error instanceof Error) show('callback', `${results.length} ${shownError(error)}`);
        else {
          show('callback', `${results.length} ${shown(error, false)}`);
          await give(rest[0]);
          if (rest.length > 1) show('second', shown(rest.slice(1), false));
        }
      }
    } catch (error) {
      show('thrown', shownError(error));
    }
    // What was read into them.
    if (name.startsWith('read'))
      for (const arg of args) if (ArrayBuffer.isView(arg)) show('memory', digest(arg));
  }

  async #opened(
    { slot, args }: Step & { op: 'open' },
    show: (what: string, value: string) => void,
  ): Promise<void> {
    try {
      const handle = await this.#fs.promises.open(...(args.map((value) => this.#made(value)) as [string]));
      await this.#quietly(() => this.#handles.get(slot)?.close?.());
      this.#handles.set(slot, handle as unknown as Handle);
      show('value', 'a handle');
    } catch (error) {
      show('rejected', shownError(error));
    }
  }

  async #streamed(
    step: Step & { op: 'read-stream' | 'write-stream' },
    show: (what: string, value: string) => void,
  ): Promise<void> {
    const path = this.#made(step.path) as string;
    const options = this.#made(step.options) as object;
    try {
      const isRead = step.op === 'read-stream';
      const stream: Readable | Writable = isRead
        ? this.#fs.createReadStream(path, options)
        : this.#fs.createWriteStream(path, options);
      const chunks: string[] = [];
      for (const event of ['open', 'ready', 'end', 'finish', 'close'])
        stream.on(event, () => chunks.push(event));
      const closed = new Promise<void>((resolve) => {
        stream.on('error', (error) => {
          chunks.push(shownError(error));
          // Without 'close' nothing comes after it.
          void setTimeout(SHORTLY_MS).then(() => resolve());
        });
        stream.on('close', resolve);
        stream.on(isRead ? 'end' : 'finish', () => {
          const emits = (options as { emitClose?: unknown } | undefined)?.emitClose;
          if (emits === false) void setTimeout(SHORTLY_MS).then(() => resolve());
        });
      });
      if (isRead) stream.on('data', (chunk: string | Buffer) => chunks.push(shown(chunk, false)));
      else {
        const writer = stream as Writable;
        for (const chunk of step.chunks) writer.write(this.#made(chunk));
        writer.end();
      }
      await closed;
      const counts = stream as unknown as { bytesRead?: number; bytesWritten?: number };
      show('stream', `${chunks.join(' | ')}; ${counts.bytesRead} ${counts.bytesWritten}`);
    } catch (error) {
      show('thrown', shownError(error));
    }
  }

  /** Writes down what is left. */
  #look(path: string): void {
    for (const name of this.#fs.readdirSync(path).sort()) {
      const below = `${path}/${name}`;
      const stats = this.#fs.lstatSync(below);
      let content = '';
      if (stats.isSymbolicLink()) content = this.#fs.readlinkSync(below);
      else if (stats.isFile() && stats.size < 2 ** 22) content = digest(this.#fs.readFileSync(below));
      this.#items.push({ step: 'end', what: below, value: `${shown(stats, false)} ${content}` });
      if (stats.isDirectory()) this.#look(below);
    }
  }

  #made(value: Value): unknown {
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item: Value) => this.#made(item));
    if (!('$' in value))
      return Object.fromEntries(
        Object.entries(value).map(([name, field]) => [name, this.#made(field as Value)]),
      );
    const made = value as Made;
    switch (made.$) {
      case 'path': {
        const path = `${this.#folder}${made.text}`;
        if (made.as === 'URL') return pathToFileURL(path);
        return made.as === 'Buffer' ? Buffer.from(path) : path;
      }
      case 'bytes': {
        const { length, as, fill = 0 } = made;
        const bytes = Uint8Array.from({ length }, (_, index) => fill + index);
        if (as === 'Uint16Array') return new Uint16Array(bytes.buffer);
        return as === 'DataView' ? new DataView(bytes.buffer) : Buffer.from(bytes.buffer);
      }
      case 'text':
        return 'text '.repeat(made.length).slice(0, made.length);
      case 'fd':
        return this.#fds.get(made.slot) ?? NO_FD;
      case 'iterable':
        return made.items.map((item) => this.#made(item)).values();
      case 'async-iterable':
        return later(made.items.map((item) => this.#made(item)));
      case 'signal': {
        const controller = new AbortController();
        if (made.aborted) controller.abort();
        return controller.signal;
      }
      case 'date':
        return new Date(made.ms);
      case 'filter': {
        const passes = (path: string): boolean => !path.slice(path.lastIndexOf('/')).includes(made.without);
        return made.later === true ? async (path: string) => passes(path) : passes;
      }
      case 'excluded':
        return (found: string | NodeFs.Dirent) =>
          (typeof found === 'string' ? found : found.name) === made.name;
      case 'symbol':
        return Symbol.for('symbol');
    }
  }
}

async function* later(items: readonly unknown[]): AsyncGenerator<unknown> {
  yield* items;
}

async function all(dir: NodeFs.Dir, face: string): Promise<NodeFs.Dirent[]> {
  const found: NodeFs.Dirent[] = [];
  if (face === 'sync') {
    for (let dirent = dir.readSync(); dirent !== null; dirent = dir.readSync()) found.push(dirent);
    dir.closeSync();
  } else for await (const dirent of dir) found.push(dirent);
  return found;
}

/** Results of transfers, without the memory, which is the program's own. */
function namedOnly(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('bytesRead' in value) return { bytesRead: value.bytesRead };
  return 'bytesWritten' in value ? { bytesWritten: value.bytesWritten } : value;
}

/** A path that was encoded as the options said. */
function decoded(value: unknown, options: unknown): string {
  if (Buffer.isBuffer(value)) return value.toString();
  const encoding =
    typeof options === 'object' ? (options as { encoding?: string } | null)?.encoding : options;
  return Buffer.from(String(value), (encoding || 'utf8') as BufferEncoding).toString();
}

function digest(view: ArrayBufferView): string {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;
}

async function hanging(show: (what: string, value: string) => void, signal: AbortSignal): Promise<void> {
  try {
    await setTimeout(HANGS_MS, undefined, { signal });
    show('hangs', '');
  } catch {
    // It did not.
  }
}
