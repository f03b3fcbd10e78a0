/** What a kernel can do, as data. Code asks here and never for the kernel's name. */

/**
 * Behaviours that a kernel has or lacks.
 *
 * - `mapped-ring`: events can be reaped from the ring in memory, without a call.
 * - `blocking-wait`: a blocking `io_getevents` sees the end of every request, also of those already begun.
 * - `runs-in-submit`: buffered reads and writes have run to their end, in order, when `io_submit` returns.
 * - `submission-order`: buffered reads and writes, asked for with a waiting `io_getevents`, complete in the order of submission.
 * - `syncs-any-descriptor`: FSYNC works on descriptors opened for reading only, and on directories.
 * - `holds-files`: a request in flight keeps its file open although its descriptor was closed.
 * - `polls-descriptors`: POLL works on the host's pipes, sockets and devices.
 * - `io_pgetevents-signals`: the signal mask of `io_pgetevents` has effect.
 * - `signals`: signals interrupt waiting calls.
 * - `threads`: contexts can be used from several threads.
 * - `open-flags`: the kernel sees the flags a descriptor was opened with (O_APPEND, O_DIRECT, O_PATH) as such.
 * - `process-lifetime`: contexts follow fork, exec and exit as Linux has it.
 * - `ring-protection`: the ring is memory that mprotect and munmap act on.
 * - `ring-mapping`: the ring is a mapping of the process, which mremap moves and mmap replaces.
 * - `batched-wait`: a waiter wakes when all it needs is there (Linux 6.8), not at each event.
 * - `cuts-one-segment`: a single segment is cut to the longest transfer before it is judged (6.18 does, 6.1 does not).
 * - `kernel-obeys-protection`: memory that `mprotect` made unreadable is unreadable to the kernel too.
 * - `clean-faults`: a transfer of a pipe that finds no memory wakes nobody and leaves nothing behind (6.18 does so, 6.1 does not).
 * - `puts-in-call`: a file that only a request held is let go of before `io_destroy` returns (6.18 does so, 6.1 does not).
 * - `linux-files`: the host has the devices and the `/proc` of Linux.
 * - `host-clock`: timeouts pass in the time of the host, not in virtual time.
 * - `per-cpu-slots`: request slots are taken in batches by each CPU.
 *
 * The rest tells today's kernel from that of 2007, which the emulation can be (`linux-2.6.20`):
 *
 * - `poll`: POLL works, and polls can be held in flight and called off (Linux 4.19).
 * - `eventfd`: completions are counted in eventfds: IOCB_FLAG_RESFD (2.6.22).
 * - `request-flags`: `aio_flags` and `aio_rw_flags` have meanings; without, they are reserved and must be 0 (4.13).
 * - `file-fsync`: FSYNC and FDSYNC of ordinary files (4.18).
 * - `io_pgetevents`: the call exists (4.18).
 * - `doubled-ring`: rings have room for twice the number asked for (3.12).
 * - `ring-lookup`: contexts are found through the header of their ring (3.12).
 * - `slot-first`: a request takes its slot before its descriptor is looked up.
 * - `context-first`: `io_submit` judges the context before the array of pointers.
 * - `method-first`: a file that cannot be read or written at all is noticed before the buffer.
 * - `cut-lengths`: lengths are cut to 0x7ffff000, and counts of iovecs to 32 bits, before they are judged.
 * - `judged-place`: `io_submit` judges the place in the file; without, a bad one is told by the event.
 * - `single-call`: a file is asked once, and a short transfer is passed on; without, it is asked for the rest.
 * - `timeout-first`: `io_getevents` reads the timeout first; without, only when it has to wait.
 * - `nanosecond-timeouts`: timeouts are 64-bit nanoseconds, wrapped; without, clock ticks (3.10).
 * - `kept-events`: EFAULT in `io_getevents` loses no event.
 * - `ring-cancel`: the event of a cancelled request comes through the ring; without, `io_cancel` hands it over (3.12).
 */
export const FEATURES = [
  'mapped-ring',
  'blocking-wait',
  'runs-in-submit',
  'submission-order',
  'syncs-any-descriptor',
  'holds-files',
  'polls-descriptors',
  'io_pgetevents-signals',
  'signals',
  'threads',
  'open-flags',
  'process-lifetime',
  'ring-protection',
  'ring-mapping',
  'batched-wait',
  'cuts-one-segment',
  'kernel-obeys-protection',
  'clean-faults',
  'puts-in-call',
  'linux-files',
  'host-clock',
  'per-cpu-slots',
  'poll',
  'eventfd',
  'request-flags',
  'file-fsync',
  'io_pgetevents',
  'doubled-ring',
  'ring-lookup',
  'slot-first',
  'context-first',
  'method-first',
  'cut-lengths',
  'judged-place',
  'single-call',
  'timeout-first',
  'nanosecond-timeouts',
  'kept-events',
  'ring-cancel',
] as const;

/** Something that not every kernel has: see {@link FEATURES}. */
export type Feature = (typeof FEATURES)[number];

/** The capability manifest of a kernel. */
export interface Supports {
  /** IOCB_CMD_* numbers that some file accepts. */
  readonly opcodes: readonly number[];
  /** IOCB_FLAG_* bits that have a meaning. */
  readonly aio_flags: number;
  /** RWF_* bits that some file accepts. */
  readonly rw_flags: number;
  /** `true`, or the reason why not, for people. */
  readonly features: Readonly<Record<Feature, true | string>>;
  /** CPUs that ring sizes are computed from: possible ones, not online ones. */
  readonly possibleCpus: number;
}

/** Every feature present. */
export function allFeatures(): Record<Feature, true | string> {
  return Object.fromEntries(FEATURES.map((feature) => [feature, true])) as Record<Feature, true | string>;
}
