/** The three sides that programs run on, and two more that tell what takes luck. */
import { mkdirSync, readSync, writeSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { open } from '../index.ts';
import type { Side } from './machine.ts';
import { Places } from './places.ts';
import { PACES, type Pace, SIDES, type SideName } from './program.ts';

type Opener = Side['open'];

/** Turns of the event loop that a transfer takes at least on a slow FileHandle. */
const SLOW_TURNS = 5;

/** @param small - A directory where there is little room, or undefined. */
export function openSides(directory: string, small: string | undefined): Side[] {
  return SIDES.map((name) => openSide(directory, small, name, opener(name)));
}

/**
 * FileHandles whose transfers take much longer, or no time at all and whatever is left under way ends before the next step. Where FileHandle itself shows something else then, what is shown is how
 * long things take, and nothing that a file promises.
 */
export function openPaces(directory: string, small: string | undefined): Side[] {
  return PACES.map((name) => ({
    ...openSide(directory, small, name, paced(name)),
    isPatient: name === 'quick FileHandle',
  }));
}

function openSide(directory: string, small: string | undefined, name: SideName, opened: Opener): Side {
  const own = join(directory, name);
  mkdirSync(own);
  const ownSmall = small === undefined ? own : join(small, name);
  if (small !== undefined) mkdirSync(ownSmall);
  return { name, open: opened, places: new Places(own, ownSmall) };
}

function opener(name: SideName): Opener {
  if (name === 'FileHandle') return openHandle;
  return (path, flags, mode) =>
    open(path, flags, mode, { backend: name as 'native' }) as Promise<unknown> as Promise<FileHandle>;
}

type Method = (...args: unknown[]) => Promise<unknown>;

function paced(pace: Pace): Opener {
  return async (path, flags, mode) => {
    const handle = await openHandle(path, flags, mode);
    const keyed = handle as unknown as Record<string, Method>;
    for (const name of ['read', 'write', 'readv', 'writev', 'sync', 'datasync']) {
      const host = keyed[name]!.bind(handle);
      keyed[name] = pace === 'slow FileHandle' ? slow(host) : quick(name, handle, host);
    }
    return handle;
  };
}

function slow(host: Method): Method {
  return async (...args) => {
    try {
      return await host(...args);
    } finally {
      for (let turn = 0; turn < SLOW_TURNS; turn++) await setImmediate();
    }
  };
}

/** Of the transfers that streams ask for; what else there is keeps its pace. */
function quick(name: string, handle: FileHandle, host: Method): Method {
  if (name !== 'read' && name !== 'write') return host;
  return async (...args) => {
    const [buffer, offset, length, position = null] = args as [Uint8Array, number, number, number | null];
    const isPlain =
      handle.fd >= 0 &&
      buffer instanceof Uint8Array &&
      [offset, length].every((one) => Number.isInteger(one) && one >= 0) &&
      offset + length <= buffer.byteLength &&
      (position === null || (Number.isSafeInteger(position) && position >= 0));
    if (!isPlain) return host(...args);
    const result = Object.create(null) as object;
    return name === 'read'
      ? Object.assign(result, { bytesRead: readSync(handle.fd, buffer, offset, length, position), buffer })
      : Object.assign(result, {
          bytesWritten: writeSync(handle.fd, buffer, offset, length, position),
          buffer,
        });
  };
}
