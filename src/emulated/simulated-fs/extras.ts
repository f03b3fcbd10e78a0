/** What `node:fs` makes of its other calls: Blobs of files, and directories that remove themselves. */
import type { PathLike } from 'node:fs';
import { ERRNO } from '../../common/abi/errno.ts';
import { systemError } from '../../common/errors.ts';
import type { Disk } from '../simulated/disk.ts';
import type { Inode } from '../simulated/inode.ts';
import { admit, NOWHERE, realFs } from './admission.ts';
import { optionsOf } from './options.ts';

/** What of the file system they are made over. */
interface Over {
  readFileSync(path: string): Buffer;
  rmSync(path: string, options: object): void;
  mkdtempSync(prefix: unknown, options?: unknown): string | Buffer;
  readonly promises: {
    mkdtemp(prefix: unknown, options?: unknown): Promise<string | Buffer>;
    rm(path: string, options: object): Promise<void>;
  };
}

/** `fs.openAsBlob`. Of what cannot be read, versions of Node give different things, and this gives what Node does. */
export function openingBlobs(disk: Disk, fs: Over): (path: unknown, options?: unknown) => Promise<Blob> {
  return async (path, options) => {
    const [at] = admit('accessSync', [path]);
    const place = disk.names.find(at!);
    const inode = typeof place === 'number' ? undefined : place.inode;
    if (inode?.kind !== 'file' || disk.isDead) {
      try {
        return await realFs.openAsBlob(NOWHERE, options as object);
      } catch (error) {
        const { errno, syscall } = error as NodeJS.ErrnoException;
        if (errno === undefined) throw error;
        const why = disk.isDead ? ERRNO.ENODEV : typeof place === 'number' ? place : ERRNO.ENOENT;
        throw systemError(why, syscall!, { path: at! });
      }
    }
    // It judges the options.
    await realFs.openAsBlob(process.execPath, options as object);
    const { type = '' } = optionsOf(options);
    return new FileBlob([fs.readFileSync(at!)], type as string, inode);
  };
}

/** A Blob that cannot be read any more once its file has changed, as Node's. */
class FileBlob extends Blob {
  static {
    Object.defineProperty(FileBlob, 'name', { value: 'Blob' });
  }
  readonly #inode: Inode;
  readonly #mtimeNs: number;

  constructor(parts: (Buffer | Blob)[], type: string, inode: Inode, { mtimeNs } = inode.attributes) {
    super(parts as never[], { type });
    this.#inode = inode;
    this.#mtimeNs = mtimeNs;
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    this.#check();
    return super.arrayBuffer();
  }

  override async text(): Promise<string> {
    this.#check();
    return super.text();
  }

  override stream(): ReturnType<Blob['stream']> {
    const { attributes } = this.#inode;
    if (attributes.mtimeNs === this.#mtimeNs) return super.stream();
    const check = (): void => this.#check();
    return new ReadableStream({ pull: check }) as ReturnType<Blob['stream']>;
  }

  override slice(start?: number, end?: number, type = ''): Blob {
    return new FileBlob([super.slice(start, end)], type, this.#inode, {
      ...this.#inode.attributes,
      mtimeNs: this.#mtimeNs,
    });
  }

  #check(): void {
    if (this.#inode.attributes.mtimeNs !== this.#mtimeNs)
      throw new DOMException('The blob could not be read', 'NotReadableError');
  }
}

const WHOLE = { recursive: true, force: true };

export function disposableNow(fs: Over) {
  return (prefix: PathLike, options?: unknown): object => {
    const path = fs.mkdtempSync(prefix, options);
    const remove = (): void => fs.rmSync(textOf(path), WHOLE);
    return { path, remove, [Symbol.dispose]: remove };
  };
}

export function disposable(fs: Over) {
  return async (prefix: PathLike, options?: unknown): Promise<object> => {
    const path = await fs.promises.mkdtemp(prefix, options);
    const remove = (): Promise<void> => fs.promises.rm(textOf(path), WHOLE);
    return Object.assign(Object.create(null) as object, { path, remove, [Symbol.asyncDispose]: remove });
  };
}

function textOf(path: string | Buffer): string {
  return path.toString();
}
