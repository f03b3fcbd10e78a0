/**
 * FileHandles of the host, held open while requests use them.
 *
 * Whoever has a FileHandle open is counted by Node.js: one that is closed meanwhile stays open until the last has let go, as when its
 * own reads are under way. So nothing has to be asked of its descriptor, and a pool thread may even write to it.
 */
import { open } from 'node:fs/promises';
import { devNull } from 'node:os';
import { types } from 'node:util';
import { type HostInternals, internalsOf } from '../../common/host-internals.ts';
import type { FileTable } from './file-table.ts';
import type { HostFile } from './host-file.ts';

type Method = (this: object) => unknown;

/** The class of FileHandles, as one that was opened here shows it: of another's, nobody knows whether it is real. */
interface HostClass {
  readonly prototype: object;
  readonly fd: (this: object) => number;
  readonly ref: Method;
  readonly unref: Method;
}

const { getPrototypeOf, getOwnPropertyDescriptor } = Object;
const apply = Reflect.apply;
const { isProxy } = types;
let host: HostClass | undefined;
let learning: Promise<void> | undefined;

/** Opens a file to see its FileHandle, once per thread. Until then, and where it can't, descriptors are looked at one by one. */
export function learnHostHandles(): Promise<void> {
  learning ??= learn().catch(() => {});
  return learning;
}

async function learn(): Promise<void> {
  const handle = await open(devNull, 'r');
  const prototype = getPrototypeOf(handle) as object;
  const internals: HostInternals | undefined = internalsOf(handle);
  await handle.close();
  const fd = getOwnPropertyDescriptor(prototype, 'fd')?.get as HostClass['fd'] | undefined;
  if (internals === undefined || fd === undefined) return;
  const methods = prototype as unknown as Record<symbol, Method>;
  host = { prototype, fd, ref: methods[internals.ref]!, unref: methods[internals.unref]! };
}

/** A FileHandle that is held. */
export interface Lent {
  readonly handle: object;
  readonly fd: number;
  readonly file: HostFile;
  /** Requests that use it. */
  count: number;
}

export class HostHandles {
  readonly #table: FileTable;
  readonly #lent = new Map<object, Lent>();
  /** Files of handles that were seen before. */
  readonly #files = new WeakMap<object, HostFile>();

  constructor(table: FileTable) {
    this.#table = table;
  }

  /**
   * Holds a FileHandle open until {@link giveBack}. No code of its owner's runs.
   *
   * @returns `undefined` for what is none, or has not this descriptor (any more).
   */
  lend(handle: object, fd: number): Lent | undefined {
    const known = this.#lent.get(handle);
    if (known !== undefined) {
      if (known.fd !== fd) return undefined;
      known.count++;
      return known;
    }
    if (host === undefined) {
      void learnHostHandles();
      return undefined;
    }
    if (isProxy(handle) || getPrototypeOf(handle) !== host.prototype) return undefined;
    if (fd < 0 || apply(host.fd, handle, []) !== fd) return undefined;
    const file = this.#files.get(handle) ?? this.#table.openHost(fd);
    if (file === undefined) return undefined;
    apply(host.ref, handle, []);
    file.held = true;
    this.#files.set(handle, file);
    this.#table.lend(file);
    const lent = { handle, fd, file, count: 1 };
    this.#lent.set(handle, lent);
    return lent;
  }

  /** One request has let go. The last one closes a file that its owner has closed. */
  giveBack(lent: Lent): void {
    lent.count--;
    if (lent.count > 0) return;
    this.#lent.delete(lent.handle);
    this.#table.takeBack(lent.file);
    apply(host!.unref, lent.handle, []);
  }
}
