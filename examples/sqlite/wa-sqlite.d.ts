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

  export class FacadeVFS implements SQLiteVFS {
    readonly name: string;
    mxPathname: number;
    readonly _module: { readonly HEAPU8: Uint8Array };
    constructor(name: string, module: unknown);
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
}
