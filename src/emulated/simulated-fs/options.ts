/** What the options of `node:fs` say, once Node has taken them. */
import { AbortError } from '../../common/errors.ts';
import { flagsNumber } from '../../common/file/open-flags.ts';
import { validateSignal } from '../../common/validate.ts';

const USEC_PER_SEC = 1e6;
const NSEC_PER_USEC = 1000;
const MSEC_PER_SEC = 1000;

/** An object of options; a string is an encoding. */
export function optionsOf(options: unknown): Readonly<Record<string, unknown>> {
  if (typeof options === 'string') return { encoding: options };
  return typeof options === 'object' && options !== null ? (options as Record<string, unknown>) : {};
}

export function encodingOf(options: unknown): BufferEncoding | 'buffer' | undefined {
  const { encoding } = optionsOf(options);
  return typeof encoding === 'string' && encoding !== ''
    ? (encoding as BufferEncoding | 'buffer')
    : undefined;
}

/** A name or path, as the encoding asks for it. */
export function encoded(text: string, options: unknown): string | Buffer {
  const encoding = encodingOf(options);
  if (encoding === undefined || encoding === 'utf8' || encoding === 'utf-8') return text;
  const bytes = Buffer.from(text);
  return encoding === 'buffer' ? bytes : bytes.toString(encoding);
}

/** Permissions, which may be octal digits. */
export function modeOf(mode: unknown, absent: number): number {
  if (mode === undefined || mode === null) return absent;
  return typeof mode === 'string' ? Number.parseInt(mode, 8) : Number(mode);
}

/** The flags of open(2). */
export function flagsOf(flags: unknown): number {
  return flagsNumber((flags ?? 'r') as string | number)!;
}

/** Nanoseconds, in whole microseconds, as newer versions of libuv make them; older ones cut where these round. */
export function nsOf(time: unknown): number {
  const seconds = time instanceof Date ? time.getTime() / MSEC_PER_SEC : Number(time);
  return Math.round(seconds * USEC_PER_SEC) * NSEC_PER_USEC;
}

/** @throws AbortError when the signal of the options was aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

export function signalOf(options: unknown): AbortSignal | undefined {
  return validateSignal(optionsOf(options).signal);
}

export function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    (Symbol.asyncIterator in value || Symbol.iterator in value)
  );
}
