/** What this Linux can do. */
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { IOCB_FLAG_IOPRIO, IOCB_FLAG_RESFD } from '../common/abi/constants.ts';
import { allFeatures, type Feature, type Supports } from '../common/supports.ts';
import type { NativeKernel } from './index.ts';
import { ProbeContext } from './probe-context.ts';

/** The release since which a waiter wakes when all it needs is there. */
const BATCHED_WAIT = [6, 8] as const;

/**
 * Found out by asking the kernel, each thing when it is first asked for: who opens a file does not wait for what only a test wants to
 * know.
 *
 * Each may throw AioError: EAGAIN where aio-max-nr has no room for one more request.
 */
export class NativeSupports implements Supports {
  readonly aio_flags = IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO;
  readonly features: Supports['features'];
  readonly #kernel: NativeKernel;
  #opcodes: readonly number[] | undefined;
  #rwFlags: number | undefined;
  #possibleCpus: number | undefined;

  constructor(kernel: NativeKernel) {
    this.#kernel = kernel;
    this.features = Object.defineProperties(allFeatures(), {
      'mapped-ring': this.#feature(
        (probe) => probe.mapsRing(),
        'this runtime does not let JavaScript see the ring',
      ),
      'kernel-obeys-protection': this.#feature(
        (probe) => probe.obeysProtection(),
        'this kernel reads memory that was made unreadable to the process',
      ),
      'cuts-one-segment': this.#feature(
        (probe) => probe.cutsOneSegment(),
        'this kernel judges the uncut length of a single segment, as of several',
      ),
      // No single thread can ask.
      'batched-wait': {
        value: isRelease(BATCHED_WAIT) || `waiters wake at each event before Linux ${BATCHED_WAIT.join('.')}`,
        enumerable: true,
      },
    } satisfies Partial<Record<Feature, PropertyDescriptor>>);
  }

  get opcodes(): readonly number[] {
    this.#opcodes ??= this.#ask((probe) => probe.opcodes());
    return this.#opcodes;
  }

  get rw_flags(): number {
    this.#rwFlags ??= this.#ask((probe) => probe.rwFlags());
    return this.#rwFlags;
  }

  get possibleCpus(): number {
    this.#possibleCpus ??= possibleCpus();
    return this.#possibleCpus;
  }

  #feature(question: (probe: ProbeContext) => boolean, otherwise: string): PropertyDescriptor {
    let answer: boolean | undefined;
    return {
      get: () => {
        answer ??= this.#ask(question);
        return answer || otherwise;
      },
      enumerable: true,
    };
  }

  #ask<T>(question: (probe: ProbeContext) => T): T {
    const probe = new ProbeContext(this.#kernel);
    try {
      return question(probe);
    } finally {
      probe.dispose();
    }
  }
}

/** Whether the running kernel is of that release or a later one. */
function isRelease([major, minor]: readonly [number, number]): boolean {
  const [ours = 0, oursMinor = 0] = release().split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

function possibleCpus(): number {
  // A list of ranges, such as "0-3,8".
  const last = readFileSync('/sys/devices/system/cpu/possible', 'latin1').trim().split(/[,-]/).at(-1);
  return Number(last) + 1;
}
