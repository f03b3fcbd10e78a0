/** What the kernel's own files have in common: references, and an end. */
import { delayed_fput } from './fput.ts';

export abstract class OwnFile {
  #references = 1;

  /** References held: by descriptors, by requests. */
  get references(): number {
    return this.#references;
  }

  get(): void {
    this.#references++;
  }

  /** The last one releases the file, at the end of the kernel call. */
  put(): void {
    this.#references--;
    if (this.#references === 0) delayed_fput(() => this.release());
  }

  /** Nobody can use the file any more. */
  protected release(): void {}
}
