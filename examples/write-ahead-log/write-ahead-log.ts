/**
 * A write-ahead log.
 *
 * What it promises: a record whose `append()` has resolved is there after any crash, in its place; records come back in the order
 * of their numbers without gaps; nothing comes back that was not appended. A record whose `append()` had not resolved may be
 * there or not, but once `open()` has said so, it stays so.
 */
import type { AioFile } from 'kaio';
import { decodeRecords, encodeRecord, MAX_PAYLOAD_BYTES } from './record.ts';
import { Storage, type StorageOptions } from './storage.ts';

export interface LogOptions extends StorageOptions {
  /** A segment that has grown so long is followed by a new one. Default 1 MiB. */
  readonly segmentBytes?: number;
}

/** What was found. */
export interface Recovered {
  readonly log: WriteAheadLog;
  /** The last checkpoint, if there is one: it stands for all records before {@link firstNumber}. */
  readonly checkpoint: Buffer | undefined;
  /** The number of the first of {@link records}. */
  readonly firstNumber: number;
  /** Records after the checkpoint, in their order. */
  readonly records: readonly Buffer[];
}

interface Waiting {
  readonly frame: Buffer;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const SEGMENT_BYTES = 1 << 20;
const CHECKPOINT = 'checkpoint';
const SEGMENT = /^(\d{16})\.log$/;

const segmentName = (first: number): string => `${String(first).padStart(16, '0')}.log`;

export class WriteAheadLog {
  readonly #storage: Storage;
  readonly #segmentBytes: number;
  /** Numbers of the first records of the segments, in order. The last is written to. */
  readonly #segments: number[];
  #file: AioFile;
  /** Where the segment ends. */
  #end: number;
  /** The number that the next record gets. */
  #next: number;
  /** The number that the next record to be written has. */
  #nextWritten: number;
  #rotates = false;
  #waiting: Waiting[] = [];
  #committing: Promise<void> | undefined;
  #failure: Error | undefined;

  private constructor(
    storage: Storage,
    segmentBytes: number,
    segments: number[],
    file: AioFile,
    end: number,
    next: number,
  ) {
    this.#storage = storage;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
    this.#file = file;
    this.#end = end;
    this.#next = next;
    this.#nextWritten = next;
  }

  /**
   * Opens the log in a directory that exists, and finds what it holds.
   *
   * @throws Error `ERR_LOG_DAMAGED` for what no crash can have left behind.
   */
  static open(options: LogOptions): Promise<Recovered> {
    return WriteAheadLog.openOn(new Storage(options), options.segmentBytes);
  }

  /** As {@link open}, over a storage of the caller's. */
  static async openOn(storage: Storage, segmentBytes = SEGMENT_BYTES): Promise<Recovered> {
    const names = await storage.list();
    const saved = names.includes(CHECKPOINT) ? readCheckpoint(await storage.read(CHECKPOINT)) : undefined;
    const firstNumber = saved === undefined ? 1 : saved.last + 1;
    const segments = names
      .flatMap((name) => SEGMENT.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((one, other) => one - other);
    // What the checkpoint stands for is not needed any more: the power may have been lost while it was being removed. But it was
    // perhaps the process that ended, before the checkpoint's name was durable, and then it can still go.
    if (segments.length > 1 && segments[1]! <= firstNumber) await storage.promiseNames('name');
    while (segments.length > 1 && segments[1]! <= firstNumber) {
      await storage.remove(segmentName(segments.shift()!));
    }
    if (segments.length === 0) segments.push(firstNumber);
    if (segments[0]! > firstNumber) throw damage(`The records from ${firstNumber} on are missing`);
    const records: Buffer[] = [];
    let next = segments[0]!;
    for (const first of segments) {
      if (first !== next)
        throw damage(`The records from ${next} on are damaged: the next segment has ${first}`);
      const content = names.includes(segmentName(first))
        ? await storage.read(segmentName(first))
        : Buffer.of();
      const found = decodeRecords(content, first);
      records.push(...found);
      next += found.length;
    }
    // They were durable before the checkpoint was made.
    if (next < firstNumber) throw damage(`The records from ${next} on are damaged, which the checkpoint has`);
    const last = segments.at(-1)!;
    const kept = records.slice(records.length - (next - last));
    // The last segment is written anew. Behind its last record there may be others, whole but not in their turn, which must
    // not come back; and what was read may be in memory only, because the sync that was to write it has failed.
    const content = Buffer.concat(kept.map((payload, index) => encodeRecord(last + index, payload)));
    await storage.replace(segmentName(last), content);
    const file = await storage.open(segmentName(last), 'r+');
    return {
      log: new WriteAheadLog(storage, segmentBytes, segments, file, content.length, next),
      checkpoint: saved?.state,
      firstNumber,
      records: records.slice(firstNumber - segments[0]!),
    };
  }

  /** The number of the last record that is in the log for certain. */
  get last(): number {
    return this.#nextWritten - 1;
  }

  /**
   * Adds a record.
   *
   * Records that are appended while others are being written are written together: one write and one sync for all of them.
   *
   * @returns Its number, when it is durable.
   * @throws What the storage has thrown. Then the log takes no more records; open it again to see which are there.
   */
  append(payload: Uint8Array): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (payload.length > MAX_PAYLOAD_BYTES) return Promise.reject(new RangeError('The record is too long'));
    const number = this.#next++;
    const written = new Promise<number>((resolve, reject) => {
      const frame = encodeRecord(number, payload);
      this.#waiting.push({ frame, resolve: () => resolve(number), reject });
    });
    this.#start();
    return written;
  }

  /**
   * Saves a state that stands for all records up to `last`, and drops the segments that are not needed any more.
   *
   * @param last - The number of a record that is durable.
   */
  async checkpoint(state: Uint8Array, last: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!(Number.isInteger(last) && last >= 0 && last <= this.last))
      throw new RangeError(`Record ${last} is not in the log yet`);
    await this.#storage.replace('checkpoint', encodeRecord(last, state, 'checkpoint'));
    this.#rotates = true;
    while (this.#segments.length > 1 && this.#segments[1]! <= last + 1) {
      await this.#storage.remove(segmentName(this.#segments.shift()!));
    }
  }

  /** Waits for what was appended, and closes the segment. */
  async close(): Promise<void> {
    await this.#committing;
    this.#failure ??= new Error('The log is closed');
    await this.#file.close();
  }

  #start(): void {
    // In a later job, so that what is appended in this one comes along.
    this.#committing ??= Promise.resolve().then(async () => {
      while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0));
      this.#committing = undefined;
    });
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      if (this.#end > 0 && (this.#rotates || this.#end >= this.#segmentBytes)) await this.#rotate();
      const bytes = Buffer.concat(batch.map(({ frame }) => frame));
      await this.#storage.write(this.#file, bytes, this.#end);
      await this.#storage.promise('batch', this.#file);
      this.#end += bytes.length;
      this.#nextWritten += batch.length;
    } catch (error) {
      // What of the batch is on the disk is open, and a sync that succeeds after one that failed says nothing.
      this.#failure = error instanceof Error ? error : new Error(String(error));
      for (const { reject } of batch) reject(error);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  /** Goes on in a new segment. Everything in the old one is durable. */
  async #rotate(): Promise<void> {
    const first = this.#nextWritten;
    const file = await this.#storage.open(segmentName(first), 'w');
    await this.#storage.promiseNames('segment');
    const old = this.#file;
    this.#file = file;
    this.#end = 0;
    this.#rotates = false;
    this.#segments.push(first);
    await old.close();
  }
}

/** The error for what no crash leaves behind: something has destroyed what was durable. */
function damage(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_LOG_DAMAGED' });
}

/** @throws Error for a damaged one: it was renamed to its place whole, so this is not what a crash leaves behind. */
function readCheckpoint(bytes: Buffer): { readonly last: number; readonly state: Buffer } {
  const last = bytes.length >= 16 ? Number(bytes.readBigUInt64LE(8)) : Number.NaN;
  const [state] = Number.isSafeInteger(last) ? decodeRecords(bytes, last, 'checkpoint') : [];
  if (state === undefined) throw damage('The checkpoint is damaged');
  return { last, state };
}
