/** Arguments, made from their description. */
import { Readable } from 'node:stream';
import type { BytesKind, Made, Value } from './program.ts';

/** What the arguments of a program share. */
export interface Makers {
  /** The signal with `state: 'later'`. */
  readonly later: AbortController;
  /** Everything made that a result may hold again, and how it is called. */
  readonly known: Map<unknown, string>;
}

const LINE_BYTES = 61;

/** Bytes in lines, no two neighbours alike. */
export function pattern(length: number, fill: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at++)
    bytes[at] = at % LINE_BYTES === LINE_BYTES - 1 ? 10 : 33 + ((at * 7 + fill) % 90);
  return bytes;
}

function bytesAs(kind: BytesKind, bytes: Buffer): unknown {
  if (kind === 'Buffer') return bytes;
  const memory =
    kind === 'SharedArrayBuffer' ? new SharedArrayBuffer(bytes.length) : new ArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  switch (kind) {
    case 'ArrayBuffer':
    case 'SharedArrayBuffer':
      return memory;
    case 'DataView':
      return new DataView(memory);
    case 'Uint8Array':
      return new Uint8Array(memory);
    case 'Uint16Array':
      return new Uint16Array(memory, 0, Math.floor(bytes.length / 2));
    case 'Float64Array':
      return new Float64Array(memory, 0, Math.floor(bytes.length / 8));
  }
}

function isMade(value: object): value is Made {
  return '$' in value;
}

/** What the description stands for. */
export function made(value: Value, makers: Makers): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const array = value.map((item: Value) => made(item, makers));
    makers.known.set(array, 'array');
    return array;
  }
  if (isMade(value)) return makeSpecial(value, makers);
  return Object.fromEntries(
    Object.entries(value as Readonly<Record<string, Value>>).map(([key, item]) => [key, made(item, makers)]),
  );
}

function makeSpecial(value: Made, makers: Makers): unknown {
  switch (value.$) {
    case 'bytes': {
      const { length, as = 'Buffer', fill = 0 } = value;
      const bytes = bytesAs(as, pattern(length, fill));
      makers.known.set(bytes, 'given');
      return bytes;
    }
    case 'text':
      return (value.fill ?? 'x').repeat(value.length);
    case 'iterable':
      return iterate(value.items, value, makers);
    case 'async-iterable':
      return iterateLater(value.items, value, makers);
    case 'readable':
      return Readable.from(iterateLater(value.items, value, makers), { objectMode: false });
    case 'signal':
      return value.state === 'aborted' ? AbortSignal.abort() : makers.later.signal;
    case 'date':
      return new Date(value.ms);
    case 'function':
      return () => {};
    case 'symbol':
      return Symbol('odd');
  }
}

interface Interruptions {
  readonly abortAt?: number;
  readonly throwAt?: number;
}

function interrupt(at: number, { abortAt, throwAt }: Interruptions, makers: Makers): void {
  if (at === abortAt) makers.later.abort();
  if (at === throwAt) throw new RangeError('the iterable fails');
}

function* iterate(
  items: readonly Value[],
  interruptions: Interruptions,
  makers: Makers,
): Generator<unknown, void> {
  for (const [at, item] of items.entries()) {
    interrupt(at, interruptions, makers);
    yield made(item, makers);
  }
}

async function* iterateLater(
  items: readonly Value[],
  interruptions: Interruptions,
  makers: Makers,
): AsyncGenerator<unknown, void> {
  for (const [at, item] of items.entries()) {
    interrupt(at, interruptions, makers);
    yield made(item, makers);
  }
}
