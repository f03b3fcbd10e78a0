/** What must not compile. What FileHandle's declarations let through, such as a string for a buffer, an AioFile cannot refuse. */
import type { FileHandle } from 'node:fs/promises';
import { type AioFile, fromDescriptor, open } from 'kaio';

export async function refusesArguments(file: AioFile): Promise<void> {
  const bytes = new Uint8Array(8);
  // @ts-expect-error: a number is no buffer.
  await file.read(7);
  // @ts-expect-error: it is called position.
  await file.read(bytes, { posn: 0 });
  // @ts-expect-error: a position is a number.
  await file.read(bytes, { position: '0' });
  // @ts-expect-error: that is the controller of a signal.
  await file.read(bytes, { signal: new AbortController() });
  // @ts-expect-error: a number cannot be written.
  await file.write(7);
  // @ts-expect-error: nothing cannot be written.
  await file.write();
  // @ts-expect-error: a number is no content.
  await file.writeFile(7);
  // @ts-expect-error: neither are several.
  await file.appendFile([7]);
  // @ts-expect-error: an encoding that is not known.
  await file.write('text', 0, 'utf-7');
  // @ts-expect-error: vectors are lists.
  await file.readv(bytes);
  // @ts-expect-error: a buffer is needed.
  await file.readFully();
  // @ts-expect-error: strings are written by write.
  await file.writeFully('text');
  // @ts-expect-error: there is no such method.
  await file.fsync();
  // @ts-expect-error: the descriptor is the file's own.
  file.fd = 7;
}

export async function refusesOptions(path: string, handle: FileHandle): Promise<void> {
  // @ts-expect-error: an option that is not known.
  await open(path, 'r', 0o666, { cached: true });
  // @ts-expect-error: a choice that is not known.
  await open(path, 'r', 0o666, { direct: 'always' });
  // @ts-expect-error: a kernel that is not known.
  await open(path, 'r', 0o666, { backend: 'windows' });
  // @ts-expect-error: flags are a string or a number.
  await open(path, { direct: 'prefer' });
  // @ts-expect-error: a path is needed.
  await open();
  // @ts-expect-error: a path is no descriptor.
  await fromDescriptor(path);
  // @ts-expect-error: an option of open().
  await fromDescriptor(handle, { direct: 'prefer' });
  // @ts-expect-error: a FileHandle of Node.js is no AioFile.
  const file: AioFile = handle;
  await file.close();
}
