/**
 * The byte order of this machine. Whoever shares memory with a kernel, real or emulated, writes as its programs do.
 */

/** Whether the low byte of a number comes first. */
export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Which of the two 32-bit cells of a 64-bit number is the low half: 0 or 1. */
export const LOW_HALF = LITTLE_ENDIAN ? 0 : 1;
/** Which of them is the high half. */
export const HIGH_HALF = 1 - LOW_HALF;
/** The low half of a 64-bit number, in bytes from its start. */
export const LOW_HALF_BYTES = LOW_HALF * 4;
/** The high half, in bytes from the start. */
export const HIGH_HALF_BYTES = HIGH_HALF * 4;
