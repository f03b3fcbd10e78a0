/**
 * A virtual file system for SQLite in WebAssembly (`@journeyapps/wa-sqlite`) over kaio's files: the same on the host and on a simulated
 * machine.
 *
 * @example
 * ```ts
 * import * as SQLite from '@journeyapps/wa-sqlite';
 * import createModule from '@journeyapps/wa-sqlite/dist/wa-sqlite-async.mjs';
 * import { AioVfs } from 'kaio/sqlite-vfs';
 *
 * const module = await createModule();
 * const sqlite = SQLite.Factory(module);
 * sqlite.vfs_register(new AioVfs('aio', module), true);
 * const database = await sqlite.open_v2('/var/lib/app/data.db');
 * await sqlite.exec(database, 'PRAGMA locking_mode = exclusive; PRAGMA journal_mode = wal');
 * ```
 *
 * @module kaio/sqlite-vfs
 */
import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import type { AioFile } from '../index.ts';
import { loadPeer } from './peer.ts';
import type { FacadeClass, MemoryBytes, MemoryNumber, SqliteConstants } from './sqlite-facade.ts';
import { host, type Machine } from './sqlite-machines.ts';

export type { MemoryBytes, MemoryNumber, SqliteFacade, SqliteModule } from './sqlite-facade.ts';
export { host, type Machine, simulated } from './sqlite-machines.ts';

const PEER = { adapter: 'kaio/sqlite-vfs', name: '@journeyapps/wa-sqlite', range: '^2' };
const Facade: FacadeClass = loadPeer(
  PEER,
  (near) => (near('@journeyapps/wa-sqlite/src/FacadeVFS.js') as { FacadeVFS: FacadeClass }).FacadeVFS,
);
const SQLite = loadPeer(
  PEER,
  (near) => near('@journeyapps/wa-sqlite/src/sqlite-constants.js') as SqliteConstants,
);

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

interface OpenFile {
  readonly path: string;
  readonly file: AioFile;
  readonly flags: number;
  /** Who may read and write it. */
  readonly mode: number;
  /** Its name is new: the directory is synced with the first sync of the file, as SQLite's own VFS for Unix does. */
  isNew: boolean;
}

/** What a disk reads and writes as a whole at least; no promise is made about what lies beside a write that is torn. */
const SECTOR_BYTES = 512;
const LONGEST_PATH = 512;
const MODE = 0o644;
const TEMPORARY_MODE = 0o600;
const PERMISSIONS = 0o777;
/** 1970-01-01 in milliseconds of the Julian calendar, as SQLite counts. */
const JULIAN_EPOCH_MS = 210_866_760_000_000n;
/** The super-journal is what makes a transaction over attached databases one: its name has to be there before they are written to. */
const JOURNALS = SQLite.SQLITE_OPEN_MAIN_JOURNAL | SQLite.SQLITE_OPEN_SUPER_JOURNAL | SQLite.SQLITE_OPEN_WAL;

/**
 * What SQLite asks of files, by kaio's.
 *
 * @remarks **One connection**: it has no locks, refuses a second connection of its own with `SQLITE_BUSY`, and does not see those of other
 * programs, which must not have the database open. A write-ahead log takes `PRAGMA locking_mode = exclusive`, since there is no shared
 * memory. The module has to be one of the asynchronous builds.
 *
 * *Durability*: each sync that SQLite asks for is made, `datasync()` where the data suffice, and names by a sync of their directory.
 * *Errors*: SQLite's own codes (`SQLITE_FULL` for `ENOSPC`, else by what failed); {@link lastError} has the cause.
 */
export class AioVfs extends Facade {
  /** Bytes of the longest path. */
  override mxPathname = LONGEST_PATH;
  /** What a call failed with last. */
  lastError: unknown;
  readonly #machine: Machine;
  readonly #promises: (why: Promised) => boolean;
  readonly #files = new Map<number, OpenFile>();

  /**
   * Opens nothing yet: `vfs_register()` of the module makes it known.
   *
   * @param name - By which SQLite knows it.
   * @param module - What the build's `createModule()` has given.
   * @param machine - What the database is on.
   * @param promises - Whether something is made durable. Saying no to any is a mistake, for tests that want to see it found.
   */
  constructor(
    name: string,
    module: unknown,
    machine: Machine = host,
    promises: (why: Promised) => boolean = () => true,
  ) {
    super(name, module);
    this.#machine = machine;
    this.#promises = promises;
  }

  /** @internal */
  async jOpen(name: string | null, id: number, flags: number, outFlags: MemoryNumber): Promise<number> {
    // There is no lock between processes, and so none between connections that would need it.
    if ([...this.#files.values()].some(({ path }) => path === name)) return SQLite.SQLITE_BUSY;
    return this.#settled(SQLite.SQLITE_CANTOPEN, async () => {
      const path = name ?? this.#temporaryPath();
      const writable = (flags & SQLite.SQLITE_OPEN_READWRITE) !== 0;
      const access = writable ? constants.O_RDWR : constants.O_RDONLY;
      const isTemporary = name === null || (flags & SQLite.SQLITE_OPEN_DELETEONCLOSE) !== 0;
      const mode = isTemporary ? TEMPORARY_MODE : this.#modeFor(path);
      const found = await this.#machine.open(path, access, mode).catch((error: unknown) => {
        if (codeOf(error) !== 'ENOENT' || (flags & SQLite.SQLITE_OPEN_CREATE) === 0) throw error;
      });
      const file = found ?? (await this.#machine.open(path, access | constants.O_CREAT, mode));
      const isDatabase = (flags & SQLite.SQLITE_OPEN_MAIN_DB) !== 0;
      this.#files.set(id, {
        path,
        file,
        flags: isTemporary ? flags | SQLite.SQLITE_OPEN_DELETEONCLOSE : flags,
        mode: isDatabase ? (await file.stat()).mode & PERMISSIONS : mode,
        isNew: found === undefined,
      });
      outFlags.setInt32(0, flags, true);
    });
  }

  /** A journal has pages of its database, and is for the same people, as SQLite's own VFS for Unix has it. */
  #modeFor(path: string): number {
    for (const { path: database, flags, mode } of this.#files.values())
      if ((flags & SQLite.SQLITE_OPEN_MAIN_DB) !== 0 && path.startsWith(`${database}-`)) return mode;
    return MODE;
  }

  /** @internal */
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

  /** @internal */
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

  /** @internal */
  async jWrite(id: number, data: MemoryBytes, position: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_WRITE, async () => {
      await this.#files.get(id)!.file.writeFully(data.subarray(), { position });
    });
  }

  /** @internal */
  async jTruncate(id: number, size: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_TRUNCATE, () => this.#files.get(id)!.file.truncate(size));
  }

  /** @internal */
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

  /** @internal */
  async jFileSize(id: number, size: MemoryNumber): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_FSTAT, async () => {
      size.setBigInt64(0, BigInt((await this.#files.get(id)!.file.stat()).size), true);
    });
  }

  /** @internal */
  async jDelete(path: string, syncsDirectory: number): Promise<number> {
    return this.#settled(SQLite.SQLITE_IOERR_DELETE, async () => {
      await this.#machine.names.unlink(path);
      if (syncsDirectory !== 0) await this.#promiseNames(path, 'journal-removal');
    });
  }

  /** @internal */
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

  /** @internal */
  jSectorSize(): number {
    return SECTOR_BYTES;
  }

  /** @internal */
  override xRandomness(_vfs: number, length: number, address: number): number {
    this._module.HEAPU8.set(this.#machine.randomBytes(length), address);
    return length;
  }

  /** @internal */
  override xCurrentTimeInt64(_vfs: number, address: number): number {
    const { buffer, byteOffset } = this._module.HEAPU8;
    const ms = BigInt(Math.floor(this.#machine.nowMs())) + JULIAN_EPOCH_MS;
    new DataView(buffer, byteOffset).setBigInt64(address, ms, true);
    return SQLite.SQLITE_OK;
  }

  /** Of what SQLite keeps for itself, and has removed when it is closed. */
  #temporaryPath(): string {
    const { temporaryFolder, randomBytes } = this.#machine;
    return join(temporaryFolder, `sqlite-${Buffer.from(randomBytes(12)).toString('hex')}`);
  }

  async #promiseNames(path: string, why: Promised): Promise<void> {
    if (!this.#machine.syncsDirectories || !this.#promises(why)) return;
    await using directory = await this.#machine.open(dirname(path), constants.O_RDONLY, MODE);
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
