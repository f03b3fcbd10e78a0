/** A program that uses what an AioFile has beyond FileHandle. */
import {
  type AioContext,
  type AioFile,
  type AioKernel,
  type AioTransferOptions,
  type Alignment,
  type AllocateOptions,
  alignedBuffer,
  type BlockDevice,
  open,
  type Route,
} from 'kaio';
import { type Same, same } from './same.js';

export async function takesSignals(file: AioFile): Promise<void> {
  const buffer = alignedBuffer(4096);
  const bytes = new Uint8Array(8);
  const view = new DataView(new ArrayBuffer(8));
  const { signal } = new AbortController();
  const options: AioTransferOptions = { offset: 0, length: 8, position: 0n, signal };

  same(await file.read(buffer, { position: 0, signal }), await file.read(buffer), true);
  same(await file.read(bytes, { offset: 0, length: 8, position: 4n, signal }), await file.read(bytes), true);
  same(await file.read(view, { signal }), await file.read(view), true);
  same(await file.read(view, options), await file.read(view), true);
  same(await file.read({ buffer: bytes, position: 0, signal }), await file.read(bytes), true);
  same(await file.read({ position: 0, signal }), await file.read(), true);
  // An option that is undefined is one that is left out.
  await file.read(buffer, { position: 0, signal: undefined });

  // Some versions of FileHandle take options in write, and some do not.
  same((await file.write(buffer, { position: 0, signal })).buffer, buffer, true);
  same((await file.write(bytes, { position: 0 })).buffer, bytes, true);
  same((await file.write(view, { signal })).buffer, view, true);
  same((await file.write(view, options)).bytesWritten, 1 as number, true);
  await file.write(bytes, { length: 4, position: null, signal: undefined });
}

export async function transfersWholes(file: AioFile): Promise<void> {
  const bytes = new Uint8Array(8);
  const view = new DataView(new ArrayBuffer(8));
  const { signal } = new AbortController();
  same(await file.readFully(bytes), await file.read(bytes), true);
  same(await file.readFully(view, { position: 0, signal }), await file.read(view), true);
  const { bytesWritten, buffer } = await file.writeFully(view, { position: 0, signal });
  same(bytesWritten, 1 as number, true);
  same(buffer, view, true);
  await file.writeFully(bytes);
}

/** What FileHandle takes, and is not declared to take in every version. */
export async function takesMore(file: AioFile): Promise<void> {
  const bytes = new Uint8Array(8);
  const view = new DataView(new ArrayBuffer(8));
  same(await file.read(bytes, 0, 8, 4n), await file.read(bytes, 0, 8, 4), true);
  const read: { bytesRead: number; buffers: readonly NodeJS.ArrayBufferView[] } = await file.readv(
    [bytes, view],
    null,
  );
  const written: { bytesWritten: number; buffers: readonly NodeJS.ArrayBufferView[] } = await file.writev(
    [bytes, view],
    null,
  );
  console.log(read.bytesRead, written.bytesWritten);
  same(file.readableWebStream({ autoClose: true }), file.readableWebStream(), true);
}

/** Bytes of a place in it, and of the whole where that is known. */
export async function makesRoom(file: AioFile): Promise<number> {
  const options: AllocateOptions = { keepSize: true };
  const made: Promise<void> = file.allocate(0, 4096, options);
  await made;
  await file.allocate(0, 2 ** 40, { keepSize: undefined });
  await file.punchHole(0, 4096);
  const device: BlockDevice | undefined = file.blockDevice;
  same(file.blockDevice, device, true);
  const { sizeBytes = 0, logicalSectorBytes = 1, physicalSectorBytes = 1, readOnly = false } = device ?? {};
  return readOnly ? 0 : sizeBytes / (logicalSectorBytes + physicalSectorBytes);
}

async function* parts(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(8);
}

export async function writesManyKinds(file: AioFile): Promise<void> {
  await file.writeFile('text', 'utf8');
  await file.writeFile(new DataView(new ArrayBuffer(8)));
  await file.writeFile(['a', new Uint8Array(8)]);
  await file.writeFile(parts(), { signal: new AbortController().signal });
  await file.appendFile(parts());
}

/** What it tells of itself. */
interface Told {
  readonly backend: AioKernel['name'];
  readonly backendReason: string;
  readonly direct: boolean;
  readonly directReason: string;
  readonly alignment: Alignment;
  readonly routes: { readonly read: Route; readonly write: Route; readonly sync: Route };
  readonly context: AioContext;
}

export async function tellsOfItself(path: string): Promise<Told> {
  await using file = await open(new URL(path), 'r', 0o666, { direct: 'prefer', backend: 'emulated' });
  const isTold: Same<Told, Pick<AioFile, keyof Told>> = true;
  file.once('close', () => console.log(file.fd, isTold));
  return file;
}
