/** The files of one kernel: the same names and the same content on both sides, each with its own inodes. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../common/errors.ts';
import type { NativeKernel } from '../native/index.ts';
import { EnvironmentBroken } from './environment.ts';
import { FILES, type FileName, type FileRef } from './program.ts';

/** Where what was written to pipe and sockets comes out. */
const READ_ENDS: readonly FileName[] = ['pipe-reader', 'socket', 'socket-peer'];
const AF_UNIX = 1;
const SOCK_STREAM_NONBLOCK = 0o4001;
const O_PATH = 0o10000000;
/** Descriptors that programs see begin here: far above what else a process opens. */
const FIRST_FD = 400;
/** Bytes of a file that are compared: at its beginning, and around places that were written to. */
const WINDOW_BYTES = 1 << 15;
/** No file system here lets a file be larger. */
const MOST_BYTES = 2 ** 50;
const HUGE_BYTES = 2 ** 52;

/** Content in which no 8 bytes look like an address. */
function pattern(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, at) => 0x80 | ((at * 7 + (at >> 8) + seed) & 0x7f));
}

/** Files on disk. */
const INODES = ['regular', 'append', 'empty', 'direct'] as const;
type Inode = (typeof INODES)[number];

const CONTENT: Readonly<Record<Inode, Uint8Array>> = {
  regular: pattern(10_000, 1),
  append: pattern(100, 2),
  empty: new Uint8Array(0),
  direct: pattern(4 * 4096, 3),
};

const { O_RDONLY, O_RDWR, O_WRONLY, O_APPEND } = fs.constants;
const O_DIRECT: number = fs.constants.O_DIRECT ?? 0;

const OPENED: Readonly<Partial<Record<FileName, { readonly inode: Inode; readonly flags: number }>>> = {
  regular: { inode: 'regular', flags: O_RDWR },
  'read-only': { inode: 'regular', flags: O_RDONLY },
  'write-only': { inode: 'regular', flags: O_WRONLY },
  append: { inode: 'append', flags: O_RDWR | O_APPEND },
  empty: { inode: 'empty', flags: O_RDWR },
  path: { inode: 'regular', flags: O_PATH },
  direct: { inode: 'direct', flags: O_RDWR | O_DIRECT },
  'direct-read-only': { inode: 'direct', flags: O_RDONLY | O_DIRECT },
};

/** Calls of the C library that `node:fs` lacks. */
export interface Calls {
  dup2(from: number, to: number): void;
  /** Both ends do not block. */
  pair(name: 'pipe2' | 'socketpair'): readonly [number, number];
  /** @returns 0 or a negative errno. */
  shutdown(fd: number, how: number): number;
  /** `read`, which `node:fs` has too: with an exception where there is nothing to read. @returns Bytes, or a negative errno. */
  read(fd: number, into: Uint8Array): number;
}

export function callsOf({ libc, memory }: NativeKernel): Calls {
  const dup2 = libc.bind('dup2', 'int', 2);
  const pipe2 = libc.bind('pipe2', 'int', 2);
  const socketpair = libc.bind('socketpair', 'int', 4);
  const read = libc.bind('read', 'long', 3);
  const shutdown = libc.bind('shutdown', 'int', 2);
  const pair = new Int32Array(2);
  const at = memory.addressOf(pair);
  const must = (result: number, what: string): void => {
    if (result < 0) throw new EnvironmentBroken(`${what} answered errno ${-result}`);
  };
  return {
    shutdown: (fd, how) => shutdown(fd, how),
    read: (fd, into) => read(fd, memory.addressOf(into), into.byteLength),
    dup2: (from, to) => must(dup2(from, to), 'dup2'),
    pair: (name) => {
      const made =
        name === 'pipe2'
          ? pipe2(at, fs.constants.O_NONBLOCK)
          : socketpair(AF_UNIX, SOCK_STREAM_NONBLOCK, 0, at);
      must(made, name);
      return [pair[0]!, pair[1]!];
    },
  };
}

/** A file on disk, and what a program did to it. */
interface OnDisk {
  readonly content: Uint8Array;
  /** A descriptor that no program sees. */
  readonly fd: number;
  changed: boolean;
  /** Places that were written to. */
  readonly places: number[];
}

export class FileSet {
  /** The descriptor that a program uses for a file, open or not. */
  readonly fds: Readonly<Record<FileName, number>>;
  readonly calls: Calls;
  readonly #masters = new Map<FileName, number>();
  /** What descriptors mean now, where that is not their own file; `undefined`: closed. */
  readonly #moved = new Map<FileName, FileName | undefined>();
  readonly #directory: string;
  readonly #inodes: Readonly<Record<Inode, OnDisk>>;
  #streamed = false;
  readonly #window = Buffer.alloc(WINDOW_BYTES);

  /** @param index - Which side: descriptors of two sides must differ. */
  constructor(calls: Calls, directory: string, index: number) {
    this.calls = calls;
    this.#directory = directory;
    const first = FIRST_FD + index * FILES.length;
    this.fds = Object.fromEntries(FILES.map((name, at) => [name, first + at])) as Record<FileName, number>;
    for (const fd of Object.values(this.fds))
      if (isOpen(fd)) throw new EnvironmentBroken(`descriptor ${fd}, which the fuzzer needs, is in use`);
    this.#inodes = Object.fromEntries(INODES.map((inode) => [inode, this.#create(inode)])) as Record<
      Inode,
      OnDisk
    >;
    for (const name of FILES) {
      const fd = this.#open(name);
      if (fd !== undefined) this.#masters.set(name, fd);
    }
    this.#openPair('pipe2', 'pipe-reader', 'pipe-writer');
    this.#openPair('socketpair', 'socket', 'socket-peer');
    for (const name of FILES) this.#restore(name);
  }

  #create(inode: Inode): OnDisk {
    const path = join(this.#directory, inode);
    fs.writeFileSync(path, CONTENT[inode]);
    return { content: CONTENT[inode], fd: fs.openSync(path, O_RDWR), changed: false, places: [] };
  }

  #openPair(call: 'pipe2' | 'socketpair', one: FileName, other: FileName): void {
    const [first, second] = this.calls.pair(call);
    this.#masters.set(one, first);
    this.#masters.set(other, second);
  }

  /** Whether this file system offers the file at all. */
  has(name: FileName): boolean {
    return this.#masters.has(name);
  }

  /** Whether a file may be larger than 2^52 bytes here, and so perhaps larger than a position in `node:fs`. */
  takesHugeFiles(): boolean {
    const { fd } = this.#inodes.empty;
    try {
      fs.ftruncateSync(fd, HUGE_BYTES);
      fs.ftruncateSync(fd, 0);
      return true;
    } catch (error) {
      if (codeOf(error) !== 'EFBIG') throw error;
      return false;
    }
  }

  #open(name: FileName): number | undefined {
    if (name === 'directory') return fs.openSync(this.#directory, O_RDONLY);
    if (name === 'null' || name === 'zero' || name === 'full') return fs.openSync(`/dev/${name}`, O_RDWR);
    const opened = OPENED[name];
    if (opened === undefined) return undefined;
    try {
      return fs.openSync(join(this.#directory, opened.inode), opened.flags);
    } catch (error) {
      // A file system without O_DIRECT says so at open.
      if ((opened.flags & O_DIRECT) !== 0 && codeOf(error) === 'EINVAL') return undefined;
      throw error;
    }
  }

  #restore(name: FileName): void {
    const master = this.#masters.get(name);
    if (master !== undefined) this.calls.dup2(master, this.fds[name]);
  }

  /** Makes the descriptor of `onto` mean the file of `name`. */
  dup(name: FileName, onto: FileName): void {
    const master = this.#masters.get(name);
    if (master === undefined || !this.has(onto)) return;
    this.calls.dup2(master, this.fds[onto]);
    this.#moved.set(onto, name);
  }

  close(name: FileName): void {
    if (!this.has(name)) return;
    // Only an open one: whatever else has the number now is not ours.
    if (!this.#moved.has(name) || this.#moved.get(name) !== undefined) fs.closeSync(this.fds[name]);
    this.#moved.set(name, undefined);
  }

  truncate(name: FileName, length: number): void {
    const inode = this.#inodeOf(name);
    if (inode === undefined) return;
    fs.ftruncateSync(inode.fd, length);
    inode.changed = true;
  }

  #inodeOf(ref: FileRef): OnDisk | undefined {
    const name = ref as FileName;
    const meant = this.#moved.has(name) ? this.#moved.get(name) : name;
    const opened = meant === undefined ? undefined : OPENED[meant];
    return opened === undefined ? undefined : this.#inodes[opened.inode];
  }

  /** Remembers that a program may change a file, around `place`. */
  written(ref: FileRef, place: number): void {
    if (ref.startsWith('pipe') || ref.startsWith('socket')) this.#streamed = true;
    const inode = this.#inodeOf(ref);
    if (inode === undefined) return;
    inode.changed = true;
    if (place >= WINDOW_BYTES && place < MOST_BYTES) inode.places.push(place);
  }

  /** What differs between the files of two sides. */
  differs(other: FileSet): { what: string; mine: string; others: string } | undefined {
    for (const inode of INODES) {
      const mine = this.#inodes[inode];
      const others = other.#inodes[inode];
      if (!mine.changed && !others.changed) continue;
      const sizes = [fs.fstatSync(mine.fd).size, fs.fstatSync(others.fd).size] as const;
      if (sizes[0] !== sizes[1])
        return { what: `size of file ${inode}`, mine: String(sizes[0]), others: String(sizes[1]) };
      for (const start of [0, ...mine.places]) {
        const one = this.#look(mine, start);
        const two = other.#look(others, start);
        if (!one.equals(two)) return { what: `file ${inode} from ${start} on`, ...firstDifference(one, two) };
      }
    }
    const left = other.#drain();
    for (const [at, { name, bytes }] of this.#drain().entries()) {
      const two = left[at]!.bytes;
      if (!bytes.equals(two)) return { what: `data left in ${name}`, ...firstDifference(bytes, two) };
    }
    return undefined;
  }

  #look({ fd }: OnDisk, start: number): Buffer {
    return this.#window.subarray(0, fs.readSync(fd, this.#window, 0, WINDOW_BYTES, start));
  }

  /** Empties pipe and sockets. */
  #drain(): readonly { readonly name: FileName; readonly bytes: Buffer }[] {
    if (!this.#streamed) return [];
    this.#streamed = false;
    return READ_ENDS.map((name) => ({ name, bytes: this.#readAll(this.#masters.get(name)!) }));
  }

  #readAll(fd: number): Buffer {
    const found: Buffer[] = [];
    for (;;) {
      const got = this.calls.read(fd, this.#window);
      if (got <= 0) return Buffer.concat(found);
      found.push(Buffer.from(this.#window.subarray(0, got)));
    }
  }

  /** Gives every file its first content, and every descriptor its first meaning. */
  reset(): void {
    for (const name of this.#moved.keys()) this.#restore(name);
    this.#moved.clear();
    for (const inode of Object.values(this.#inodes)) {
      if (!inode.changed) continue;
      const { content, fd } = inode;
      // Cutting a file is dear, so only where it has another size.
      if (fs.fstatSync(fd).size !== content.length) fs.ftruncateSync(fd, 0);
      if (content.length > 0) fs.writeSync(fd, content, 0, content.length, 0);
      inode.changed = false;
      inode.places.length = 0;
    }
    this.#drain();
  }

  dispose(): void {
    for (const name of FILES) if (this.has(name) && isOpen(this.fds[name])) fs.closeSync(this.fds[name]);
    for (const fd of this.#masters.values()) fs.closeSync(fd);
    for (const { fd } of Object.values(this.#inodes)) fs.closeSync(fd);
  }
}

function isOpen(fd: number): boolean {
  try {
    fs.fstatSync(fd);
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EBADF') throw error;
    return false;
  }
}

/** Where two byte strings part, and how they go on. */
export function firstDifference(mine: Uint8Array, others: Uint8Array): { mine: string; others: string } {
  let at = 0;
  while (at < mine.length && mine[at] === others[at]) at++;
  const show = (bytes: Uint8Array): string =>
    `${bytes.length} bytes, from ${at} on: ${Buffer.from(bytes.subarray(at, at + 16)).toString('hex')}`;
  return { mine: show(mine), others: show(others) };
}
