/** A program that was written for FileHandle, and is given an AioFile. */
import { createReadStream, createWriteStream, promises } from 'node:fs';
import { appendFile, type FileHandle, readFile, writeFile } from 'node:fs/promises';
import type { ServerHttp2Stream } from 'node:http2';
import { pipeline } from 'node:stream/promises';
import { type AioFile, fromDescriptor, open } from 'kaio';
import { same } from './same.js';

/** What only takes a FileHandle. */
async function firstBytes(handle: FileHandle): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0);
  return buffer.subarray(0, bytesRead);
}

/** What gives back what it was given. */
async function synced<Handle extends FileHandle>(handle: Handle): Promise<Handle> {
  await handle.datasync();
  return handle;
}

export async function passesForFileHandle(path: string): Promise<void> {
  const handle: FileHandle = await open(path);
  const borrowed: FileHandle = await fromDescriptor(handle);
  const opener: (path: string, flags?: string | number) => Promise<FileHandle> = open;
  const file: AioFile = await open(path, 'r+', 0o666, { direct: 'prefer', unaligned: 'copy' });
  const back: AioFile = await synced(file);
  // And no less than that: `any` would pass for everything.
  same(await open(path), file, true);
  same(await fromDescriptor(handle), file, true);
  same(await synced(file), file, true);
  const all = new Set<FileHandle>([handle, borrowed, file, await opener(path)]);
  all.add(back);
  await firstBytes(file);
  await Promise.all([...all].map((one) => one.close()));
}

export async function isTakenByNode(file: AioFile, stream: ServerHttp2Stream): Promise<void> {
  createReadStream('', { fd: file }).pipe(createWriteStream('', { fd: file }));
  const text: string = await promises.readFile(file, 'utf8');
  await writeFile(file, text);
  await appendFile(file, await readFile(file));
  stream.respondWithFD(file);
}

export async function answersAsFileHandle(file: AioFile, handle: FileHandle): Promise<void> {
  const buffer = Buffer.alloc(8);
  const bytes = new Uint8Array(8);
  const view = new DataView(new ArrayBuffer(8));
  const numbers = new Float64Array(1);
  const shared = new Uint8Array(new SharedArrayBuffer(8));

  same(await file.read(buffer), await handle.read(buffer), true);
  same(await file.read(buffer, 0, 8, 0), await handle.read(buffer, 0, 8, 0), true);
  same(await file.read(bytes, 0, 8, null), await handle.read(bytes, 0, 8, null), true);
  same(await file.read(view, 0), await handle.read(view, 0), true);
  same(await file.read(numbers), await handle.read(numbers), true);
  same(await file.read(shared), await handle.read(shared), true);
  same(await file.read(bytes, { position: 0 }), await handle.read(bytes, { position: 0 }), true);
  same(await file.read({ buffer: view }), await handle.read({ buffer: view }), true);
  same(await file.read({ position: 4 }), await handle.read({ position: 4 }), true);
  same(await file.read(), await handle.read(), true);
  const read: Buffer = (await file.read(buffer)).buffer;
  const viewed: DataView = (await file.read(view)).buffer;

  same(await file.write(buffer), await handle.write(buffer), true);
  same(await file.write(bytes, 0, 8, 0), await handle.write(bytes, 0, 8, 0), true);
  same(await file.write(view, 0, 8), await handle.write(view, 0, 8), true);
  same(await file.write('text'), await handle.write('text'), true);
  same(await file.write('text', 0, 'utf8'), await handle.write('text', 0, 'utf8'), true);
  const written: Uint8Array = (await file.write(bytes)).buffer;

  same(await file.readv([bytes, view]), await handle.readv([bytes, view]), true);
  same(await file.writev([bytes, buffer], 0), await handle.writev([bytes, buffer], 0), true);
  const [first]: readonly [Uint8Array, DataView] = (await file.readv([bytes, view] as const)).buffers;

  same(await file.readFile(), await handle.readFile(), true);
  same(await file.readFile('utf8'), await handle.readFile('utf8'), true);
  same(await file.readFile({ encoding: 'latin1' }), await handle.readFile({ encoding: 'latin1' }), true);
  same(await file.readFile({ encoding: null }), await handle.readFile({ encoding: null }), true);
  same(await file.stat(), await handle.stat(), true);
  same(await file.stat({ bigint: true }), await handle.stat({ bigint: true }), true);
  const text: string = await file.readFile('utf8');
  const size: bigint = (await file.stat({ bigint: true })).size;

  const { signal } = new AbortController();
  same(await file.writeFile('text', { encoding: 'utf8', signal }), await handle.writeFile(bytes), true);
  same(await file.appendFile(bytes), await handle.appendFile('text', 'utf8'), true);
  same(await file.truncate(size < 8n ? 0 : 8), await handle.truncate(), true);
  same(await file.chmod(0o600), await handle.chmod('600'), true);
  same(await file.chown(0, 0), await handle.chown(0, 0), true);
  same(await file.utimes(0, new Date()), await handle.utimes('0', 0), true);
  same(await file.sync(), await handle.sync(), true);
  same(await file.datasync(), await handle.datasync(), true);
  same(file.fd, handle.fd, true);

  same(file.createReadStream({ start: 0, end: 9, signal }), handle.createReadStream(), true);
  same(file.createWriteStream({ start: 0, flush: true }), handle.createWriteStream(), true);
  same(file.readableWebStream(), handle.readableWebStream(), true);
  same(file.readLines({ encoding: 'utf8' }), handle.readLines(), true);
  same(await file.close(), await handle.close(), true);
  console.log(read, viewed, written, first, text);
}

export async function isReadInLoops(path: string): Promise<number> {
  await using file = await open(path);
  await using plain = await promises.open(path, 'w');
  let length = 0;
  for await (const line of file.readLines()) length += line.length;
  for await (const chunk of file.createReadStream()) length += (chunk as Buffer).length;
  const reader = file.readableWebStream().getReader();
  const { done } = await reader.read();
  await pipeline(file.createReadStream(), plain.createWriteStream());
  return done ? length : 0;
}

/** The check of passing can fail: without any one method it is no FileHandle. */
export function failsWithout(
  sync: Omit<AioFile, 'datasync'>,
  dispose: Omit<AioFile, typeof Symbol.asyncDispose>,
  read: Omit<AioFile, 'read'> & { read(buffer: Buffer): Promise<number> },
): FileHandle[] {
  // @ts-expect-error: it cannot be synced.
  const first: FileHandle = sync;
  // @ts-expect-error: it cannot be disposed of.
  const second: FileHandle = dispose;
  // @ts-expect-error: it answers something else.
  const third: FileHandle = read;
  return [first, second, third];
}
