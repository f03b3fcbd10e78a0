/** What a kernel can do, as data. Code asks here and never for the kernel's name. */

/**
 * Behaviours that a kernel has or lacks.
 *
 * - `mapped-ring`: events can be reaped from the ring in memory, without a call.
 * - `blocking-wait`: a blocking `io_getevents` sees the end of every request, also of those already begun.
 * - `runs-in-submit`: buffered reads and writes have run to their end, in order, when `io_submit` returns.
 * - `holds-files`: a request in flight keeps its file open although its descriptor was closed.
 * - `polls-descriptors`: POLL works on the host's pipes, sockets and devices.
 * - `io_pgetevents-signals`: the signal mask of `io_pgetevents` has effect.
 * - `signals`: signals interrupt waiting calls.
 * - `threads`: contexts can be used from several threads.
 * - `open-flags`: the kernel sees the flags a descriptor was opened with (O_APPEND, O_DIRECT, O_PATH) as such.
 * - `process-lifetime`: contexts follow fork, exec and exit as Linux has it.
 * - `ring-mapping`: the ring is a mapping that mremap, mprotect and munmap act on.
 * - `batched-wait`: a waiter wakes when all it needs is there (Linux 6.8), not at each event.
 * - `per-cpu-slots`: request slots are taken in batches by each CPU.
 */
export const FEATURES = [
  'mapped-ring',
  'blocking-wait',
  'runs-in-submit',
  'holds-files',
  'polls-descriptors',
  'io_pgetevents-signals',
  'signals',
  'threads',
  'open-flags',
  'process-lifetime',
  'ring-mapping',
  'batched-wait',
  'per-cpu-slots',
] as const;

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
