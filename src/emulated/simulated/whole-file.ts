/** Reading and writing whole files of a simulated disk, without a kernel: for tests that look, or do damage. */
import { errnoException } from '../../common/errors.ts';
import type { Disk, Opened } from './disk.ts';

/** Reads from the start to the end. @throws AioError `EIO`. */
export async function readWhole(disk: Disk, file: Opened): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (let position = 0; ; ) {
    const wanted = Math.max(1, file.inode.content.size - position);
    const chunk = await new Promise<Uint8Array>((resolve, reject) => {
      disk.read(
        file,
        () => position,
        wanted,
        (result, bytes) => {
          if (result < 0) reject(errnoException(result, 'read', { path: file.path }));
          else resolve(bytes);
        },
      );
    });
    if (chunk.length === 0) return Buffer.concat(chunks);
    chunks.push(chunk);
    position += chunk.length;
  }
}

/** Writes all of it, from the start. @throws AioError `EIO`, `ENOSPC`. */
export async function writeWhole(disk: Disk, file: Opened, bytes: Uint8Array): Promise<void> {
  for (let position = 0; position < bytes.length; ) {
    position += await new Promise<number>((resolve, reject) => {
      disk.write(
        file,
        () => position,
        bytes.slice(position),
        'none',
        (result) => {
          if (result < 0) reject(errnoException(result, 'write', { path: file.path }));
          else resolve(result);
        },
      );
    });
  }
  disk.closed(file.inode);
}
