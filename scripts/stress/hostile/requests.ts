/** What was asked for and has not settled, what it may come to, and whether it did. */
import type { WriteWatch, WrittenFile } from './files.ts';
import type { CanaryMemory, Range } from './memory.ts';

/** The bytes that a read must bring: of which place, and whether they are known. */
export type Expected =
  | { readonly kind: 'content'; readonly content: Buffer }
  | { readonly kind: 'written'; readonly file: WrittenFile }
  | { readonly kind: 'computed'; byteAt(position: number): number }
  /** Whatever the descriptor means by now. `file` is what a write may reach all the same. */
  | { readonly kind: 'unknown'; readonly file?: WrittenFile | undefined };

/** One part of the memory of a request. */
export interface Part {
  readonly memory: CanaryMemory;
  readonly range: Range;
}

/** A request that has not settled. */
export interface Request {
  readonly what: string;
  readonly write: boolean;
  readonly parts: readonly Part[];
  readonly position: number;
  readonly expected: Expected;
  /** What it depends on: a descriptor, a file, a signal, a context. */
  readonly on: ReadonlySet<unknown>;
  /** Somebody did what may make it fail. */
  mayFail: boolean;
  /** Somebody did what may make it move less. */
  mayBeShort: boolean;
  /** Other requests use its memory too. */
  isMixed: boolean;
  /** FileHandle is asked what is wrong with its arguments, and its errors may have no code. */
  readonly asksNode?: boolean | undefined;
  /** Ends only when somebody does something. */
  readonly waits: boolean;
  watch?: WriteWatch | undefined;
  data?: Uint8Array | undefined;
}

export function bytesOf({ parts }: Request): number {
  return bytesOfParts(parts);
}

function overlaps(one: Part, other: Part): boolean {
  return one.memory === other.memory && one.range.from < other.range.to && other.range.from < one.range.to;
}

function concatenated(parts: readonly Part[]): Uint8Array | undefined {
  const chunks: Uint8Array[] = [];
  for (const { memory, range } of parts) {
    const bytes = memory.bytesAt(range.from, range.to);
    if (bytes === undefined) return undefined;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/** The requests of a program that have not settled. */
export class Requests {
  readonly live = new Set<Request>();

  begin(request: Request): void {
    for (const part of request.parts) {
      const more = request.parts.some((one) => one !== part && overlaps(one, part));
      if (more) request.isMixed = true;
    }
    for (const other of this.live) {
      if (request.write && other.write) continue;
      if (!request.parts.some((part) => other.parts.some((one) => overlaps(one, part)))) continue;
      request.isMixed = true;
      other.isMixed = true;
    }
    if (!request.write) for (const { memory, range } of request.parts) memory.give(range);
    const { expected, write, position } = request;
    const bytes = bytesOf(request);
    if (write) {
      request.data = concatenated(request.parts);
      request.watch = writtenFile(expected)?.beginWrite(position, bytes);
    } else if (expected.kind === 'written') request.watch = expected.file.beginRead(position, bytes);
    this.live.add(request);
  }

  /** Something happens to `what`: requests that depend on it may fail. */
  taint(what: unknown): void {
    for (const request of this.live) if (request.on.has(what)) request.mayFail = true;
  }

  /** Something happens to memory. */
  taintMemory(memory: CanaryMemory): void {
    for (const request of this.live) {
      if (!request.parts.some((part) => part.memory === memory)) continue;
      request.mayFail = true;
      request.isMixed = true;
    }
  }

  uses(memory: CanaryMemory): boolean {
    for (const request of this.live) if (request.parts.some((part) => part.memory === memory)) return true;
    return false;
  }

  /** @returns What is wrong with its end. */
  succeed(request: Request, count: unknown): string | undefined {
    this.live.delete(request);
    const bytes = bytesOf(request);
    const wrong = this.#judge(request, count, bytes);
    this.#release(request, typeof count === 'number' ? count : 0);
    return wrong;
  }

  /** @returns What is wrong with its end. */
  fail(request: Request, error: unknown): string | undefined {
    this.live.delete(request);
    this.#release(request, undefined);
    if (!request.mayFail)
      return `${request.what} failed, although nobody did anything to it: ${nameOf(error)}`;
    return undefined;
  }

  #judge(request: Request, count: unknown, bytes: number): string | undefined {
    const { what, write, position, expected } = request;
    if (typeof count !== 'number' || !Number.isInteger(count) || count < 0)
      return `${what} answered ${String(count)}`;
    if (bytes === 0 && request.parts.length === 0) return undefined;
    if (count > bytes) return `${what} moved ${count} bytes of a memory of ${bytes}`;
    const size = contentOf(expected)?.length ?? Number.POSITIVE_INFINITY;
    const there = write ? bytes : Math.max(0, Math.min(bytes, size - position));
    if (count < there && !request.mayBeShort && !request.mayFail)
      return `${what} moved ${count} of ${there} bytes, although nobody did anything to it`;
    if (count > there) return `${what} moved ${count} bytes of ${there} that there are`;
    if (write || request.isMixed || !this.#isKnown(request)) return undefined;
    const got = concatenated(request.parts);
    if (got === undefined) return undefined;
    // All at once, where there is something to compare with.
    const content = contentOf(expected);
    if (content?.compare(got, 0, count, position, position + count) === 0) return undefined;
    const index = got.subarray(0, count).findIndex((byte, at) => byte !== byteOf(expected, position + at));
    if (index < 0) return undefined;
    return `${what} brought wrong bytes (at ${index} of ${count}: ${got[index]}, not ${byteOf(expected, position + index)})`;
  }

  #isKnown({ expected, parts, watch }: Request): boolean {
    if (!parts.every(({ memory, range }) => memory.isWhole(range.to))) return false;
    if (expected.kind === 'unknown') return false;
    return expected.kind !== 'written' || watch === undefined || expected.file.endRead(watch);
  }

  #release(request: Request, count: number | undefined): void {
    const { expected, watch, write, position, data } = request;
    if (write) {
      if (watch !== undefined) {
        const isKnown =
          expected.kind === 'written' &&
          count !== undefined &&
          !request.isMixed &&
          data !== undefined &&
          count <= data.length;
        writtenFile(expected)!.endWrite(watch, position, isKnown ? data.subarray(0, count) : undefined);
      }
      return;
    }
    for (const { memory, range } of request.parts) memory.take(range);
  }
}

function contentOf(expected: Expected): Buffer | undefined {
  if (expected.kind === 'content') return expected.content;
  return expected.kind === 'written' ? expected.file.content : undefined;
}

function byteOf(expected: Expected, position: number): number | undefined {
  switch (expected.kind) {
    case 'content':
      return expected.content[position];
    case 'written':
      return expected.file.content[position];
    case 'computed':
      return expected.byteAt(position);
    case 'unknown':
      return undefined;
  }
}

/** An error in a few words. */
export function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return `${error.name}${typeof code === 'string' ? ` ${code}` : ''}: ${error.message}`;
}

/** @returns How many bytes the parts of a memory are. */
export function bytesOfParts(parts: readonly Part[]): number {
  return parts.reduce((sum, { range }) => sum + (range.to - range.from), 0);
}

/** The file of which a write changes what is known. */
function writtenFile(expected: Expected): WrittenFile | undefined {
  return expected.kind === 'written' || expected.kind === 'unknown' ? expected.file : undefined;
}
