/** The files of one side: the same for each side before every program, and looked at afterwards. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../common/errors.ts';
import type { PlaceName } from './program.ts';
import { shownBytes } from './shown.ts';
import { pattern } from './values.ts';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;

const TEXT = Buffer.from('first line\nsecond\r\n\nfourth line, ünïcödé\nlast without end');
const DATA = pattern(20_000, 5);
const FIFO_BYTES = Buffer.from('bytes that wait\nin a FIFO\n');
const DEVICES: Partial<Record<PlaceName, string>> = {
  null: '/dev/null',
  zero: '/dev/zero',
  full: '/dev/full',
  // Files of this kind know no size and are made when they are read.
  version: '/proc/version',
};
/** Mode of the files that are there before. */
const MODE = 0o644;
/** Times before this were set by a program. */
const SET_BY_PROGRAM_MS = 1e12;

/** What is in the files that are there before. */
const CONTENTS: Partial<Record<PlaceName, Buffer>> = {
  text: TEXT,
  data: DATA,
  empty: Buffer.alloc(0),
  small: TEXT,
};

export class Places {
  readonly #directory: string;
  readonly #small: string;
  #fifo = -1;

  /**
   * @param directory - Empty, and this side's own.
   * @param small - A directory on a file system with little room, this side's own; or `directory`.
   */
  constructor(directory: string, small: string) {
    this.#directory = directory;
    this.#small = small;
    mkdirSync(join(directory, 'directory'));
    const { status } = spawnSync('mkfifo', [this.path('fifo')]);
    // Held open for reading: nobody waits who opens it for writing, and what is in it stays there.
    if (status === 0) this.#fifo = openSync(this.path('fifo'), O_RDONLY | O_NONBLOCK);
  }

  get hasFifo(): boolean {
    return this.#fifo >= 0;
  }

  path(place: PlaceName): string {
    return DEVICES[place] ?? join(place === 'small' ? this.#small : this.#directory, place);
  }

  /** As before every program. */
  reset(place: PlaceName): void {
    const content = CONTENTS[place];
    if (content !== undefined) {
      const path = this.path(place);
      writeFileSync(path, content);
      if ((lstatSync(path).mode & 0o7777) !== MODE) chmodSync(path, MODE);
    } else if (place === 'missing') {
      rmSync(this.path(place), { force: true });
    } else if (place === 'fifo') {
      this.#drain();
      const fd = openSync(this.path(place), O_WRONLY | O_NONBLOCK);
      writeSync(fd, FIFO_BYTES);
      closeSync(fd);
    }
  }

  /** What is there now. */
  look(place: PlaceName): string {
    if (place === 'fifo') return shownBytes(this.#drain());
    if (CONTENTS[place] === undefined && place !== 'missing') return 'not looked at';
    try {
      const { mode, size, mtimeMs } = lstatSync(this.path(place));
      const mtime = mtimeMs < SET_BY_PROGRAM_MS ? ` mtime ${mtimeMs}` : '';
      return `mode ${(mode & 0o7777).toString(8)} size ${size}${mtime} ${shownBytes(readFileSync(this.path(place)))}`;
    } catch (error) {
      return `${codeOf(error)}`;
    }
  }

  /** Gives room back where there is little. */
  clear(place: PlaceName): void {
    if (place !== 'small') return;
    const path = this.path(place);
    // First its bytes: a handle that stays open keeps them.
    if (existsSync(path)) truncateSync(path);
    rmSync(path, { force: true });
  }

  close(): void {
    if (this.#fifo >= 0) closeSync(this.#fifo);
    this.#fifo = -1;
  }

  #drain(): Buffer {
    const chunks: Buffer[] = [];
    for (;;) {
      const chunk = Buffer.alloc(1 << 16);
      try {
        const count = readSync(this.#fifo, chunk);
        if (count === 0) break;
        chunks.push(chunk.subarray(0, count));
      } catch (error) {
        if (codeOf(error) === 'EAGAIN') break;
        throw error;
      }
    }
    return Buffer.concat(chunks);
  }
}
