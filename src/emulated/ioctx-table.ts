/** From handle to context: the index in the ring's header, then the entry's own handle. */
import type { Kioctx } from './kioctx.ts';
import type { AddressSpace } from './mm.ts';

export class IoctxTable {
  readonly #table: (Kioctx | undefined)[] = [];
  readonly #mm: AddressSpace;

  constructor(mm: AddressSpace) {
    this.#mm = mm;
  }

  /** `ioctx_add_table`: the lowest free index becomes the context's `ring.id`. */
  add(ctx: Kioctx): void {
    const free = this.#table.indexOf(undefined);
    const id = free === -1 ? this.#table.length : free;
    this.#table[id] = ctx;
    ctx.ring.id = id;
  }

  remove(ctx: Kioctx): void {
    const id = this.#table.indexOf(ctx);
    if (id !== -1) this.#table[id] = undefined;
  }

  /** `lookup_ioctx`. The index is read from user memory, so an altered or unreadable ring finds nothing. */
  lookup(handle: number): Kioctx | undefined {
    const header = this.#mm.reach(handle, 4, 'read');
    if (header === undefined) return undefined;
    const ctx = this.#table[header.view.getUint32(handle - header.base, true)];
    return ctx !== undefined && ctx.user_id === handle ? ctx : undefined;
  }
}
