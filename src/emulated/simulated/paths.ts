/** Paths on a simulated disk: with slashes on every host, from the root. */
import type { PathLike } from 'node:fs';
import { invalidArgType, invalidArgValue } from '../../common/validate.ts';

/** @throws TypeError as `node:fs` does for what is no path. */
export function pathOf(path: PathLike): string {
  const text =
    typeof path === 'string'
      ? path
      : path instanceof URL
        ? decodeURIComponent(path.pathname)
        : ArrayBuffer.isView(path)
          ? Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()
          : undefined;
  if (text === undefined)
    throw invalidArgType('path', 'of type string or an instance of Buffer or URL', path);
  if (text.includes('\0')) throw invalidArgValue('path', text);
  return text;
}
