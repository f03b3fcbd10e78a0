/** What the emulated kernel can do, and why not the rest. */
import { IOCB_CMD_POLL } from '../common/abi/constants.ts';
import { allFeatures, type Feature, type Supports } from '../common/kernel/supports.ts';
import type { Clock } from './clock.ts';
import type { Profile } from './profiles.ts';
import type { Executor } from './workqueue/executor.ts';

/** What tells the profiles apart, with the rules that say so. */
function ofProfile(profile: Profile): Partial<Record<Feature, true | string>> {
  const has = (yes: boolean, rules: string): true | string =>
    yes || `${profile.name} does it otherwise, or has it not (${rules})`;
  return {
    poll: has(profile.opcodes.includes(IOCB_CMD_POLL), 'SUBMIT-28, SEED-11'),
    eventfd: has(profile.eventfd, 'SEED-11'),
    'request-flags': has((profile.aio_flags | profile.rw_flags) !== 0, 'SUBMIT-22, SEED-05, SEED-11'),
    'file-fsync': has(profile.fsync, 'FSYNC-02'),
    io_pgetevents: has(profile.pgetevents, 'SEED-11'),
    'doubled-ring': has(profile.doublesEvents, 'SETUP-06, CAP-01'),
    'ring-lookup': has(profile.handleThroughRing, 'SETUP-13, RING-09, SEED-10'),
    'per-cpu-slots': has(profile.perCpuSlots, 'SEED-04'),
    'slot-first': has(profile.slotBeforeFile, 'SUBMIT-24, SEED-05'),
    'context-first': has(!profile.judgesArrayFirst, 'SUBMIT-01'),
    'method-first': has(profile.methodBeforeBuffer, 'SUBMIT-32'),
    'cut-lengths': has(profile.cutsLengths, 'BUF-02, VEC-08'),
    'cuts-one-segment': has(profile.cutsLengths, 'BUF-02, VEC-07'),
    'judged-place': has(profile.judgesPlace, 'SUBMIT-34'),
    'single-call': has(!profile.loopsTransfers, 'SEED-03'),
    'timeout-first': has(profile.timeoutFirst, 'GET-01'),
    'nanosecond-timeouts': has(profile.tickNs === undefined, 'GET-07'),
    'kept-events': has(profile.keepsEvents, 'SEED-07, RING-05, RING-06'),
    'ring-cancel': has(profile.cancelledToRing, 'SEED-06'),
    'batched-wait': has(profile.wakesInBatches, 'GET-18'),
  };
}

/** What decides beside the profile. */
export interface Equipment {
  readonly executor: Executor;
  readonly clock: Clock;
  readonly hostFiles: boolean;
}

export function supports(profile: Profile, possibleCpus: number, equipment: Equipment): Supports {
  const { executor, clock, hostFiles } = equipment;
  return {
    opcodes: profile.opcodes,
    aio_flags: profile.aio_flags,
    rw_flags: profile.rw_flags,
    possibleCpus,
    features: {
      ...allFeatures(),
      ...ofProfile(profile),
      'blocking-wait':
        executor.wait !== undefined ||
        'a thread that waits cannot see the end of operations begun on the thread pool',
      'runs-in-submit':
        executor.runsInSubmit === true || 'requests run on the thread pool, or inside io_getevents',
      'submission-order':
        !(executor.background && executor.wait !== undefined) ||
        'requests run side by side on several threads',
      'syncs-any-descriptor': syncsAnyDescriptor(profile),
      'holds-files':
        // There, what is submitted for a descriptor of the host has run before anybody can close it.
        executor.runsInSubmit === true ||
        !hostFiles ||
        'a descriptor of the host cannot be held open; a request whose descriptor was closed ends with EBADF',
      'polls-descriptors':
        "plain Node.js cannot watch the host's pipes, sockets and devices for readiness: POLL of one is EINVAL",
      'io_pgetevents-signals': 'JavaScript cannot change the signal mask of a thread',
      signals: 'signals reach JavaScript on the event loop and interrupt no call',
      threads: 'a kernel belongs to the thread that made it',
      'host-clock': clock.isVirtual !== true || 'time is virtual: it jumps to the next thing that is due',
      'open-flags': 'plain Node.js cannot read the flags a descriptor was opened with',
      'process-lifetime': 'contexts live in the JavaScript heap and end with it',
      'linux-files':
        process.platform === 'linux' || `${process.platform} has no /dev/full and no /proc of Linux`,
      'ring-mapping': 'the address space is made up, and has no mremap',
    },
  };
}

function syncsAnyDescriptor(profile: Profile): true | string {
  if (!profile.fsync) return `${profile.name} syncs no file of the host (FSYNC-02)`;
  return (
    process.platform !== 'win32' ||
    'Windows syncs through descriptors that may write, never directories: FSYNC ends with EPERM'
  );
}
