/** What may go wrong, and how often. */
import { outOfRange } from '../../common/validate.ts';

/** Probabilities from 0 to 1. */
export interface Faults {
  /** A read, write or sync ends with EIO. What a failed write or sync has done to the disk is open. Default 0. */
  readonly EIO: number;
  /** A write, or an allocation, ends with ENOSPC although there is room. Default 0. */
  readonly ENOSPC: number;
  /** `io_submit` takes fewer requests than it was given, or none: EAGAIN. Default 0. */
  readonly EAGAIN: number;
  /** A read of several bytes ends early although the file goes on. Default 0. */
  readonly shortRead: number;
  /** A write of several bytes ends early. Default 0. */
  readonly shortWrite: number;
  /** On a crash, an unsynced change of a file or of a directory has not reached the disk. Default 0.4. */
  readonly lost: number;
  /**
   * Of lost writes that make a file longer, how many leave it longer all the same: its size has reached the disk and the bytes have
   * not, and it ends in zeros. Default 0.25.
   */
  readonly zeroed: number;
  /** On a crash, only some of the sectors of an unsynced write have reached the disk. Default 0.3. */
  readonly torn: number;
  /** Of those lost writes that leave a file longer, how many leave garbage at its end instead of zeros. Default 0. */
  readonly garbage: number;
  /**
   * On a crash, a sector that an unsynced write was to change is garbage, also where the write would not have changed it: a drive
   * without powersafe overwrites. Default 0.
   */
  readonly damaged: number;
  /** On a crash, such a sector cannot be read any more: EIO, until all of it is written. Default 0. */
  readonly unreadable: number;
  /** A sync says that all is durable, and nothing is. Default 0: the drive tells the truth. */
  readonly ignoredFlush: number;
  /**
   * On a crash, an unsynced write has reached a wrong place, where it may destroy what was durable. Default 0: few programs
   * can do anything about it.
   */
  readonly misdirected: number;
}

export const DEFAULT_FAULTS: Faults = {
  EIO: 0,
  ENOSPC: 0,
  EAGAIN: 0,
  shortRead: 0,
  shortWrite: 0,
  lost: 0.4,
  zeroed: 0.25,
  torn: 0.3,
  misdirected: 0,
  garbage: 0,
  damaged: 0,
  unreadable: 0,
  ignoredFlush: 0,
};

/** @throws RangeError `ERR_OUT_OF_RANGE` for an unknown fault, what is no probability, or outcomes of more than 1 together. */
export function validateFaults(faults: Faults): void {
  for (const [name, value] of Object.entries(faults) as [string, unknown][]) {
    if (!(name in DEFAULT_FAULTS))
      throw outOfRange('faults', `made of ${Object.keys(DEFAULT_FAULTS).join(', ')}`, name);
    if (typeof value !== 'number' || !(value >= 0 && value <= 1))
      throw outOfRange(`faults.${name}`, '>= 0 && <= 1', value);
  }
  const fates = faults.lost + faults.torn + faults.misdirected;
  if (fates > 1 + Number.EPSILON) throw outOfRange('faults.lost + torn + misdirected', '<= 1', fates);
}
