/** The kernel's copy of a user's iocb: fields are captured once, whatever happens to the user's memory afterwards. */
import type { AddressSpace } from '../memory/mm.ts';
import { fromHalves } from '../memory/registers.ts';

const KEY = 8;

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
    this.dataLow = view.getUint32(at, true);
    this.dataHigh = view.getUint32(at + 4, true);
    this.rw_flags = view.getUint32(at + 12, true);
    this.opcode = view.getUint16(at + 16, true);
    this.reqprio = view.getUint16(at + 18, true);
    this.fildes = view.getUint32(at + 20, true);
    this.buf = fromHalves(view.getUint32(at + 24, true), view.getUint32(at + 28, true));
    this.nbytesLow = view.getUint32(at + 32, true);
    this.nbytesHigh = view.getUint32(at + 36, true);
    this.offsetLow = view.getUint32(at + 40, true);
    this.offsetHigh = view.getUint32(at + 44, true);
    this.hasReserved = (view.getUint32(at + 48, true) | view.getUint32(at + 52, true)) !== 0;
    this.flags = view.getUint32(at + 56, true);
    this.resfd = view.getUint32(at + 60, true);
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
    memory?.view.setUint32(this.user + KEY - memory.base, key, true);
    return memory !== undefined;
  }
}
