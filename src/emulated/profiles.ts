/**
 * Profiles: what differs between the kernels that the emulation can be, as data.
 *
 * Each field names the rules that it decides.
 */
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOSIGNAL,
  RWF_SYNC,
} from '../common/abi/constants.ts';

/** The name of one of {@link PROFILES}. */
export type ProfileName = 'linux-6.x' | 'linux-2.6.20';

export interface Profile {
  readonly name: ProfileName;

  // What exists
  /** IOCB_CMD_* that are known; the others answer EINVAL (SUBMIT-28, SEED-11). */
  readonly opcodes: readonly number[];
  /**
   * IOCB_FLAG_* bits that have a meaning. Without any, and without `rw_flags`, the three fields are reserved and must be 0
   * (SUBMIT-22, SEED-05, SEED-11).
   */
  readonly aio_flags: number;
  /** RWF_* bits that are known; the others answer EOPNOTSUPP, as on an older kernel (RWF-01). */
  readonly rw_flags: number;
  /** There are eventfds (SEED-11). */
  readonly eventfd: boolean;
  /** There is `io_pgetevents` (SEED-11). */
  readonly pgetevents: boolean;
  /** FSYNC and FDSYNC of ordinary files work (FSYNC-02). */
  readonly fsync: boolean;

  // io_setup, and slots
  /** Slots are prepared for twice the number asked for, so that every CPU can hold a batch (SETUP-06, CAP-01). */
  readonly doublesEvents: boolean;
  /** The most that `io_setup` does not call EINVAL (SETUP-06). */
  readonly maxEvents: number;
  /** Slots go to CPUs in batches (CAP-02, CAP-08); else there are exactly as many as free cells (SEED-04). */
  readonly perCpuSlots: boolean;
  /** `aio-nr` is lowered before io_destroy waits; else when the context is gone (DESTROY-09). */
  readonly unchargesFirst: boolean;
  /** `ring.id` is an index, and calls find their context through it (SETUP-13, SUBMIT-11, RING-09); else SEED-10. */
  readonly handleThroughRing: boolean;

  // io_submit
  /** The slot is taken before the descriptor is looked up (SUBMIT-24, CAP-06); else SEED-05. */
  readonly slotBeforeFile: boolean;
  /** nr above the cells of the ring is cut (CAP-10). */
  readonly cutsBatch: boolean;
  /** The range of iocbpp is judged before the context (SUBMIT-01, -02, -03). */
  readonly judgesArrayFirst: boolean;
  /** Lengths are cut to MAX_RW_COUNT before anything else is judged (BUF-02, VEC-07, VEC-08), counts of iovecs to 32 bits (VEC-01). */
  readonly cutsLengths: boolean;
  /** A file without the method is noticed before the buffer (SUBMIT-32). */
  readonly methodBeforeBuffer: boolean;
  /** The place in the file is judged at submission (OFF-01, OFF-02); else a bad one is the event's. */
  readonly judgesPlace: boolean;
  /** FSYNC insists that the fields it does not use are 0 (FSYNC-01). */
  readonly bareFsync: boolean;

  // Running
  /**
   * The file's method is called again after a short transfer, an error after it is the event's, and what a file says of a request
   * that it had queued is the event's as it stands (SEED-03); else BLOCK-11.
   */
  readonly loopsTransfers: boolean;
  /** `io_submit` runs what was kicked, and `io_getevents` what it finds kicked before it would sleep (SEED-02); else before it looks. */
  readonly drainsLate: boolean;
  /** Rounds of one drain: a file that kicks its request in every run must not hold the thread for ever. */
  readonly drainRounds: number;
  /** How long the work queue lets a kicked request wait if nobody sleeps on its context (SEED-02); 0: not at all. */
  readonly kickDelayNs: number;

  // io_getevents
  /** The timespec is read first, else only by a call that must wait (GET-01). */
  readonly timeoutFirst: boolean;
  /** A timeout is 64-bit nanoseconds (GET-07, GET-08), or clock ticks of that many. */
  readonly tickNs: number | undefined;
  /**
   * Events are taken in batches: EFAULT keeps all (GET-13, GET-14), head and tail count modulo the cells (RING-05, RING-06). Else
   * one by one: the one in hand is lost and earlier ones count (SEED-07), and the tail is believed as it stands.
   */
  readonly keepsEvents: boolean;
  /** A waiter wakes when all it still needs is there; else at each event, and takes what has come (GET-18, GET-19). */
  readonly wakesInBatches: boolean;

  // io_cancel
  /** The event of a cancelled request goes to the ring, and the answer is EINPROGRESS (CANCEL-04, -05); else SEED-06. */
  readonly cancelledToRing: boolean;
  /**
   * Of several requests with one iocb, the oldest that can be cancelled is (CANCEL-09); else the newest, if it can be. The end of
   * a context, and of all contexts, goes in the same order.
   */
  readonly cancelsOldest: boolean;
  /** A request whose cancel is refused is as before; else the mark stays, and it has no event (SEED-06). */
  readonly refusalForgets: boolean;
  /** `io_destroy` lets go of the files of its requests before it returns: it waits for their deferred puts (SEED-08, SEED-09). */
  readonly destroyPutsFiles: boolean;
  /** The last reference to a file that a request drops is always dropped by a work item; else when the call returns (SEED-09). */
  readonly defersFputs: boolean;
}

const MAX_RING_BYTES = 0x1000_0000;
const IO_EVENT_BYTES = 32;
/** Of the seed on x86-64, field by field (R). */
const SEED_KIOCB_BYTES = 232;
/** Clock ticks in a second, as most kernels of 2007 were built. */
const HZ = 250;
const NSEC_PER_SEC = 1_000_000_000;
const TRANSFERS = [IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV];
const SYNCS = [IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC];

/** The kernels that the emulation can be, by name. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  'linux-6.x': {
    name: 'linux-6.x',
    opcodes: [...TRANSFERS, ...SYNCS, IOCB_CMD_POLL],
    aio_flags: IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO,
    rw_flags: RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND | RWF_NOSIGNAL,
    eventfd: true,
    pgetevents: true,
    fsync: true,
    doublesEvents: true,
    maxEvents: MAX_RING_BYTES / IO_EVENT_BYTES,
    perCpuSlots: true,
    unchargesFirst: true,
    handleThroughRing: true,
    slotBeforeFile: true,
    cutsBatch: true,
    judgesArrayFirst: false,
    cutsLengths: true,
    methodBeforeBuffer: true,
    judgesPlace: true,
    bareFsync: true,
    loopsTransfers: false,
    drainsLate: false,
    drainRounds: 128,
    kickDelayNs: 0,
    timeoutFirst: true,
    tickNs: undefined,
    keepsEvents: true,
    wakesInBatches: true,
    cancelledToRing: true,
    cancelsOldest: true,
    refusalForgets: true,
    destroyPutsFiles: false,
    defersFputs: false,
  },
  'linux-2.6.20': {
    name: 'linux-2.6.20',
    opcodes: [...TRANSFERS, ...SYNCS],
    aio_flags: 0,
    rw_flags: 0,
    eventfd: false,
    pgetevents: false,
    fsync: false,
    doublesEvents: false,
    maxEvents: Math.floor(MAX_RING_BYTES / SEED_KIOCB_BYTES),
    perCpuSlots: false,
    unchargesFirst: false,
    handleThroughRing: false,
    slotBeforeFile: false,
    cutsBatch: false,
    judgesArrayFirst: true,
    cutsLengths: false,
    methodBeforeBuffer: false,
    judgesPlace: false,
    bareFsync: false,
    loopsTransfers: true,
    drainsLate: true,
    drainRounds: 65_536,
    kickDelayNs: NSEC_PER_SEC / 10,
    timeoutFirst: false,
    tickNs: NSEC_PER_SEC / HZ,
    keepsEvents: false,
    wakesInBatches: false,
    cancelledToRing: false,
    cancelsOldest: false,
    refusalForgets: false,
    destroyPutsFiles: true,
    defersFputs: true,
  },
};
