/**
 * Arguments, judged by Node itself.
 *
 * Node looks at arguments before it asks the host for anything. So its own function is called with what was given, on a path that
 * cannot exist or a descriptor that nobody has: whatever it says about the arguments is Node's own error, of the version that runs,
 * and where it has nothing to say, the host refuses without having done anything.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalidArgType } from '../../common/validate.ts';

/** Not by an import: tests and hooks put other things in the place of that module. */
export const realFs = process.getBuiltinModule('node:fs');

/** Below a file there is nothing, and never will be. */
export const NOWHERE = join(process.execPath, 'nowhere');
const MAX_FD = 0x7fffffff;
/** No host gives it out. */
export const NO_FD = MAX_FD;

export type Name = keyof typeof realFs;
type Loose = (...args: unknown[]) => unknown;

/**
 * @returns What the host says then, which is of no interest but for its form.
 * @throws What Node has to say about the arguments.
 */
export function ask(name: string, args: readonly unknown[]): NodeJS.ErrnoException | undefined {
  const call = (realFs as unknown as Record<string, Loose | undefined>)[name];
  try {
    call?.(...args);
  } catch (error) {
    if (!isOfHost(error)) throw error;
    return error as NodeJS.ErrnoException;
  }
  return undefined;
}

/** What Node calls the system call that fails for a descriptor that nobody has: its versions differ. */
export function syscallFor(name: string, options: unknown): string {
  return ask(name, [NO_FD, options])?.syscall ?? 'read';
}

/** Calls that can do without arguments other than paths. */
const OPTIONAL =
  /^(access|copyFile|cp|link|lstat|mkdir|mkdtemp|open|opendir|readFile|readdir|readlink|rename|rm|rmdir|stat|statfs|symlink|truncate|unlink)Sync$/;

/**
 * Has a call's arguments judged.
 *
 * @param paths - Which of them are paths.
 * @returns The paths, as text.
 * @throws What Node has to say about any of them.
 */
export function admit(name: string, args: readonly unknown[], paths: readonly number[] = [0]): string[] {
  const texts = paths.map((index) => textOf(args[index]));
  const isPlain =
    OPTIONAL.test(name) && args.every((value, index) => paths.includes(index) || value === undefined);
  if (isPlain && texts.every((text) => text !== undefined)) return texts as string[];
  ask(
    name,
    args.map((value, index) => (texts[paths.indexOf(index)] === undefined ? value : NOWHERE)),
  );
  const bad = texts.indexOf(undefined);
  // Some versions of Node take a descriptor there, which is no path here.
  if (bad !== -1) ask('accessSync', [args[paths[bad]!]]);
  if (bad !== -1)
    throw invalidArgType('path', 'of type string or an instance of Buffer or URL', args[paths[bad]!]);
  return texts as string[];
}

/**
 * As {@link admit}, for a call on a descriptor, which is the first argument.
 *
 * @returns The descriptor.
 */
export function admitDescriptor(name: string, args: readonly unknown[]): number {
  const [fd, ...rest] = args;
  ask(name, [isDescriptor(fd) ? NO_FD : fd, ...rest]);
  if (!isDescriptor(fd)) throw invalidArgType('fd', 'of type number', fd);
  return fd;
}

export function isDescriptor(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_FD;
}

const TWO_PATHS = /^(copyFile|cp|link|rename|symlink)$/;

/** Asks about a call that lacks its callback. @throws What Node says of that, or of another argument before it. */
export function askWithoutCallback(name: string, args: readonly unknown[], callback: unknown): void {
  // Some calls find out only when they are done. This one does not.
  if (!args.some((value) => typeof value === 'function')) ask('access', [NOWHERE, 0, callback]);
  const harmless = (value: unknown): unknown => {
    if (typeof value === 'number') return NO_FD;
    return textOf(value) === undefined ? value : NOWHERE;
  };
  ask(
    name,
    args.map((value, index) =>
      index === 0 || (index === 1 && TWO_PATHS.test(name)) ? harmless(value) : value,
    ),
  );
}

/** @returns The text of a path, or `undefined` for what Node takes for none. @throws What Node throws for a URL. */
export function textOf(path: unknown): string | undefined {
  const text =
    typeof path === 'string'
      ? path
      : path instanceof Uint8Array
        ? Buffer.from(path.buffer, path.byteOffset, path.byteLength).toString()
        : isUrl(path)
          ? fileURLToPath(path)
          : undefined;
  return text === undefined || text.includes('\0') ? undefined : onThisHost(text);
}

/** Drives and backslashes, which programs on Windows make of their paths. */
function onThisHost(path: string): string {
  return process.platform === 'win32' ? path.replace(/^[A-Za-z]:/, '').replaceAll('\\', '/') : path;
}

export function isUrl(value: unknown): value is URL {
  return typeof value === 'object' && value !== null && 'href' in value && 'protocol' in value;
}

/** What the host refuses has the number of an error. */
function isOfHost(error: unknown): boolean {
  return (
    (typeof error === 'object' &&
      error !== null &&
      typeof (error as NodeJS.ErrnoException).errno === 'number') ||
    (error as NodeJS.ErrnoException)?.code === 'ERR_ACCESS_DENIED'
  );
}
