/** Which program a number means: the same in every process and on every version of Node.js. */
import fc from 'fast-check';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { Program } from './program.ts';

const SPREAD = 0x9e37_79b1;

/** Program `index` of a run with `seed`. */
export function programOf(arbitrary: fc.Arbitrary<Program>, seed: number, index: number): Program {
  const random = new fc.Random(xoroshiro128plus((Math.imul(seed, SPREAD) + index) | 0));
  return arbitrary.generate(random, undefined).value;
}
