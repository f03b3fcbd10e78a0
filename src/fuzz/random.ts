/** Random choices that a seed decides. */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { skipN } from 'pure-rand/utils/skipN';

/** The first numbers of neighbouring seeds resemble each other. */
const WARM_UP = 4;

export class Random {
  readonly #generator: ReturnType<typeof xoroshiro128plus>;

  /** @param index - Which of the streams of `seed`. */
  constructor(seed: number, index: number) {
    this.#generator = xoroshiro128plus((Math.imul(seed, 0x9e37_79b1) + index) | 0);
    skipN(this.#generator, WARM_UP);
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return uniformInt(this.#generator, 0, limit - 1);
  }

  /** True once in `times`. */
  once(times: number): boolean {
    return this.below(times) === 0;
  }

  pick<const T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }

  /** One of `usual`, or once in `times` one of `rare`. */
  mostly<const A, const B>(usual: readonly A[], times: number, rare: readonly B[]): A | B {
    return this.once(times) ? this.pick(rare) : this.pick(usual);
  }
}
