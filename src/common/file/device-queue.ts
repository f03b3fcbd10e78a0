/**
 * How many requests a block device takes at once.
 *
 * Whoever submits one more sleeps in `io_submit` until another has ended, and RWF_NOWAIT changes nothing about it for files (BLOCK-15).
 * So what is too much waits here, in its order, and the device has its hands full all the same.
 */
import { readFile, stat } from 'node:fs/promises';
import { AbortListeners } from '../context/abort-listeners.ts';
import { AbortError } from '../errors.ts';
import { abortReason } from '../intrinsics.ts';

/** The rest is for others: the journal, write-back, other processes. */
const OURS = 3 / 4;
/** What one page of memory that lies alone takes of the segments of a request. */
const SEGMENT_BYTES = 4096;

interface Waiter {
  readonly units: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class DeviceQueue {
  /** Requests of the device that may be under way at once. */
  readonly limit: number;
  readonly #unitBytes: number;
  #taken = 0;
  #waiting: Waiter[] = [];
  readonly #signals = new AbortListeners<Waiter>((waiter) => this.#abort(waiter));

  /** @param unitBytes - After which the device splits a request. */
  constructor(limit: number, unitBytes: number) {
    this.limit = limit;
    this.#unitBytes = unitBytes;
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** What so many bytes take of {@link limit}. */
  unitsOf(bytes: number): number {
    return bytes <= this.#unitBytes ? 1 : Math.ceil(bytes / this.#unitBytes);
  }

  /** Takes room, if nobody waits for it. {@link give} has to follow. */
  take(units: number): boolean {
    if (this.#waiting.length > 0 || !this.#has(units)) return false;
    this.#taken += units;
    return true;
  }

  /**
   * Resolves when room has been taken. {@link give} has to follow.
   *
   * @throws AbortError when the signal fires before.
   */
  turn(units: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { units, signal, resolve, reject };
      this.#waiting.push(waiter);
      if (signal !== undefined) this.#signals.add(signal, waiter);
    });
  }

  give(units: number): void {
    this.#taken -= units;
    this.#callIn();
  }

  #has(units: number): boolean {
    return this.#taken + units <= this.limit;
  }

  #callIn(): void {
    let called = 0;
    for (const { units, signal, resolve } of this.#waiting) {
      if (!this.#has(units)) break;
      this.#taken += units;
      called++;
      if (signal !== undefined) this.#signals.delete(signal, this.#waiting[called - 1]!);
      resolve();
    }
    if (called > 0) this.#waiting.splice(0, called);
  }

  #abort(waiter: Waiter): void {
    const { signal, reject } = waiter;
    this.#signals.delete(signal!, waiter);
    this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
    reject(new AbortError(abortReason(signal!)));
    // It may have been too large for what is free, and those behind it are not.
    this.#callIn();
  }
}

// By number: all files on a device share what it takes.
const devices = new Map<number, Promise<DeviceQueue | undefined>>();

/**
 * The queue of a device.
 *
 * @param dev - Its number, as `stat` tells it of a file or of the device itself.
 * @returns `undefined` for what has no such queue, or none that is known: network file systems, btrfs, device mapper.
 */
export function deviceQueue(dev: number): Promise<DeviceQueue | undefined> {
  let queue = devices.get(dev);
  if (queue === undefined) {
    queue = readQueue(dev).catch(() => undefined);
    devices.set(dev, queue);
  }
  return queue;
}

async function readQueue(dev: number): Promise<DeviceQueue | undefined> {
  // `linux/kdev_t.h`, as stat(2) tells it.
  const major = Math.floor(dev / 2 ** 8) & 0xfff;
  const minor = (dev & 0xff) | (Math.floor(dev / 2 ** 12) & 0xfff00);
  let directory = `/sys/dev/block/${major}:${minor}`;
  // A partition's is that of its disk.
  if (!(await exists(`${directory}/queue`))) directory += '/..';
  // What passes requests on to other devices has a number there too, which means nothing.
  if (!(await exists(`${directory}/mq`))) return undefined;
  const read = async (name: string): Promise<number> =>
    Number(await readFile(`${directory}/queue/${name}`, 'latin1'));
  const [requests, kilobytes, segments] = await Promise.all(
    ['nr_requests', 'max_sectors_kb', 'max_segments'].map(read),
  );
  const unitBytes = Math.min(kilobytes! * 1024, segments! * SEGMENT_BYTES);
  return requests! > 0 && unitBytes > 0
    ? new DeviceQueue(Math.max(1, Math.floor(requests! * OURS)), unitBytes)
    : undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
