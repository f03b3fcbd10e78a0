/** The kernel's copy of a user's iocb: fields are captured once, whatever happens to the user's memory afterwards. */
import { HIGH_HALF_BYTES, LITTLE_ENDIAN, LOW_HALF_BYTES } from '../../common/abi/byte-order.ts';
import type { AddressSpace } from '../memory/mm.ts';
import { fromHalves, unsignedLong } from '../memory/registers.ts';

// As if they were the halves of one number (`uapi/linux/aio_abi.h`).
export const KEY = 8 + LOW_HALF_BYTES;
const RW_FLAGS = 8 + HIGH_HALF_BYTES;

export class Iocb {
  /** Its address. */
  readonly user: number;
  readonly dataLow: number;
  readonly dataHigh: number;
  readonly rw_flags: number;
  readonly opcode: number;
  /** As u16; bits 13 to 15 are the class. */
  readonly reqprio: number;
  readonly fildes: number;
  readonly buf: number;
  readonly nbytesLow: number;
  readonly nbytesHigh: number;
  readonly offsetLow: number;
  readonly offsetHigh: number;
  readonly flags: number;
  readonly resfd: number;
  /** Whether the reserved field is in use. */
  readonly hasReserved: boolean;

  constructor(view: DataView, at: number, user: number) {
    this.user = user;
    this.dataLow = view.getUint32(at + LOW_HALF_BYTES, LITTLE_ENDIAN);
    this.dataHigh = view.getUint32(at + HIGH_HALF_BYTES, LITTLE_ENDIAN);
    this.rw_flags = view.getUint32(at + RW_FLAGS, LITTLE_ENDIAN);
    this.opcode = view.getUint16(at + 16, LITTLE_ENDIAN);
    this.reqprio = view.getUint16(at + 18, LITTLE_ENDIAN);
    this.fildes = view.getUint32(at + 20, LITTLE_ENDIAN);
    this.buf = unsignedLong(view, at + 24);
    this.nbytesLow = view.getUint32(at + 32 + LOW_HALF_BYTES, LITTLE_ENDIAN);
    this.nbytesHigh = view.getUint32(at + 32 + HIGH_HALF_BYTES, LITTLE_ENDIAN);
    this.offsetLow = view.getUint32(at + 40 + LOW_HALF_BYTES, LITTLE_ENDIAN);
    this.offsetHigh = view.getUint32(at + 40 + HIGH_HALF_BYTES, LITTLE_ENDIAN);
    this.hasReserved = (view.getUint32(at + 48) | view.getUint32(at + 52)) !== 0;
    this.flags = view.getUint32(at + 56, LITTLE_ENDIAN);
    this.resfd = view.getUint32(at + 60, LITTLE_ENDIAN);
  }

  /** Rounded above 2^53. */
  get nbytes(): number {
    return fromHalves(this.nbytesLow, this.nbytesHigh);
  }

  /** Whether the fields for buffer, length, offset and flags are all 0. */
  get isBare(): boolean {
    return this.buf === 0 && this.hasNoRange;
  }

  /** Whether length, offset and flags are all 0. */
  get hasNoRange(): boolean {
    return (this.nbytesLow | this.nbytesHigh | this.offsetLow | this.offsetHigh | this.rw_flags) === 0;
  }

  /** Whether `aio_rw_flags`, `aio_flags` or `aio_resfd` are in use: in 2007 they are reserved. */
  get hasFlags(): boolean {
    return (this.rw_flags | this.flags | this.resfd) !== 0;
  }

  /** Writes `aio_key` back. @returns Whether the iocb could be written. */
  storeKey(mm: AddressSpace, key: number): boolean {
    const memory = mm.reach(this.user + KEY, 4, 'write');
    memory?.view.setUint32(this.user + KEY - memory.base, key, LITTLE_ENDIAN);
    return memory !== undefined;
  }
}
