/** The files of a log: a thin layer over kaio's `open()` and the names of a file system. */
import type { AioFile } from 'kaio';

/** What a log asks of names; `fs.promises` has it, and so has the file system of a simulation. */
export interface Names {
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** Why something is made durable. A log that forgets one of these breaks its word. */
export type Promised =
  /** The records of a batch, before their writers are told. */
  | 'batch'
  /** The name of a new segment, before anything is written that counts on it. */
  | 'segment'
  /** The content of a file, before it gets the name under which it is looked for. */
  | 'content'
  /** That name, before what it replaces is removed or written on. */
  | 'name';

export interface StorageOptions {
  readonly directory: string;
  /** kaio's `open()`, on whatever kernel. */
  readonly open: (path: string, flags: string) => Promise<AioFile>;
  readonly names: Names;
  /** Whether directories can be opened and synced. Windows cannot, and keeps names by itself. Default true. */
  readonly syncsDirectories?: boolean;
}

const TEMPORARY = '.tmp';
/** A kernel without room for a request says so at most this often before it is believed. */
const ATTEMPTS = 1000;

export class Storage {
  readonly #directory: string;
  readonly #open: StorageOptions['open'];
  readonly #names: Names;
  readonly #syncsDirectories: boolean;

  constructor({ directory, open, names, syncsDirectories = true }: StorageOptions) {
    this.#directory = directory;
    this.#open = open;
    this.#names = names;
    this.#syncsDirectories = syncsDirectories;
  }

  /** Names in the directory of the log. What was being made when the power was lost is removed. */
  async list(): Promise<string[]> {
    const names = await this.#names.readdir(this.#directory);
    for (const name of names) if (name.endsWith(TEMPORARY)) await this.remove(name);
    return names.filter((name) => !name.endsWith(TEMPORARY));
  }

  open(name: string, flags: string): Promise<AioFile> {
    return this.#open(this.#path(name), flags);
  }

  async read(name: string): Promise<Buffer> {
    await using file = await this.open(name, 'r');
    const content = Buffer.alloc((await file.stat()).size);
    const { bytesRead } = await patiently(() => file.readFully(content, { position: 0 }));
    return content.subarray(0, bytesRead);
  }

  remove(name: string): Promise<void> {
    return this.#names.unlink(this.#path(name));
  }

  /** Puts `content` where `name` is: after a crash the old content is there or the new one, and never a part of it. */
  async replace(name: string, content: Uint8Array): Promise<void> {
    const temporary = name + TEMPORARY;
    {
      await using file = await this.open(temporary, 'w');
      await this.write(file, content, 0);
      await this.promise('content', file);
    }
    await this.#names.rename(this.#path(temporary), this.#path(name));
    await this.promiseNames('name');
  }

  async write(file: AioFile, bytes: Uint8Array, position: number): Promise<void> {
    if (bytes.length > 0) await patiently(() => file.writeFully(bytes, { position }));
  }

  /** Makes the content of a file durable. */
  async promise(_why: Promised, file: AioFile): Promise<void> {
    await patiently(() => file.datasync());
  }

  /** Makes the names in the directory durable. */
  async promiseNames(_why: Promised): Promise<void> {
    if (!this.#syncsDirectories) return;
    await using directory = await this.#open(this.#directory, 'r');
    await patiently(() => directory.sync());
  }

  #path(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Asks again while the kernel has no room. Whoever uses it must not mind if a part was done already. */
async function patiently<T>(attempt: () => Promise<T>): Promise<T> {
  for (let attempts = 1; ; attempts++) {
    try {
      return await attempt();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || attempts === ATTEMPTS) throw error;
    }
  }
}
