/** Errors of the upper half: Node's shape, from Linux numbers. */
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { type ErrnoName, errnoMessage, errnoName } from './abi/errno.ts';

const hostMessages = new Map<string, string>(
  [...getSystemErrorMap().values()].map(([name, message]) => [name, message]),
);
/** libuv's numbers, which differ from the system's on Windows; the system's where libuv has none. All positive. */
const hostNumbers: Readonly<Record<string, number>> = {
  ...(process.platform === 'win32' ? {} : constants.errno),
  ...Object.fromEntries([...getSystemErrorMap()].map(([errno, [name]]) => [name, -errno])),
};

/** What an {@link AioError} knows beside its message. */
export interface AioErrorDetails {
  /** Bytes moved before the failure, where some were. */
  readonly bytesDone?: number;
  /** What went wrong below. */
  readonly cause?: unknown;
  /** What to do about it, appended to the message. */
  readonly help?: string;
  /** The file, which the message names too. */
  readonly path?: string;
}

/**
 * A refused call or a failed operation.
 *
 * Match `code`, not `instanceof`: `code` is the contract.
 */
export class AioError extends Error {
  static {
    // On the prototype, so that Object.keys() of an error shows facts only.
    Object.defineProperty(AioError.prototype, 'name', {
      value: 'AioError',
      configurable: true,
      writable: true,
    });
  }
  /** The Linux name, such as `'EAGAIN'`. */
  readonly code: string;
  /** Negative, as `util.getSystemErrorName()` understands it on this host: translated by name from Linux. */
  readonly errno: number;
  /** The call that was refused (`'io_submit'`), or the operation that failed (`'pread'`). */
  readonly syscall: string;
  /** Bytes moved before the failure, where some were: they stay moved. */
  declare readonly bytesDone?: number;
  /** The file, where the call was given a path. */
  declare readonly path?: string;

  /**
   * Composes the message as Node does. {@link errnoException} finds the name for a number.
   *
   * @param code - The Linux name.
   * @param linuxErrno - Its number on Linux; the sign does not matter.
   * @param syscall - What was refused or failed.
   */
  constructor(code: string, linuxErrno: number, syscall: string, details: AioErrorDetails = {}) {
    const text = hostMessages.get(code) ?? errnoMessage(linuxErrno);
    const where = details.path === undefined ? syscall : `${syscall} '${details.path}'`;
    const help = details.help === undefined ? '' : `. ${details.help}`;
    super(
      `${code}: ${text}, ${where}${help}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.errno = -(hostNumbers[code] ?? Math.abs(linuxErrno));
    this.syscall = syscall;
    if (details.bytesDone !== undefined) this.bytesDone = details.bytesDone;
    if (details.path !== undefined) this.path = details.path;
  }
}

/**
 * Turns a negative Linux errno into an error.
 *
 * @param linuxErrno - As the waist answers it; the sign does not matter.
 */
export function errnoException(linuxErrno: number, syscall: string, details?: AioErrorDetails): AioError {
  const name: ErrnoName | undefined = errnoName(linuxErrno);
  return new AioError(name ?? `E${Math.abs(linuxErrno)}`, linuxErrno, syscall, details);
}

/**
 * The error that `node:fs` gives for a negative Linux errno: a plain Error, its fields in Node's order.
 *
 * @param linuxErrno - As the waist answers it; the sign does not matter.
 */
export function systemError(
  linuxErrno: number,
  syscall: string,
  { path, dest }: { readonly path?: string | undefined; readonly dest?: string | undefined } = {},
): NodeJS.ErrnoException {
  const name = errnoName(linuxErrno) ?? `E${Math.abs(linuxErrno)}`;
  // libuv has one name for two.
  const code = name === 'EOPNOTSUPP' ? 'ENOTSUP' : name;
  const text = hostMessages.get(code) ?? errnoMessage(linuxErrno);
  const from = path === undefined ? '' : ` '${path}'`;
  const to = dest === undefined ? '' : ` -> '${dest}'`;
  return Object.assign(new Error(`${code}: ${text}, ${syscall}${from}${to}`), {
    errno: -(hostNumbers[code] ?? Math.abs(linuxErrno)),
    code,
    syscall,
    ...(path === undefined ? {} : { path }),
    ...(dest === undefined ? {} : { dest }),
  });
}

/** Codes of kaio's own states. */
export type AioStateCode =
  | 'ERR_AIO_CLOSED'
  | 'ERR_AIO_BACKEND_UNAVAILABLE'
  | 'ERR_AIO_UNKNOWN_BACKEND'
  | 'ERR_AIO_UNSUPPORTED'
  /** An adapter's package is not there. */
  | 'ERR_AIO_PEER_MISSING'
  /** A file ends before what an adapter was asked for. */
  | 'ERR_AIO_SHORT_FILE';

/** kaio itself cannot do what was asked, whatever the kernel thinks. */
export class AioStateError extends Error {
  static {
    Object.defineProperty(AioStateError.prototype, 'name', {
      value: 'AioStateError',
      configurable: true,
      writable: true,
    });
  }
  /** Which state: the contract, where the message may change. */
  readonly code: AioStateCode;

  /** @internal */
  constructor(code: AioStateCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Node's AbortError. */
export class AbortError extends Error {
  static {
    Object.defineProperty(AbortError.prototype, 'name', {
      value: 'AbortError',
      configurable: true,
      writable: true,
    });
  }
  /** Node's code. */
  readonly code = 'ABORT_ERR';

  /** As Node makes it. @param reason - What the signal was aborted with; it becomes `cause`. */
  constructor(reason?: unknown) {
    super('The operation was aborted', reason === undefined ? undefined : { cause: reason });
  }
}

/** The code of a value that may be a system error, such as `'EAGAIN'`. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
