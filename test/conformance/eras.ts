/**
 * Which case asks about which feature, of those that tell today's kernel from that of 2007.
 *
 * A feature stands here rather than in each case, so that one sees what the older kernel does otherwise; the cases in
 * `seed-*.ts` ask the same questions of it.
 */
import type { Feature } from '../../src/common/kernel/supports.ts';
import type { Case } from './case.ts';
import { means } from './case-ids.ts';

/** Ids of cases; one that ends in `*` means all that begin so. */
export const ASKS_ABOUT: Partial<Readonly<Record<Feature, readonly string[]>>> = {
  poll: [
    'iocb/poll-*',
    'block/poll',
    'poll/*',
    'io_cancel/oldest-first',
    'io_cancel/resfd',
    'ring/munmap-and-back',
    'ring/mremap',
    'ring/tail-unmapped',
    'ring/unreadable-all-calls',
  ],
  eventfd: [
    'iocb/eventfd-*',
    'iocb/*resfd*',
    'resfd/*',
    'transfer/eventfd-*',
    'io_cancel/resfd',
    'direct/destroy-waits*',
  ],
  'request-flags': [
    'iocb/ioprio-*',
    'iocb/rwf-*',
    'iocb/*-rw-flags',
    'iocb/ignored-flags',
    'iocb/ignored-resfd',
    'transfer/ioprio-*',
    'rwf/*',
  ],
  'file-fsync': [
    'transfer/fsync*',
    'transfer/fdsync',
    'block/fsync',
    'direct/cancel',
    'resfd/fsync',
    'file/proc',
  ],
  io_pgetevents: ['io_pgetevents/*'],
  'doubled-ring': ['io_setup/nr-limit-*', 'io_setup/nr-wraps-*', 'io_setup/cells-*'],
  'ring-lookup': ['io_setup/ring-id-lowest', 'ring/id-altered*', 'ring/ids-swapped', 'ring/unreadable*'],
  'slot-first': ['iocb/no-slot-before-fd'],
  'context-first': ['io_submit/nr-0-iocbpp--4096', 'io_submit/bad-context-first'],
  'method-first': [],
  'cut-lengths': [
    'transfer/huge-length',
    'transfer/cut-count',
    'iovec/total-cut',
    '*/count-low-half',
    '*/count-zero-high',
    '*/single-huge',
    '*/double-huge',
  ],
  'judged-place': ['iocb/offset-*', '*/none-negative-offset', '*/offset-negative'],
  // A short transfer that cannot go on is an error there.
  'single-call': [
    'block/short',
    'transfer/half-mapped-*',
    '*/second-unmapped',
    'file/pipe',
    'file/pipe-pages',
    'file/pipe-partly-mapped',
  ],
  'timeout-first': [
    'io_getevents/timeout-unmapped',
    'io_getevents/timeout-kernel',
    'io_getevents/timeout-before-*',
  ],
  'nanosecond-timeouts': [
    'io_getevents/timeout-negative-*',
    'io_getevents/timeout-wraps-to-zero',
    'io_getevents/forever-*',
  ],
  'kept-events': [
    'io_getevents/events-unmapped',
    'io_getevents/events-null',
    'io_getevents/events-kernel',
    'io_getevents/events-read-only',
    'io_getevents/room-for-2-of-3',
    'ring/head-beyond-nr',
    'ring/head-reduced-when-empty',
  ],
  'ring-cancel': [
    'io_cancel/poll',
    'io_cancel/result-*',
    'io_cancel/twice',
    'io_cancel/only-the-key-is-read',
    'io_cancel/oldest-first',
    'io_cancel/resubmitted',
    'io_cancel/iocb-reused',
  ],
};

/** Ids and patterns that mean no case. */
export function unknownIds(cases: readonly Case[]): string[] {
  return Object.values(ASKS_ABOUT)
    .flat()
    .filter((pattern) => !cases.some(({ id }) => means(pattern, id)));
}

/** The cases, each requiring the features that it asks about. */
export function ofTheirEra(cases: readonly Case[]): readonly Case[] {
  return cases.map((one) => {
    const features = (Object.entries(ASKS_ABOUT) as [Feature, readonly string[]][])
      .filter(([, patterns]) => patterns.some((pattern) => means(pattern, one.id)))
      .map(([feature]) => feature);
    return features.length === 0 ? one : { ...one, requires: [...(one.requires ?? []), ...features] };
  });
}
