/** What a ES module sees: every entry of the package, as TypeScript 4.9 can read it. */
import { AioContext, AioError, type AioFile, abi, alignedBuffer, open, selectKernel } from 'kaio';
import { ChunkStore } from 'kaio/chunk-store';
import { type Case, suite } from 'kaio/conformance';
import { emulatedKernel, type Simulation, simulate } from 'kaio/emulated';
import { loadAddon, NativeKernel } from 'kaio/native';
import { asyncBuffer } from 'kaio/parquet';
import { RandomAccessFile } from 'kaio/random-access';
import { AioVfs } from 'kaio/sqlite-vfs';

export async function usesAll(path: string): Promise<number> {
  const file: AioFile = await open(path, 'r', 0o666, { direct: 'prefer' });
  const { bytesRead, buffer } = await file.read(alignedBuffer(4096), { position: 0 });
  const byte: number = buffer.readUInt8(bytesRead - 1);
  // @ts-expect-error: a Buffer, and not whatever one likes.
  buffer.nothing();
  await file.close();
  const context = new AioContext({ kernel: selectKernel().kernel });
  const count: number = await context.read(file, new Uint8Array(8), 0, { rw_flags: abi.RWF_NOWAIT });
  await context.close();
  return byte + count;
}

export const entries: readonly unknown[] = [
  suite,
  emulatedKernel,
  simulate,
  loadAddon,
  NativeKernel,
  AioError,
  ChunkStore,
  asyncBuffer,
  RandomAccessFile,
  AioVfs,
];
export type Types = [Case, Simulation];
