/** Profiles: what differs between the kernels that the emulation can be, as data. */
import { RWF_APPEND, RWF_DSYNC, RWF_HIPRI, RWF_SYNC } from '../common/abi/constants.ts';

export type ProfileName = 'linux-6.x';

export interface Profile {
  readonly name: ProfileName;
  /** Slots are prepared for twice the number asked for, so that every CPU can hold a batch. */
  readonly doublesEvents: boolean;
  /** RWF_* bits that are known; the others answer EOPNOTSUPP, as on an older kernel. */
  readonly rw_flags: number;
}

export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  'linux-6.x': {
    name: 'linux-6.x',
    doublesEvents: true,
    rw_flags: RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND,
  },
};
