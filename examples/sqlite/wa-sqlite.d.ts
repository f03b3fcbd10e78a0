/** What the package has and does not declare: a VFS whose methods take views instead of addresses. */
declare module '@journeyapps/wa-sqlite/src/FacadeVFS.js' {
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

  type Answer = number | Promise<number>;

  export class FacadeVFS implements SQLiteVFS {
    readonly name: string;
    mxPathname: number;
    readonly _module: { readonly HEAPU8: Uint8Array };
    constructor(name: string, module: unknown);
    close(): void | Promise<void>;
    isReady(): boolean | Promise<boolean>;
    hasAsyncMethod(methodName: string): boolean;
    xOpen(pVfs: number, zName: number, pFile: number, flags: number, pOutFlags: number): Answer;
    xDelete(pVfs: number, zName: number, syncDir: number): Answer;
    xAccess(pVfs: number, zName: number, flags: number, pResOut: number): Answer;
    xFullPathname(pVfs: number, zName: number, nOut: number, zOut: number): Answer;
    xGetLastError(pVfs: number, nBuf: number, zBuf: number): Answer;
    xClose(pFile: number): Answer;
    xRead(pFile: number, pData: number, iAmt: number, iOffsetLo: number, iOffsetHi: number): Answer;
    xWrite(pFile: number, pData: number, iAmt: number, iOffsetLo: number, iOffsetHi: number): Answer;
    xTruncate(pFile: number, iSizeLo: number, iSizeHi: number): Answer;
    xSync(pFile: number, flags: number): Answer;
    xFileSize(pFile: number, pSize64: number): Answer;
    xLock(pFile: number, lockType: number): Answer;
    xUnlock(pFile: number, lockType: number): Answer;
    xCheckReservedLock(pFile: number, pResOut: number): Answer;
    xFileControl(pFile: number, op: number, pArg: number): Answer;
    xSectorSize(pFile: number): Answer;
    xDeviceCharacteristics(pFile: number): Answer;
    xRandomness(pVfs: number, nByte: number, pCharOut: number): Answer;
    xCurrentTimeInt64(pVfs: number, pTime: number): Answer;
  }
}
