/** What the kernel makes of a register: integers cut to width, as C would. */
import { HIGH_HALF_BYTES, LITTLE_ENDIAN, LOW_HALF_BYTES } from '../../common/abi/byte-order.ts';
import type { Word } from '../../common/kernel/aio-kernel.ts';

const TWO_32 = 0x1_0000_0000;

function bits(word: Word): bigint {
  if (typeof word === 'bigint') return word;
  return Number.isFinite(word) ? BigInt(Math.trunc(word)) : 0n;
}

/**
 * A register as a signed 64-bit integer.
 *
 * The answer is a number where that is exact, else a bigint: comparisons between the two are exact in JavaScript.
 */
export function signedLong(word: Word): number | bigint {
  if (typeof word === 'number' && Number.isSafeInteger(word)) return word;
  const value = BigInt.asIntN(64, bits(word));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A register as an unsigned 32-bit integer: the upper half is dropped. */
export function unsignedInt(word: Word): number {
  if (typeof word === 'number' && word >= 0 && word < TWO_32 && Number.isInteger(word)) return word;
  return Number(BigInt.asUintN(32, bits(word)));
}

/** A register as an address. What is not exact as a number lies far above user space, where it faults all the same. */
export function pointer(word: Word): number {
  if (typeof word === 'number' && word >= 0 && Number.isSafeInteger(word)) return word;
  return Number(BigInt.asUintN(64, bits(word)));
}

/** An unsigned 64-bit field from its halves, as a number. Above 2^53 it is rounded, never to below 2^53. */
export function fromHalves(low: number, high: number): number {
  return high * TWO_32 + low;
}

/** An unsigned 64-bit field of memory, as {@link fromHalves} has it. */
export function unsignedLong(view: DataView, at: number): number {
  return fromHalves(
    view.getUint32(at + LOW_HALF_BYTES, LITTLE_ENDIAN),
    view.getUint32(at + HIGH_HALF_BYTES, LITTLE_ENDIAN),
  );
}

/** The upper half of a number that is an exact non-negative integer. */
export function highHalf(value: number): number {
  return Math.floor(value / TWO_32);
}
