/**
 * Data that tells whether it is the right data: each unit of 512 bytes carries its number in the file, a generation, and a
 * checksum of all of it.
 *
 * `floor.c` knows the same layout: u64 number, u32 generation, u32 CRC-32 of the rest, filler; little-endian.
 */
import { crc32 } from 'node:zlib';

export const UNIT_BYTES = 512;
const CRC_AT = 12;
const FILLER_AT = 16;
const HIGH = 0x1_0000_0000;

/** The generation of a fresh file. */
export const FRESH = 0;

function checksum(unit: Buffer): number {
  return crc32(unit.subarray(FILLER_AT), crc32(unit.subarray(0, CRC_AT)));
}

/** Fills whole units that will lie at `position` of the file. */
export function stamp(block: Buffer, position: number, generation: number): void {
  for (let at = 0; at < block.length; at += UNIT_BYTES) {
    const unit = block.subarray(at, at + UNIT_BYTES);
    const number = (position + at) / UNIT_BYTES;
    unit.writeUInt32LE(number % HIGH, 0);
    unit.writeUInt32LE(Math.floor(number / HIGH), 4);
    unit.writeUInt32LE(generation, 8);
    unit.fill(number & 0xff, FILLER_AT);
    unit.writeUInt32LE(checksum(unit), CRC_AT);
  }
}

/** @throws Error for data that does not belong at `position`, or is damaged. */
export function check(block: Buffer, position: number, generation: number): void {
  for (let at = 0; at < block.length; at += UNIT_BYTES) {
    const unit = block.subarray(at, at + UNIT_BYTES);
    const number = (position + at) / UNIT_BYTES;
    const found = unit.readUInt32LE(0) + unit.readUInt32LE(4) * HIGH;
    if (checksum(unit) !== unit.readUInt32LE(CRC_AT))
      throw new Error(`wrong data: the checksum of the 512 bytes at ${position + at} does not hold`);
    if (found !== number)
      throw new Error(`wrong data: at ${position + at} is what belongs at ${found * UNIT_BYTES}`);
    if (unit.readUInt32LE(8) !== generation)
      throw new Error(`wrong data: at ${position + at} is what was written there before`);
  }
}
