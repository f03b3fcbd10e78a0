/**
 * Up to where the kernel has it in memory where a file's bytes lie on the device.
 *
 * On ext4 a read that needs a block of the extent tree first reads that block, inside `io_submit` and whatever RWF_NOWAIT says (BLOCK-14), and
 * so does one on btrfs with a leaf of its tree.
 * So the blocks are read before, on another thread, and requests for what lies behind them take the thread pool until then.
 */
import type { AioKernel } from '../kernel/aio-kernel.ts';
import type { DescriptorStat } from '../kernel/descriptor-stat.ts';

/** Of ext4 (Documentation/filesystems/ext4/ifork.rst). */
const EXTENTS_IN_INODE = 4;

/** What a file lends while its descriptor is used. */
export interface ExtentsOwner {
  begin(): void;
  end(): void;
  /** Whether the descriptor is sure to be the file's: something else is under way, so that nobody has closed it. */
  isOpen(): boolean;
}

export class KnownExtents {
  readonly #fd: number;
  readonly #load: AioKernel['loadExtents'];
  #to: number;
  #wanted = 0;
  #isLoading = false;

  constructor(kernel: Pick<AioKernel, 'loadExtents'>, fd: number) {
    this.#load = kernel.loadExtents?.bind(kernel);
    this.#fd = fd;
    this.#to = this.#load === undefined ? Number.POSITIVE_INFINITY : 0;
  }

  /** Whether everything before a place in the file is known. */
  reachTo(end: number): boolean {
    return end <= this.#to;
  }

  /** Learns of the first ones, which in most files are all. @param stat - Of the file. */
  async begin({ size, blocks, blksize }: Pick<DescriptorStat, 'size' | 'blocks' | 'blksize'>): Promise<void> {
    if (this.#to > 0) return;
    // Each has a block at least, and so few stand in the inode itself, which is in memory as long as the file is open. Not in a file that had
    // more and was punched: its first direct read may read one block of the tree inside io_submit.
    if (blocks * 512 <= EXTENTS_IN_INODE * blksize) this.#to = size;
    else await this.#step();
  }

  /** Learns of those before a place in the file, in the background. Preconditions: the file is open. */
  want(end: number, owner: ExtentsOwner): void {
    this.#wanted = Math.max(this.#wanted, end);
    if (!this.#isLoading) void this.#loadWanted(owner);
  }

  /** The kernel may have dropped them. */
  forget(): void {
    if (this.#load === undefined) return;
    this.#to = 0;
    this.#wanted = 0;
  }

  async #loadWanted(owner: ExtentsOwner): Promise<void> {
    this.#isLoading = true;
    try {
      do {
        owner.begin();
        try {
          await this.#step();
        } finally {
          owner.end();
        }
        // Step by step: a file is not kept open for long by what nobody waits for.
      } while (this.#to < this.#wanted && owner.isOpen());
    } finally {
      this.#isLoading = false;
    }
  }

  async #step(): Promise<void> {
    const from = this.#to;
    const to = await this.#load!(this.#fd, from);
    // Whoever does not tell, or gets nowhere, is not asked again.
    this.#to = to > from ? to : Number.POSITIVE_INFINITY;
  }
}
