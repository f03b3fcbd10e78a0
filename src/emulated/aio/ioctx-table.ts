/** From handle to context. */
import { LITTLE_ENDIAN } from '../../common/abi/byte-order.ts';
import type { AddressSpace } from '../memory/mm.ts';
import type { AioKioctx } from './aio-kiocb.ts';

const TWO_32 = 0x1_0000_0000;

export class IoctxTable {
  readonly #table: (AioKioctx | undefined)[] = [];
  readonly #ioctx_list = new Map<number, AioKioctx>();
  readonly #mm: AddressSpace;
  readonly #throughRing: boolean;

  /** @param throughRing - Contexts are found by the index in their ring's header; else by their handle alone. */
  constructor(mm: AddressSpace, throughRing = true) {
    this.#mm = mm;
    this.#throughRing = throughRing;
  }

  /** `ioctx_add_table`: the lowest free index becomes the context's `ring.id`, or the low half of the handle. */
  add(ctx: AioKioctx): void {
    const free = this.#table.indexOf(undefined);
    const id = free === -1 ? this.#table.length : free;
    this.#table[id] = ctx;
    this.#ioctx_list.set(ctx.user_id, ctx);
    ctx.ring.id = this.#throughRing ? id : ctx.user_id % TWO_32;
  }

  remove(ctx: AioKioctx): void {
    const id = this.#table.indexOf(ctx);
    if (id !== -1) this.#table[id] = undefined;
    this.#ioctx_list.delete(ctx.user_id);
  }

  /** Every living context. */
  get contexts(): readonly AioKioctx[] {
    return [...this.#ioctx_list.values()];
  }

  /**
   * `lookup_ioctx`. Today the index is read from user memory, so an altered or unreadable ring finds nothing; in 2007 only the
   * number counts (SEED-10).
   */
  lookup(handle: number): AioKioctx | undefined {
    if (!this.#throughRing) return this.#ioctx_list.get(handle);
    const header = this.#mm.reach(handle, 4, 'read');
    if (header === undefined) return undefined;
    const ctx = this.#table[header.view.getUint32(handle - header.base, LITTLE_ENDIAN)];
    return ctx !== undefined && ctx.user_id === handle ? ctx : undefined;
  }
}
