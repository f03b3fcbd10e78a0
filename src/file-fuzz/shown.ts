/** Results and errors as texts that can be compared between sides. */
import { createHash } from 'node:crypto';
import { Stats } from 'node:fs';

/** Longer ones are told by their hash. */
const SHOWN_BYTES = 96;
const SHOWN_ITEMS = 12;
/** Times before this were set by a program. */
const SET_BY_PROGRAM_MS = 1e12;

export function shownBytes(bytes: Uint8Array): string {
  if (bytes.length <= SHOWN_BYTES) return JSON.stringify(Buffer.from(bytes).toString('latin1'));
  // What is at the ends helps whoever reads it.
  const ends = [bytes.subarray(0, 8), bytes.subarray(-8)].map((end) =>
    JSON.stringify(Buffer.from(end).toString('latin1')),
  );
  return `${bytes.length} bytes ${ends.join('…')} ${createHash('sha1').update(bytes).digest('hex').slice(0, 12)}`;
}

function shownText(text: string): string {
  if (text.length <= SHOWN_BYTES) return JSON.stringify(text);
  return `${text.length} characters ${createHash('sha1').update(text).digest('hex').slice(0, 12)}`;
}

/** Leaves out what no two files have alike, and clocks. */
function shownStats(stats: Stats): string {
  const { mode, size, nlink, uid, gid } = stats;
  const mtime = Number(stats.mtimeMs) < SET_BY_PROGRAM_MS ? String(stats.mtimeMs) : 'now';
  const kinds = (['isFile', 'isDirectory', 'isFIFO', 'isCharacterDevice'] as const).filter((kind) =>
    stats[kind](),
  );
  return `${stats.constructor.name} ${typeof size} mode ${mode.toString(8)} size ${size} links ${nlink} owner ${uid}:${gid} mtime ${mtime} ${kinds}`;
}

/** @param known - Objects that the caller had, and how to call them. */
export function shown(value: unknown, known: ReadonlyMap<unknown, string> = new Map()): string {
  if (typeof value === 'string') return shownText(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (Object.is(value, -0)) return '-0';
  if (typeof value !== 'object' || value === null) return String(value);
  const name = known.get(value);
  const mark = name === undefined ? '' : `${name} `;
  if (ArrayBuffer.isView(value))
    return `${mark}${value.constructor.name} ${shownBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))}`;
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer)
    return `${mark}${value.constructor.name} ${shownBytes(new Uint8Array(value))}`;
  if (value instanceof Error) return shownError(value);
  if (value instanceof Stats || value.constructor?.name === 'BigIntStats') return shownStats(value as Stats);
  if (Array.isArray(value)) {
    const rest = value.length > SHOWN_ITEMS ? `, and ${value.length - SHOWN_ITEMS} more` : '';
    return `${mark}[${value
      .slice(0, SHOWN_ITEMS)
      .map((item) => shown(item, known))
      .join(', ')}${rest}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  const kind = prototype === null ? 'null' : (value.constructor?.name ?? 'null');
  const entries = Object.entries(value).map(([key, item]) => `${key}: ${shown(item, known)}`);
  return `${mark}${kind} { ${entries.join(', ')} }`;
}

/** What programs look at: name, code, errno, syscall. */
export function shownError(error: unknown): string {
  if (!(error instanceof Error)) return `a ${typeof error} ${shown(error)}`;
  const { name, code, errno, syscall, cause } = error as NodeJS.ErrnoException & { cause?: unknown };
  const because = name === 'AbortError' && cause !== undefined ? ` because of ${(cause as Error).name}` : '';
  return [name, code, errno, syscall].filter((part) => part !== undefined).join(' ') + because;
}
