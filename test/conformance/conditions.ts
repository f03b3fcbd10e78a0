/**
 * What the answer to a case depends on beside the features of the kernel: the release of Linux, the width of words, the processor. As data,
 * each with its source: a case that is not asked says why, and what is an accident of one machine is asserted on that machine alone.
 *
 * What depends on the file system is in `file-systems.ts`; what follows from the size of a page, the case computes.
 */
import { machine } from 'node:os';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { means } from './case-ids.ts';

/** A release of Linux. */
export type Release = readonly [major: number, minor: number];

export interface Condition {
  /** Ids of cases; one that ends in `*` means all that begin so. */
  readonly cases: readonly string[];
  /** The release on which it was first seen to hold. It is not asked on older ones. */
  readonly since?: Release;
  /** The release from which on it is otherwise. */
  readonly until?: Release;
  /** Bytes of the words that it takes. */
  readonly wordBytes?: 4 | 8;
  /** Bytes of the kernel's own words, which may be wider than those of a program. An emulation has them of 8. */
  readonly kernelWordBytes?: 4 | 8;
  /** Processors, by `process.arch`, on which it is asked; others are not. */
  readonly only?: readonly string[];
  /** Processors, by `process.arch`, on which it is not. */
  readonly not?: readonly string[];
  /** What is otherwise. */
  readonly reason: string;
  /** Where that is known from. */
  readonly source: string;
}

const ARM =
  'observed on 6.12.117, armv7l; arch/arm/lib/copy_from_user.S and copy_to_user.S move up to 32 bytes in a step';
const WIDE = 'io_submit and io_setup take longs, and this program has longs of 32 bits';

export const CONDITIONS: readonly Condition[] = [
  {
    cases: ['resfd/polls-itself'],
    since: [6, 1],
    reason: 'asking locks up a CPU of Linux 5.10 for good',
    source:
      'observed: 5.10.223 needs a reset, without kaio as well; 6.1, 6.12, 6.18, 7.2 and 7.3 answer; none between was run',
  },
  {
    cases: ['fork/child'],
    until: [7, 3],
    reason: 'from Linux 7.3 on a forked child cannot read the ring: EFAULT',
    source: 'observed: 6.1, 6.12 and 6.18 share it; 7.3.4 answers EFAULT to write(2) from there',
  },
  {
    cases: ['transfer/half-mapped-write', 'pwritev/second-unmapped'],
    since: [6, 1],
    reason: 'older kernels fault in all that fits into a page before they copy any of it: EFAULT',
    source:
      'observed: EFAULT on 5.10.223, the part that is there on 6.1 and later; fault_in_iov_iter_readable is of Linux 5.16',
  },
  {
    cases: ['transfer/half-mapped-write'],
    not: ['riscv64'],
    reason:
      'copies that fault in the middle count as nothing there, and write(2) tries again without end: the process has to be killed',
    source:
      'observed on 6.12.117, riscv64 with vectors; "riscv: uaccess: Return the number of bytes effectively copied" of August 2023 mended the same in the copy without vectors',
  },
  {
    cases: ['transfer/half-mapped-write'],
    not: ['arm'],
    reason:
      'copies count only the steps that were whole, and write(2) tries again without end: the process has to be killed',
    source: ARM,
  },
  {
    cases: ['transfer/half-mapped-read'],
    not: ['arm'],
    reason: 'copies count only the steps that were whole: 96 of 100 bytes',
    source: ARM,
  },
  {
    cases: [
      ...['iocb/mode-before-buffer', 'iocb/buffer-kernel*', 'iocb/buffer-before-offset'],
      ...['transfer/huge-length', 'transfer/cut-count'],
      ...['*/count-low-half', '*/count-zero-high', '*/none'],
    ],
    kernelWordBytes: 8,
    reason: 'a kernel of 32 bits refuses fields that do not fit into its words: EINVAL (SUBMIT-23)',
    source: 'fs/aio.c: io_submit_one, "prevent overflows"; observed on 6.12.117, armv7l',
  },
  {
    cases: ['iocb/wider-than-words'],
    kernelWordBytes: 4,
    reason: 'this kernel has words of 64 bits',
    source: 'fs/aio.c: io_submit_one, "prevent overflows"',
  },
  {
    cases: ['*/single-huge'],
    kernelWordBytes: 8,
    reason: 'beside a kernel of 32 bits there is no room for the memory that it maps',
    source: 'observed on 6.12.117, armv7l: mmap answers ENOMEM',
  },
  {
    cases: ['file/null-zero-random'],
    since: [6, 1],
    reason: 'older kernels refuse NOWAIT on /dev/null: EOPNOTSUPP',
    source: 'observed: refused on 5.10.223, taken on 6.1 and later',
  },
  {
    cases: ['iocb/buffer-past-user'],
    only: ['x64'],
    reason: 'where user space ends is known for x86-64 with four levels of page tables',
    source: 'Documentation/arch/x86/x86_64/mm.rst',
  },
  {
    cases: ['io_setup/ctxp-high-half', 'io_submit/nr-long'],
    wordBytes: 8,
    reason: WIDE,
    source: 'fs/aio.c: COMPAT_SYSCALL_DEFINE2(io_setup), COMPAT_SYSCALL_DEFINE3(io_submit)',
  },
  {
    cases: ['io_getevents/timeout-wraps-to-zero', 'io_getevents/forever-l*', '*/double-huge'],
    wordBytes: 8,
    reason: 'it takes numbers that do not fit into words of 32 bits, or reach beyond their user space',
    source: 'uapi/linux/aio_abi.h, struct timespec and struct iovec of 32-bit programs',
  },
  {
    cases: ['*/base-kernel*', '*/range-before-offset'],
    wordBytes: 8,
    reason: 'no address of 32 bits lies in a kernel of 64',
    source: 'observed on Linux 6.18, x86-64, with a program of 32 bits',
  },
];

/** What is known of a machine. */
export interface Machine {
  readonly arch: string;
  readonly wordBytes: 4 | 8;
  readonly kernelWordBytes: 4 | 8;
  /** Of the real Linux; an emulation has none, and is today's. */
  readonly release: Release | undefined;
}

/** As uname(2) calls machines that run programs of 32 bits beside their own. */
const KERNELS_OF_64_BITS: ReadonlySet<string> = new Set(['x86_64', 'aarch64', 'ppc64', 'ppc64le', 's390x']);

/** The machine behind a kernel. */
export function machineOf(kernel: AioKernel): Machine {
  const [, major, minor] = /^Linux (\d+)\.(\d+)/.exec(kernel.release) ?? [];
  const { wordBytes } = kernel.memory;
  return {
    arch: process.arch,
    wordBytes,
    // A program of 32 bits may run on a kernel of 64.
    kernelWordBytes: major === undefined || wordBytes === 8 || KERNELS_OF_64_BITS.has(machine()) ? 8 : 4,
    release: major === undefined ? undefined : [Number(major), Number(minor)],
  };
}

function isBefore([major, minor]: Release, [otherMajor, otherMinor]: Release): boolean {
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

function keeps(
  { since, until, wordBytes, kernelWordBytes, only, not }: Condition,
  { arch, release, ...words }: Machine,
): boolean {
  if (wordBytes !== undefined && words.wordBytes !== wordBytes) return false;
  if (kernelWordBytes !== undefined && words.kernelWordBytes !== kernelWordBytes) return false;
  // Beside these, an emulation answers as today's kernel does on every machine.
  if (release === undefined) return true;
  if (since !== undefined && isBefore(release, since)) return false;
  if (until !== undefined && !isBefore(release, until)) return false;
  return (only === undefined || only.includes(arch)) && !not?.includes(arch);
}

/** Why a case is not asked on a machine. @returns `undefined` where it is. */
export function conditionAgainst(id: string, here: Machine): string | undefined {
  const broken = CONDITIONS.find(
    (one) => one.cases.some((pattern) => means(pattern, id)) && !keeps(one, here),
  );
  return broken === undefined ? undefined : `${broken.reason} (${broken.source})`;
}
