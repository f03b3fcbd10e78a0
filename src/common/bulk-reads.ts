/** Reads of so many bytes that copying them from the page cache takes longer than handing them over to the thread pool. */

/** A read of fewer is made where it is asked for. */
export const BULK_BYTES = 1 << 17;
/** Bytes of such reads under way at once that this thread copies: with more, a pool of four threads on two CPUs is faster (Linux 6.18). */
const OWN_BYTES = 1 << 20;

/**
 * The bulk reads of one file.
 *
 * One after the other, they are fastest on this thread. Several at once are faster on the threads of the pool, which copy at the same
 * time, and the event loop is free meanwhile: 32 reads of 256 KiB would hold it for 2 ms.
 */
export class BulkReads {
  #underWay = 0;

  /**
   * Makes one of `bytes`, which are at least {@link BULK_BYTES}, and counts it until it has ended.
   *
   * @param read - Begins it: on the thread pool, if that is better.
   */
  async during<T>(bytes: number, read: (isForPool: boolean) => Promise<T>): Promise<T> {
    this.#underWay += bytes;
    try {
      return await read(this.#underWay > OWN_BYTES);
    } finally {
      this.#underWay -= bytes;
    }
  }
}
