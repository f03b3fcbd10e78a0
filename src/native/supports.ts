/** What this Linux can do. */
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { IOCB_CMD_FSYNC, IOCB_CMD_POLL, IOCB_FLAG_IOPRIO, IOCB_FLAG_RESFD } from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import { allFeatures, type Supports } from '../common/kernel/supports.ts';
import { ProbeContext, type ProbedKernel } from './probe-context.ts';

/** The release since which a waiter wakes when all it needs is there. */
const BATCHED_WAIT = [6, 8] as const;
/** What was seen on this release, and otherwise on 6.1: since when, nobody has looked. */
const OBSERVED = [6, 18] as const;
const NOT_OBSERVED = `observed since Linux ${OBSERVED.join('.')} alone`;

/**
 * Found out by asking the kernel, each thing when it is first asked for: who opens a file does not wait for what only a test wants to
 * know. A copy of it asks for everything.
 *
 * Each question may throw AioError: EAGAIN where aio-max-nr has no room for one more request.
 *
 * @param threads - Why contexts must stay on one thread.
 */
export function nativeSupports(kernel: ProbedKernel, threads?: string): Supports {
  const once = <T>(question: (probe: ProbeContext) => T): (() => T) => {
    let answer: T | undefined;
    return () => {
      answer ??= ask(kernel, question);
      return answer;
    };
  };
  const opcodes = once((probe) => probe.opcodes());
  const rwFlags = once((probe) => probe.rwFlags());
  const mapsRing = once((probe) => probe.mapsRing());
  const obeysProtection = once((probe) => probe.obeysProtection());
  const cutsOneSegment = once((probe) => probe.cutsOneSegment());
  const has = (opcode: number, reason: string): true | string => opcodes().includes(opcode) || reason;
  const hasPoll = (): true | string => has(IOCB_CMD_POLL, 'this kernel refuses POLL (before Linux 4.19)');
  const hasFsync = (): true | string => has(IOCB_CMD_FSYNC, 'this kernel refuses FSYNC (before Linux 4.18)');
  const hasPgetevents = (): true | string => callsPgetevents(kernel);
  return {
    get opcodes() {
      return opcodes();
    },
    aio_flags: IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO,
    get rw_flags() {
      return rwFlags();
    },
    features: {
      ...allFeatures(),
      get 'mapped-ring'() {
        return mapsRing() || (kernel.ringRefusal ?? 'this kernel has rings of a layout that is not known');
      },
      threads: threads ?? true,
      get poll() {
        return hasPoll();
      },
      get 'polls-descriptors'() {
        return hasPoll();
      },
      get 'request-flags'() {
        return rwFlags() !== 0 || 'this kernel knows no RWF_* flag of requests (before Linux 4.13)';
      },
      get 'file-fsync'() {
        return hasFsync();
      },
      get 'syncs-any-descriptor'() {
        return hasFsync();
      },
      get io_pgetevents() {
        return hasPgetevents();
      },
      get 'io_pgetevents-signals'() {
        return hasPgetevents();
      },
      get 'kernel-obeys-protection'() {
        return obeysProtection();
      },
      get 'cuts-one-segment'() {
        return cutsOneSegment();
      },
      'clean-faults': isRelease(OBSERVED) || NOT_OBSERVED,
      'puts-in-call': isRelease(OBSERVED) || NOT_OBSERVED,
      // No single thread can ask.
      'batched-wait':
        isRelease(BATCHED_WAIT) || `waiters wake at each event before Linux ${BATCHED_WAIT.join('.')}`,
    },
    get possibleCpus() {
      return possibleCpus();
    },
  };
}

/** By a context that is none: asked for that, the call answers EINVAL. */
function callsPgetevents(kernel: ProbedKernel): true | string {
  const answer = kernel.io_pgetevents(0, 0, 0, 0, 0, 0);
  if (answer === -ERRNO.EINVAL) return true;
  return answer === -ERRNO.ENOSYS
    ? 'this kernel has no io_pgetevents (before Linux 4.18)'
    : 'a security filter forbids io_pgetevents';
}

function ask<T>(kernel: ProbedKernel, question: (probe: ProbeContext) => T): T {
  const probe = new ProbeContext(kernel);
  try {
    return question(probe);
  } finally {
    probe.dispose();
  }
}

/** Whether the running kernel is of that release or a later one. */
function isRelease([major, minor]: readonly [number, number]): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

function possibleCpus(): number {
  try {
    // A list of ranges, such as "0-3,8".
    const last = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim().split(/[,-]/).at(-1);
    return Number(last) + 1;
  } catch {
    // Not every container has /sys.
    return Math.max(1, cpus().length);
  }
}
