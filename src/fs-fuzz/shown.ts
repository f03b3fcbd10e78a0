/** What calls show, as text: without what cannot be alike on two file systems. */
import { inspect } from 'node:util';

/** Times that a program has set are before this; those of the clock are not compared. */
const SET_BEFORE_MS = 1_650_000_000_000;
/** Virtual time begins at 0 and does not get this far. */
const VIRTUAL_MS = 900;
const MOST_BYTES = 64;

export function shownError(error: unknown): string {
  if (!(error instanceof Error)) return `thrown ${inspect(error)}`;
  const { code, errno, syscall, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const path = plain((error as NodeJS.ErrnoException).path, syscall);
  // Versions of Node word these differently, and signals are not judged by Node here.
  if (WORDED.test(String(code))) return `${error.name} ${code}`;
  const message = error.message.includes('options.signal') ? '' : plain(error.message, syscall);
  return inspect(
    { name: error.name, message, code, errno, syscall, path, dest },
    { breakLength: Number.POSITIVE_INFINITY },
  );
}

const WORDED = /^ERR_FS_/;

/** Without the letters that chance has chosen, and the numbers of descriptors. */
function plain(text: string | undefined, syscall: string | undefined): string | undefined {
  if (syscall === 'mkdtemp') return text?.replace(/.{6}('?)$/, '$1');
  return text?.replace(/type number \(\d{2,}\)$/, 'type number');
}

export function shown(value: unknown, isSorted: boolean): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => shown(item, isSorted));
    return `[${(isSorted ? items.sort() : items).join(', ')}]`;
  }
  if (Buffer.isBuffer(value)) return `Buffer(${value.length}) ${value.toString('latin1', 0, MOST_BYTES)}`;
  if (ArrayBuffer.isView(value))
    return shown(Buffer.from(value.buffer, value.byteOffset, value.byteLength), false);
  if (typeof value !== 'object' || value === null) return inspect(value);
  if ('birthtimeMs' in value) return shownStats(value as unknown as Readonly<Record<string, unknown>>);
  if ('isSymbolicLink' in value) return shownDirent(value as unknown as Readonly<Record<string, unknown>>);
  return inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY });
}

function shownStats(stats: Readonly<Record<string, unknown>>): string {
  const { mode, nlink, uid, gid, size } = stats;
  const isDirectory = (Number(mode) & 0o170000) === 0o040000;
  // Looking at a file changes its atime on the host.
  const times = ['mtime'].map((name) => {
    const ms = Number(stats[`${name}Ms`]);
    const isSet = ms < SET_BEFORE_MS && ms >= VIRTUAL_MS;
    return isSet ? `${name} ${ms} ${(stats[name] as Date).getTime()}` : '';
  });
  const kinds = ['isFile', 'isDirectory', 'isSymbolicLink', 'isFIFO'].map((name) =>
    (stats[name] as () => boolean)(),
  );
  return inspect(
    [
      stats.constructor.name,
      Object.keys(stats).join(),
      mode,
      nlink,
      uid,
      gid,
      isDirectory ? '' : size,
      ...kinds,
      ...times,
    ],
    { breakLength: Number.POSITIVE_INFINITY },
  );
}

function shownDirent(dirent: Readonly<Record<string, unknown>>): string {
  const kinds = ['isFile', 'isDirectory', 'isSymbolicLink'].map((name) => (dirent[name] as () => boolean)());
  return inspect([
    // What Node has looked at alone is of a class of its own, below that of Dirent.
    dirent.constructor.name.replace('DirentFromStats', 'Dirent'),
    shown(dirent.name, false),
    dirent.parentPath,
    dirent.path,
    ...kinds,
  ]);
}
