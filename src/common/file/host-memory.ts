/**
 * Arguments for the host's own file, with memory of ours in place of the caller's.
 *
 * The host is asked for what is not plainly right, mostly to say what is wrong with it; but it has its own view of that, and what it
 * accepts it does, on threads that keep no memory in its place.
 */
import { bufferOf, isArrayBufferView, isDetached } from '../intrinsics.ts';
import { extentOf } from '../memory/extent.ts';
import { type Addresses, Substitutes } from '../memory/substitutes.ts';
import { detachedView } from '../validate.ts';

export interface HostArguments {
  readonly args: readonly unknown[];
  /** Hands out what was read. @throws TypeError where memory that was to get it has been given away meanwhile. */
  deliver(count: number): void;
  /** Gives the memory back. Preconditions: the host has done. */
  release(): void;
}

export type HostMethod = 'read' | 'write' | 'readv' | 'writev' | 'readFile' | 'writeFile';

const ANYWHERE: Addresses = { addressOf: () => 0, hasHostAddresses: true };

/**
 * What of the caller's arguments the host is given.
 *
 * @param memory - Absent where nobody judges where memory lies.
 */
export function hostArguments(
  method: HostMethod,
  args: readonly unknown[],
  memory: Addresses = ANYWHERE,
): HostArguments {
  const [first, ...rest] = args;
  const substitutes = new Substitutes(memory, method === 'read' || method === 'readv');
  const substitute = (value: unknown): unknown => {
    if (!isArrayBufferView(value)) return value;
    // To the host, memory that is gone is memory of no length.
    return isDetached(bufferOf(value)) ? new Uint8Array(0) : substitutes.add(extentOf('buffer', value));
  };
  try {
    const data = Array.isArray(first) ? first.map(substitute) : substitute(first);
    return {
      args:
        args.length === 0
          ? []
          : [method === 'writeFile' ? chunksSubstituted(data, substitute) : data, ...rest],
      deliver(count) {
        const from = method === 'read' ? offsetIn(rest) : 0;
        if (!substitutes.deliver(count, from)) throw detachedView('buffer');
      },
      release: () => substitutes.release(),
    };
  } catch (error) {
    substitutes.release();
    throw error;
  }
}

/** What `writeFile` takes may bring views one after the other. */
function chunksSubstituted(data: unknown, substitute: (chunk: unknown) => unknown): unknown {
  if (typeof data !== 'object' || data === null || isArrayBufferView(data)) return data;
  if (!(Symbol.asyncIterator in data) && !(Symbol.iterator in data)) return data;
  return (async function* () {
    for await (const chunk of data as AsyncIterable<unknown>) yield substitute(chunk);
  })();
}

/** Where in its buffer the host reads to. Preconditions: it has accepted the arguments. */
function offsetIn([second]: readonly unknown[]): number {
  const offset =
    typeof second === 'object' && second !== null ? (second as { offset?: unknown }).offset : second;
  return typeof offset === 'number' ? offset : 0;
}
