/** What the package @journeyapps/wa-sqlite has, as much as is used of it: it does not declare its class of file systems. */

/** An instance of SQLite. */
export interface SqliteModule {
  /** Its memory. */
  readonly HEAPU8: Uint8Array;
}

/** Bytes of the module's memory, wherever that is meanwhile; `subarray()` gives a real view. */
export interface MemoryBytes {
  readonly byteLength: number;
  subarray(begin?: number, end?: number): Uint8Array;
  fill(value: number, start?: number, end?: number): void;
}

/** One number in the module's memory. */
export interface MemoryNumber {
  setInt32(byteOffset: number, value: number, littleEndian: boolean): void;
  setBigInt64(byteOffset: number, value: bigint, littleEndian: boolean): void;
}

/** A VFS whose methods take views instead of addresses: what SQLite calls begins with `x`. */
export interface SqliteFacade {
  readonly name: string;
  mxPathname: number;
  readonly _module: SqliteModule;
  close(): void | Promise<void>;
  isReady(): boolean | Promise<boolean>;
  hasAsyncMethod(methodName: string): boolean;
  xOpen(
    pVfs: number,
    zName: number,
    pFile: number,
    flags: number,
    pOutFlags: number,
  ): number | Promise<number>;
  xDelete(pVfs: number, zName: number, syncDir: number): number | Promise<number>;
  xAccess(pVfs: number, zName: number, flags: number, pResOut: number): number | Promise<number>;
  xFullPathname(pVfs: number, zName: number, nOut: number, zOut: number): number | Promise<number>;
  xGetLastError(pVfs: number, nBuf: number, zBuf: number): number | Promise<number>;
  xClose(pFile: number): number | Promise<number>;
  xRead(
    pFile: number,
    pData: number,
    iAmt: number,
    iOffsetLo: number,
    iOffsetHi: number,
  ): number | Promise<number>;
  xWrite(
    pFile: number,
    pData: number,
    iAmt: number,
    iOffsetLo: number,
    iOffsetHi: number,
  ): number | Promise<number>;
  xTruncate(pFile: number, iSizeLo: number, iSizeHi: number): number | Promise<number>;
  xSync(pFile: number, flags: number): number | Promise<number>;
  xFileSize(pFile: number, pSize64: number): number | Promise<number>;
  xLock(pFile: number, lockType: number): number | Promise<number>;
  xUnlock(pFile: number, lockType: number): number | Promise<number>;
  xCheckReservedLock(pFile: number, pResOut: number): number | Promise<number>;
  xFileControl(pFile: number, op: number, pArg: number): number | Promise<number>;
  xSectorSize(pFile: number): number | Promise<number>;
  xDeviceCharacteristics(pFile: number): number | Promise<number>;
  xRandomness(pVfs: number, nByte: number, pCharOut: number): number | Promise<number>;
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
    | 'SQLITE_OPEN_MAIN_JOURNAL'
    | 'SQLITE_OPEN_READWRITE'
    | 'SQLITE_OPEN_WAL'
    | 'SQLITE_SYNC_DATAONLY',
    number
  >
>;
