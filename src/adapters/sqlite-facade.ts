/** What the package @journeyapps/wa-sqlite has, as much as is used of it: it does not declare its class of file systems. */

/** An instance of SQLite. */
export interface SqliteModule {
  /** Its memory. */
  readonly HEAPU8: Uint8Array;
}

/** Bytes of the module's memory, wherever that is meanwhile; `subarray()` gives a real view. */
export interface MemoryBytes {
  /** How many. */
  readonly byteLength: number;
  /** A view, good until the memory grows. */
  subarray(begin?: number, end?: number): Uint8Array;
  /** As of a Uint8Array. */
  fill(value: number, start?: number, end?: number): void;
}

/** One number in the module's memory. */
export interface MemoryNumber {
  /** As of a DataView. */
  setInt32(byteOffset: number, value: number, littleEndian: boolean): void;
  /** As of a DataView. */
  setBigInt64(byteOffset: number, value: bigint, littleEndian: boolean): void;
}

/** A VFS whose methods take views instead of addresses: what SQLite calls begins with `x`. */
export interface SqliteFacade {
  /** By which SQLite knows it. */
  readonly name: string;
  /** Bytes of the longest path. */
  mxPathname: number;
  /** @internal */
  readonly _module: SqliteModule;
  /** Called by nobody: files are closed one by one. */
  close(): void | Promise<void>;
  /** Whether it can be used. */
  isReady(): boolean | Promise<boolean>;
  /** Whether SQLite has to wait for a method. */
  hasAsyncMethod(methodName: string): boolean;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xOpen(
    pVfs: number,
    zName: number,
    pFile: number,
    flags: number,
    pOutFlags: number,
  ): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xDelete(pVfs: number, zName: number, syncDir: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xAccess(pVfs: number, zName: number, flags: number, pResOut: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xFullPathname(pVfs: number, zName: number, nOut: number, zOut: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xGetLastError(pVfs: number, nBuf: number, zBuf: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xClose(pFile: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xRead(
    pFile: number,
    pData: number,
    iAmt: number,
    iOffsetLo: number,
    iOffsetHi: number,
  ): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xWrite(
    pFile: number,
    pData: number,
    iAmt: number,
    iOffsetLo: number,
    iOffsetHi: number,
  ): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xTruncate(pFile: number, iSizeLo: number, iSizeHi: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xSync(pFile: number, flags: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xFileSize(pFile: number, pSize64: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xLock(pFile: number, lockType: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xUnlock(pFile: number, lockType: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xCheckReservedLock(pFile: number, pResOut: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xFileControl(pFile: number, op: number, pArg: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xSectorSize(pFile: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xDeviceCharacteristics(pFile: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xRandomness(pVfs: number, nByte: number, pCharOut: number): number | Promise<number>;
  /** As in `sqlite3_vfs` and `sqlite3_io_methods` of SQLite, with addresses. */
  xCurrentTimeInt64(pVfs: number, pTime: number): number | Promise<number>;
}

export type FacadeClass = new (name: string, module: unknown) => SqliteFacade;

/** Of `sqlite3.h`. */
export type SqliteConstants = Readonly<
  Record<
    | 'SQLITE_ACCESS_EXISTS'
    | 'SQLITE_BUSY'
    | 'SQLITE_CANTOPEN'
    | 'SQLITE_FULL'
    | 'SQLITE_IOERR_ACCESS'
    | 'SQLITE_IOERR_CLOSE'
    | 'SQLITE_IOERR_DELETE'
    | 'SQLITE_IOERR_DELETE_NOENT'
    | 'SQLITE_IOERR_FSTAT'
    | 'SQLITE_IOERR_FSYNC'
    | 'SQLITE_IOERR_READ'
    | 'SQLITE_IOERR_SHORT_READ'
    | 'SQLITE_IOERR_TRUNCATE'
    | 'SQLITE_IOERR_WRITE'
    | 'SQLITE_OK'
    | 'SQLITE_OPEN_CREATE'
    | 'SQLITE_OPEN_DELETEONCLOSE'
    | 'SQLITE_OPEN_MAIN_DB'
    | 'SQLITE_OPEN_MAIN_JOURNAL'
    | 'SQLITE_OPEN_READWRITE'
    | 'SQLITE_OPEN_SUPER_JOURNAL'
    | 'SQLITE_OPEN_WAL'
    | 'SQLITE_SYNC_DATAONLY',
    number
  >
>;
