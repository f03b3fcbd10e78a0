/** Errors that Node gives in the form of a system's where no system has failed, such as `ERR_FS_EISDIR`. */
import { constants } from 'node:os';

export type SystemErrorCode =
  | 'ERR_FS_EISDIR'
  | 'ERR_FS_CP_DIR_TO_NON_DIR'
  | 'ERR_FS_CP_EEXIST'
  | 'ERR_FS_CP_EINVAL'
  | 'ERR_FS_CP_NON_DIR_TO_DIR'
  | 'ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY';

const TITLES: Readonly<Record<SystemErrorCode, string>> = {
  ERR_FS_EISDIR: 'Path is a directory',
  ERR_FS_CP_DIR_TO_NON_DIR: 'Cannot overwrite non-directory with directory',
  ERR_FS_CP_EEXIST: 'Target already exists',
  ERR_FS_CP_EINVAL: 'Invalid src or dest',
  ERR_FS_CP_NON_DIR_TO_DIR: 'Cannot overwrite directory with non-directory',
  ERR_FS_CP_SYMLINK_TO_SUBDIRECTORY: 'Cannot overwrite symlink in subdirectory of self',
};

/** @param name - Of the system's error that it is like. */
export function fsError(
  code: SystemErrorCode,
  name: 'EISDIR' | 'EEXIST' | 'EINVAL' | 'ENOTDIR',
  syscall: string,
  path: string,
  message: string,
): Error {
  const errno = constants.errno[name];
  const error = new Error(`${TITLES[code]}: ${syscall} returned ${name} (${message}) ${path}`);
  const info = { code: name, message, path, syscall, errno };
  Object.defineProperty(error, 'name', { value: 'SystemError', configurable: true, writable: true });
  return Object.assign(error, { code, info, errno, syscall, path });
}
