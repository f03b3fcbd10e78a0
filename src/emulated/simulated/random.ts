/**
 * Chance by seed.
 *
 * xoshiro128** of Blackman and Vigna, seeded through splitmix64. The sequence of numbers is part of what a seed promises: an
 * update of a library could change the history of every seed that somebody wrote down. And libraries that would do (the
 * fuzzer's, pure-rand) take seeds of 32 bits and know no streams by name.
 */
import { invalidArgValue } from '../../common/validate.ts';

/** An integer: a number, a bigint, or its decimal digits, as an error message or an environment variable has it. */
export type Seed = number | bigint | string;

const TWO_32 = 0x1_0000_0000;
const TWO_53 = 2 ** 53;

/** @throws TypeError `ERR_INVALID_ARG_VALUE` for what is no integer. */
export function seedOf(seed: Seed): bigint {
  const isInteger =
    typeof seed === 'string' ? /^-?\d+$/.test(seed) : typeof seed === 'bigint' || Number.isSafeInteger(seed);
  if (!isInteger) throw invalidArgValue('seed', seed);
  return BigInt.asUintN(64, BigInt(seed));
}

/** One step of splitmix64: the next state and what it gives. */
function splitmix64(state: bigint): [state: bigint, value: bigint] {
  const next = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
  let value = next;
  value = BigInt.asUintN(64, (value ^ (value >> 30n)) * 0xbf58476d1ce4e5b9n);
  value = BigInt.asUintN(64, (value ^ (value >> 27n)) * 0x94d049bb133111ebn);
  return [next, value ^ (value >> 31n)];
}

/** FNV-1a, so that streams of one seed differ by their names. */
function hash(name: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (let at = 0; at < name.length; at++) {
    value = BigInt.asUintN(64, (value ^ BigInt(name.charCodeAt(at))) * 0x100000001b3n);
  }
  return value;
}

/** A sequence of numbers that looks like chance, and is the same for the same seed and name. */
export class Random {
  readonly #state = new Uint32Array(4);

  /**
   * At the start of its sequence.
   *
   * @param stream - Streams of one seed are independent: one more draw from one does not change the others.
   * @throws TypeError `ERR_INVALID_ARG_VALUE` for a seed that is no integer.
   */
  constructor(seed: Seed, stream = '') {
    let [state, value] = splitmix64(seedOf(seed) ^ (stream === '' ? 0n : hash(stream)));
    for (let at = 0; at < 4; at += 2) {
      this.#state[at] = Number(value & 0xffff_ffffn);
      this.#state[at + 1] = Number(value >> 32n);
      [state, value] = splitmix64(state);
    }
  }

  /** An integer of 32 bits. */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const product = Math.imul(s1, 5);
    const answer = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1] = s1 ^ s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    s[3] = (s[3]! << 11) | (s[3]! >>> 21);
    return answer;
  }

  /** At least 0 and below 1, with 53 bits. */
  fraction(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / TWO_53;
  }

  /** An integer of at least 0 and below `limit`, each as likely as the others. */
  below(limit: number): number {
    if (limit > TWO_32) return Math.floor(this.fraction() * limit);
    const excess = TWO_32 % limit;
    for (;;) {
      const value = this.uint32();
      if (value < TWO_32 - excess) return value % limit;
    }
  }

  /** Whether something happens that happens with this probability. What never happens costs no number. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability;
  }

  /** One of several. Preconditions: there is one. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** As many bytes as asked for. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.uint32() >>> 24;
    return bytes;
  }
}
