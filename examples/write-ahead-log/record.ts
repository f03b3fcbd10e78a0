/**
 * How a record lies in a segment: its length, a checksum, its number, and then the payload.
 *
 * The checksum covers the number too. So neither zeros, nor half of a record, nor a whole one that was left behind by an
 * earlier life of the file passes for the record that is expected next. And it begins with what the record is for, so that one
 * of the log that a disk has put elsewhere does not pass for a checkpoint.
 */
import { crc32 } from 'node:zlib';

const LENGTH_AT = 0;
const CHECKSUM_AT = 4;
const NUMBER_AT = 8;
const HEADER_BYTES = 16;

/** Where the checksum starts from. */
const PURPOSES = { record: 0, checkpoint: 0x43484b50 };
export type Purpose = keyof typeof PURPOSES;

export const MAX_PAYLOAD_BYTES = 2 ** 24;

/** The bytes of a record. */
export function encodeRecord(number: number, payload: Uint8Array, purpose: Purpose = 'record'): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(payload.length, LENGTH_AT);
  bytes.writeBigUInt64LE(BigInt(number), NUMBER_AT);
  bytes.set(payload, HEADER_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(NUMBER_AT), PURPOSES[purpose]), CHECKSUM_AT);
  return bytes;
}

/** The records at the start of `bytes`, numbered from `first` on, up to the first that is not whole. */
export function decodeRecords(bytes: Buffer, first: number, purpose: Purpose = 'record'): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + LENGTH_AT);
    const end = at + HEADER_BYTES + length;
    if (length > MAX_PAYLOAD_BYTES || end > bytes.length) break;
    if (bytes.readBigUInt64LE(at + NUMBER_AT) !== BigInt(first + payloads.length)) break;
    if (
      crc32(bytes.subarray(at + NUMBER_AT, end), PURPOSES[purpose]) !== bytes.readUInt32LE(at + CHECKSUM_AT)
    )
      break;
    payloads.push(bytes.subarray(at + HEADER_BYTES, end));
    at = end;
  }
  return payloads;
}
