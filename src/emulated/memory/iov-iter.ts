/** Moving the data of a request between user memory and bounce memory. */

import { type Bounce, type BouncePool, bouncePool } from '../../common/memory/bounce-pool.ts';
import { type Access, type AddressSpace, PAGE_SIZE } from './mm.ts';

/** Segments of a vectored request, captured at submission. The current one is shortened as the request advances. */
export interface Segments {
  readonly base: number[];
  readonly length: number[];
}

/** Where the data of a request lies in user memory, and how far it has come (`struct iov_iter`). */
export interface IovIter {
  /** Address of the buffer, if there is one segment. */
  ki_buf: number;
  /** Bytes in all segments. */
  ki_nbytes: number;
  /** Bytes that are still to be moved: the progress of the request. */
  ki_left: number;
  ki_segments: Segments | undefined;
  /** The segment to go on with. */
  ki_cur_seg: number;
}

/** Moves a request on by `bytes`: whole segments are left behind, the current one is shortened. */
export function iov_iter_advance(iter: IovIter, bytes: number): void {
  iter.ki_left -= bytes;
  const segments = iter.ki_segments;
  if (segments === undefined) {
    iter.ki_buf += bytes;
    return;
  }
  const { base, length } = segments;
  let left = bytes;
  while (left > 0 && left >= length[iter.ki_cur_seg]!) left -= length[iter.ki_cur_seg++]!;
  if (left === 0) return;
  base[iter.ki_cur_seg]! += left;
  length[iter.ki_cur_seg]! -= left;
}

/** Bytes of the request's segments before the first that cannot be accessed. */
export function accessibleBytes(mm: AddressSpace, req: IovIter, access: Access): number {
  const segments = req.ki_segments;
  if (segments === undefined) return mm.accessible(req.ki_buf, req.ki_left, access);
  let total = 0;
  for (let i = req.ki_cur_seg; i < segments.base.length; i++) {
    const length = segments.length[i]!;
    const accessible = mm.accessible(segments.base[i]!, length, access);
    total += accessible;
    if (accessible < length) break;
  }
  return total;
}

/** Bounce memory for the first bytes of a request, laid out as its segments are. */
export class Transfer {
  /** Where the only segment lies in `bytes`. */
  readonly at: number;
  /** The segments, if there are several. */
  readonly views: Uint8Array[] | undefined;
  readonly #chunk: Bounce;
  readonly #base: readonly number[];
  readonly #pool: BouncePool;

  /** @param bytes - How many of the request's bytes to make room for. */
  constructor(
    req: Pick<IovIter, 'ki_buf' | 'ki_segments' | 'ki_cur_seg'>,
    bytes: number,
    pool: BouncePool = bouncePool,
  ) {
    this.#pool = pool;
    const segments = req.ki_segments;
    if (segments === undefined) {
      this.at = req.ki_buf % PAGE_SIZE;
      this.#base = [req.ki_buf];
      this.#chunk = pool.take(this.at + bytes);
      return;
    }
    const places: number[] = [];
    const lengths: number[] = [];
    const bases: number[] = [];
    let cursor = 0;
    let left = bytes;
    for (let i = req.ki_cur_seg; left > 0; i++) {
      const length = Math.min(segments.length[i]!, left);
      if (length === 0) continue;
      const base = segments.base[i]!;
      cursor += (((base - cursor) % PAGE_SIZE) + PAGE_SIZE) % PAGE_SIZE;
      places.push(cursor);
      lengths.push(length);
      bases.push(base);
      cursor += length;
      left -= length;
    }
    this.at = 0;
    this.#base = bases;
    this.#chunk = pool.take(cursor);
    this.views = places.map((place, i) => this.#chunk.bytes.subarray(place, place + lengths[i]!));
  }

  /** The memory of the only segment. */
  get bytes(): Uint8Array {
    return this.#chunk.bytes;
  }

  /** Fills the bounce memory. Preconditions: the user's bytes were found accessible in this same job. */
  copyFromUser(mm: AddressSpace, bytes: number): void {
    const views = this.views ?? [this.bytes.subarray(this.at, this.at + bytes)];
    views.forEach((view, i) => {
      const address = this.#base[i]!;
      const user = mm.reach(address, view.length, 'read');
      if (user !== undefined)
        view.set(user.bytes.subarray(address - user.base, address - user.base + view.length));
    });
  }

  /** Hands out the first `bytes` bytes. @returns How many arrived before memory that is gone. */
  copyToUser(mm: AddressSpace, bytes: number): number {
    let copied = 0;
    const views = this.views ?? [this.bytes.subarray(this.at, this.at + bytes)];
    for (let i = 0; i < views.length && copied < bytes; i++) {
      const length = Math.min(views[i]!.length, bytes - copied);
      const address = this.#base[i]!;
      const accessible = mm.accessible(address, length, 'write');
      const user = mm.reach(address, accessible, 'write');
      if (accessible === 0 || user === undefined) break;
      user.bytes.set(views[i]!.subarray(0, accessible), address - user.base);
      copied += accessible;
      if (accessible < length) break;
    }
    return copied;
  }

  release(): void {
    this.#pool.give(this.#chunk);
  }
}

/** Segments of a request from where it stands, as far as `bytes` reach. */
function* segmentsOf(req: IovIter, bytes: number): Generator<readonly [address: number, length: number]> {
  const segments = req.ki_segments;
  if (segments === undefined) {
    yield [req.ki_buf, bytes];
    return;
  }
  for (let i = req.ki_cur_seg, left = bytes; left > 0; i++) {
    const length = Math.min(segments.length[i]!, left);
    if (length > 0) yield [segments.base[i]!, length];
    left -= length;
  }
}

/** `copy_to_iter`: hands bytes out, from where the request stands. @returns How many arrived before memory that is gone. */
export function copy_to_iter(mm: AddressSpace, req: IovIter, bytes: Uint8Array): number {
  let copied = 0;
  for (const [address, length] of segmentsOf(req, bytes.length)) {
    const there = mm.accessible(address, length, 'write');
    const user = there === 0 ? undefined : mm.reach(address, there, 'write');
    if (user === undefined) break;
    user.bytes.set(bytes.subarray(copied, copied + there), address - user.base);
    copied += there;
    if (there < length) break;
  }
  return copied;
}

/** `copy_from_iter`: fetches bytes, from where the request stands. @returns How many came before memory that is gone. */
export function copy_from_iter(mm: AddressSpace, req: IovIter, bytes: Uint8Array): number {
  let copied = 0;
  for (const [address, length] of segmentsOf(req, bytes.length)) {
    const there = mm.accessible(address, length, 'read');
    const user = there === 0 ? undefined : mm.reach(address, there, 'read');
    if (user === undefined) break;
    bytes.set(user.bytes.subarray(address - user.base, address - user.base + there), copied);
    copied += there;
    if (there < length) break;
  }
  return copied;
}
