/**
 * Which direct requests of a file hold the thread that submits them, learned from how they end.
 *
 * Linux is asked with RWF_NOWAIT: where it would have to wait, for the exclusive lock of an extending write, say, or for dirty pages in
 * the way, it answers EAGAIN and nothing has been done. What it waits for nevertheless is known beforehand (the extent tree, the device's
 * queue) or, for the rest, found by the time that `io_submit` takes.
 */
import { RWF_NOWAIT } from '../abi/constants.ts';
import type { DeviceQueue } from './device-queue.ts';
import type { ExtentsOwner, KnownExtents } from './known-extents.ts';

/** What is alike in whether it waits. */
export type DirectKind = 'read' | 'overwrite' | 'extend';

/** Why a direct request takes the thread pool. */
export type DirectPoolReason =
  | 'would hold the event loop'
  | 'would probably hold the event loop'
  | 'has held the event loop'
  | 'place on the device not in memory'
  | 'more than the device takes at once'
  | 'writes behind the end of the file'
  | 'no RWF_NOWAIT on this file system';

/** Requests that go to the pool unasked after refusals in a row, at most: in the kernel others of the kind may go side by side. */
const MOST_SKIPPED: Readonly<Record<DirectKind, number>> = { read: 16, overwrite: 16, extend: 64 };
const FIRST_HELD = 8;
const MOST_HELD = 256;
/**
 * Requests in a row that held nobody, after which earlier ones are forgotten. On a machine with too much to do the thread loses its CPU
 * inside the call now and then, which looks the same: that must cost next to nothing.
 */
const FORGET_AFTER = 64;

/** What is known of one kind. */
class Reluctance {
  readonly #mostSkipped: number;
  #refusals = 0;
  #holds = 0;
  #heldAtMs = 0;
  #well = 0;
  #toSkip = 0;
  #reason: DirectPoolReason = 'would probably hold the event loop';

  constructor(mostSkipped: number) {
    this.#mostSkipped = mostSkipped;
  }

  get isSkipping(): boolean {
    return this.#toSkip > 0;
  }

  /** Decides for one request, and counts that. @returns Why it is not to be tried. */
  skip(): DirectPoolReason | undefined {
    if (this.#toSkip === 0) return undefined;
    this.#toSkip--;
    return this.#reason;
  }

  accepted(): void {
    this.#refusals = 0;
    if (this.#holds > 0 && ++this.#well >= FORGET_AFTER) this.#holds = 0;
  }

  refused(): void {
    // Others of the same moment say nothing new while those after them go elsewhere already.
    if (this.#toSkip > 0) return;
    this.#refusals++;
    this.#toSkip = Math.min(2 ** this.#refusals, this.#mostSkipped);
    this.#reason = 'would probably hold the event loop';
  }

  /**
   * @param atMs - The same for all requests of one call.
   * @returns Whether that was not the first time of late.
   */
  held(atMs: number): boolean {
    if (atMs === this.#heldAtMs) return false;
    this.#heldAtMs = atMs;
    this.#well = 0;
    this.#toSkip = Math.min(FIRST_HELD * 2 ** this.#holds, MOST_HELD);
    this.#holds++;
    this.#reason = 'has held the event loop';
    return this.#holds > 1;
  }
}

/** What of a file matters here. */
export interface DirectFacts {
  /** Where it ends; infinity for a block device. */
  readonly end: number;
  readonly device: DeviceQueue | undefined;
  readonly extents: KnownExtents;
  /** Whether the kernel knows RWF_NOWAIT. */
  readonly nowait: boolean;
}

export class DirectRouting {
  readonly device: DeviceQueue | undefined;
  /** What requests have in their flags. */
  readonly rw_flags: number;
  readonly #extents: KnownExtents;
  /** As far as is known: others may have moved it. */
  #end: number;
  readonly #refused = { read: false, write: false };
  readonly #kinds: Readonly<Record<DirectKind, Reluctance>> = {
    read: new Reluctance(MOST_SKIPPED.read),
    overwrite: new Reluctance(MOST_SKIPPED.overwrite),
    extend: new Reluctance(MOST_SKIPPED.extend),
  };
  #lastWrite: 'overwrite' | 'extend' = 'overwrite';

  constructor({ end, device, extents, nowait }: DirectFacts) {
    this.#end = end;
    this.device = device;
    this.#extents = extents;
    this.rw_flags = nowait ? RWF_NOWAIT : 0;
  }

  /** Where the file ends, as far as is known. */
  get end(): number {
    return this.#end;
  }

  kindOf(name: 'read' | 'write', position: number, length: number): DirectKind {
    if (name === 'read') return 'read';
    this.#lastWrite = position + length > this.#end ? 'extend' : 'overwrite';
    return this.#lastWrite;
  }

  /**
   * Decides for a request that has some bytes, and counts that.
   *
   * @returns Why it is not for the kernel; `undefined` for one that is.
   */
  poolReason(
    kind: DirectKind,
    position: number,
    length: number,
    owner: ExtentsOwner,
  ): DirectPoolReason | undefined {
    if (this.#refused[kind === 'read' ? 'read' : 'write']) return 'no RWF_NOWAIT on this file system';
    if (kind === 'extend' && this.rw_flags === 0) return 'writes behind the end of the file';
    if (this.device !== undefined && this.device.unitsOf(length) > this.device.limit)
      return 'more than the device takes at once';
    const skipped = this.#kinds[kind].skip();
    if (skipped !== undefined) return skipped;
    // Behind the end there is nothing, and what is to come there is asked for first.
    const end = Math.min(position + length, this.#end);
    if (this.#extents.reachTo(end)) return undefined;
    this.#extents.want(end, owner);
    return 'place on the device not in memory';
  }

  /** The kernel took a request, which moved so many bytes. */
  accepted(kind: DirectKind, position: number, count: number): void {
    if (count > 0) this.reached(position + count);
    this.#kinds[kind].accepted();
  }

  /** The file goes at least as far. */
  reached(end: number): void {
    if (end > this.#end) this.#end = end;
  }

  /** The kernel would have had to wait, or the request has failed. */
  refused(kind: DirectKind): void {
    this.#kinds[kind].refused();
  }

  /** The kernel takes no RWF_NOWAIT for such requests of this file. */
  refuseNowait(name: 'read' | 'write'): void {
    if (this.rw_flags !== 0) this.#refused[name] = true;
  }

  /** `io_submit` took long. @param atMs - When it ended. */
  held(kind: DirectKind, atMs: number): void {
    // The kernel may have dropped what it knew of the file.
    if (this.#kinds[kind].held(atMs)) this.#extents.forget();
  }

  /** Where the next request of the sort most recently seen would go. */
  route(name: 'read' | 'write'): 'kernel' | 'threadpool' {
    if (this.#refused[name]) return 'threadpool';
    const kind = name === 'read' ? 'read' : this.#lastWrite;
    if (kind === 'extend' && this.rw_flags === 0) return 'threadpool';
    return this.#kinds[kind].isSkipping ? 'threadpool' : 'kernel';
  }
}
