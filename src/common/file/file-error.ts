/** Errors of files. */
import { AioError } from '../errors.ts';

/** An {@link AioError} that has the name of FileHandle's, whichever way its transfer went. */
export class FileError extends AioError {
  static {
    Object.defineProperty(FileError.prototype, 'name', {
      value: 'Error',
      configurable: true,
      writable: true,
    });
  }
}
