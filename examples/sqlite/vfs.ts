/** A virtual file system for SQLite over kaio's files: the same on the host and on a simulated machine. */
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { FacadeVFS, type MemoryBytes, type MemoryNumber } from '@journeyapps/wa-sqlite/src/FacadeVFS.js';
import * as SQLite from '@journeyapps/wa-sqlite/src/sqlite-constants.js';
import type { AioFile } from 'kaio';

/** Why something is made durable. A database that forgets one of these breaks its word. */
export type Promised =
  /** The rollback journal: what a transaction writes over. */
  | 'journal'
  /** The name of the journal, before the database is touched. */
  | 'journal-name'
  /** The database: before the journal is given up, or the write-ahead log begun anew. */
  | 'database'
  /** The end of the journal, which is the commit. */
  | 'journal-removal'
  /** The write-ahead log, which is the commit in that mode. */
  | 'wal'
  /** Its name. */
  | 'wal-name';

/** What the database is on. */
export interface Machine {
  /** kaio's `open()`, on whatever kernel. */
  readonly open: (path: string, flags: number) => Promise<AioFile>;
  /** `fs.promises` has these, and so has the file system of a simulation. */
  readonly names: {
    unlink(path: string): Promise<void>;
    stat(path: string): Promise<{ readonly size: number }>;
  };
  /** Chance: for the salts of journals. */
  readonly randomBytes: (length: number) => Uint8Array;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** Whether directories can be opened and synced. Windows cannot, and keeps names by itself. */
  readonly syncsDirectories: boolean;
}

interface OpenFile {
  readonly path: string;
  readonly file: AioFile;
  readonly flags: number;
  /** Its name is new: the directory is synced with the first sync of the file, as SQLite's own VFS for Unix does. */
  isNew: boolean;
}

/** What a disk reads and writes as a whole at least; no promise is made about what lies beside a write that is torn. */
const SECTOR_BYTES = 512;
const LONGEST_PATH = 512;
/** 1970-01-01 in milliseconds of the Julian calendar, as SQLite counts. */
const JULIAN_EPOCH_MS = 210_866_760_000_000n;
const JOURNALS = SQLite.SQLITE_OPEN_MAIN_JOURNAL | SQLite.SQLITE_OPEN_WAL;

export class AioVfs extends FacadeVFS {
  override mxPathname = LONGEST_PATH;
  /** What a call failed with last. */
  lastError: unknown;
  readonly #machine: Machine;
  readonly #promises: (why: Promised) => boolean;
  readonly #files = new Map<number, OpenFile>();
  #temporaries = 0;

  /** @param promises - Whether something is made durable. Saying no to any is a mistake, for tests that want to see it found. */
  constructor(
    name: string,
    module: unknown,
    machine: Machine,
    promises: (why: Promised) => boolean = () => true,
  ) {
    super(name, module);
    this.#machine = machine;
    this.#promises = promises;
  }

  async jOpen(name: string | null, id: number, flags: number, outFlags: MemoryNumber): Promise<number> {
    // There is no lock between processes, and so none between connections that would need it.
    if ([...this.#files.values()].some(({ path }) => path === name)) return SQLite.SQLITE_BUSY;
    return this.#settled(SQLite.SQLITE_CANTOPEN, async () => {
      const path = name ?? `/sqlite-temporary-${this.#temporaries++}`;
      const writable = (flags & SQLite.SQLITE_OPEN_READWRITE) !== 0;
      const access = writable ? constants.O_RDWR : constants.O_RDONLY;
      const file = await this.#machine.open(path, access).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT' || (flags & SQLite.SQLITE_OPEN_CREATE) === 0) throw error;
      });
      const isNew = file === undefined;
      this.#files.set(id, {
        path,
        file: file ?? (await this.#machine.open(path, access | constants.O_CREAT)),
        flags: name === null ? flags | SQLite.SQLITE_OPEN_DELETEONCLOSE : flags,
        isNew,
      });
      outFlags.setInt32(0, flags, true);
    });
  }

  async jClose(id: number): Promise<number> {
    const opened = this.#files.get(id);
    // SQLite closes what could not be opened too.
    if (opened === undefined) return SQLite.SQLITE_OK;
    const { file, path, flags } = opened;
    this.#files.delete(id);
    return this.#settled(SQLite.SQLITE_IOERR_CLOSE, async () => {
      await file.close();
      if ((flags & SQLite.SQLITE_OPEN_DELETEONCLOSE) !== 0) await this.#machine.names.unlink(path);
    });
  }

  async jRead(id: number, data: MemoryBytes, position: number): Promise<number> {
    let read = 0;
    const answer = await this.#settled(SQLite.SQLITE_IOERR_READ, async () => {
      const { bytesRead } = await this.#files.get(id)!.file.readFully(data.subarray(), { position });
      read = bytesRead;
    });
    if (answer !== SQLite.SQLITE_OK || read === data.byteLength) return answer;
    // SQLite reads beyond the end, and counts on zeros.
    data.fill(0, read);
    return SQLite.SQLITE_IOERR_SHORT_READ;
  }

  async jWrite(id: number, data: MemoryBytes, position: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_WRITE, async () => {
      await this.#files.get(id)!.file.writeFully(data.subarray(), { position });
    });
  }

  async jTruncate(id: number, size: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_TRUNCATE, () => this.#files.get(id)!.file.truncate(size));
  }

  async jSync(id: number, flags: number): Promise<number> {
    const opened = this.#files.get(id)!;
    return this.#settled(SQLite.SQLITE_IOERR_FSYNC, async () => {
      const kind = opened.flags & JOURNALS;
      const why = kind === 0 ? 'database' : kind === SQLite.SQLITE_OPEN_WAL ? 'wal' : 'journal';
      if (this.#promises(why)) {
        if ((flags & SQLite.SQLITE_SYNC_DATAONLY) !== 0) await opened.file.datasync();
        else await opened.file.sync();
      }
      if (!opened.isNew || why === 'database') return;
      opened.isNew = false;
      await this.#promiseNames(opened.path, `${why}-name`);
    });
  }

  async jFileSize(id: number, size: MemoryNumber): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_FSTAT, async () => {
      size.setBigInt64(0, BigInt((await this.#files.get(id)!.file.stat()).size), true);
    });
  }

  async jDelete(path: string, syncsDirectory: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_DELETE, async () => {
      await this.#machine.names.unlink(path);
      if (syncsDirectory !== 0) await this.#promiseNames(path, 'journal-removal');
    });
  }

  async jAccess(path: string, flags: number, answer: MemoryNumber): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_ACCESS, async () => {
      const found = await this.#machine.names.stat(path).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT') throw error;
      });
      // An empty journal is as good as none, as SQLite's own VFS for Unix has it.
      const there = found !== undefined && (flags !== SQLite.SQLITE_ACCESS_EXISTS || found.size > 0);
      answer.setInt32(0, there ? 1 : 0, true);
    });
  }

  jSectorSize(): number {
    return SECTOR_BYTES;
  }

  override xRandomness(_vfs: number, length: number, address: number): number {
    this._module.HEAPU8.set(this.#machine.randomBytes(length), address);
    return length;
  }

  override xCurrentTimeInt64(_vfs: number, address: number): number {
    const { buffer, byteOffset } = this._module.HEAPU8;
    const ms = BigInt(Math.floor(this.#machine.nowMs())) + JULIAN_EPOCH_MS;
    new DataView(buffer, byteOffset).setBigInt64(address, ms, true);
    return SQLite.SQLITE_OK;
  }

  async #promiseNames(path: string, why: Promised): Promise<void> {
    if (!this.#machine.syncsDirectories || !this.#promises(why)) return;
    await using directory = await this.#machine.open(dirname(path), constants.O_RDONLY);
    await directory.sync();
  }

  /** SQLite takes numbers; the error behind one is kept. */
  async #settled(otherwise: number, act: () => Promise<void>): Promise<number> {
    try {
      await act();
      return SQLite.SQLITE_OK;
    } catch (error) {
      this.lastError = error;
      const code = codeOf(error);
      if (code === 'ENOSPC') return SQLite.SQLITE_FULL;
      if (code === 'ENOENT' && otherwise === SQLite.SQLITE_IOERR_DELETE)
        return SQLite.SQLITE_IOERR_DELETE_NOENT;
      return otherwise;
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
