/** What a C compiler makes of the kernel's headers, and how that compares with the tables in `src/common/abi`. */
import { spawnSync } from 'node:child_process';
import type { Answers, Expectation } from '../../src/common/abi/expectations.ts';

/** Declares what no header has for us. */
const DECLARATIONS = [
  '/* As man io_pgetevents(2) has it; the kernel keeps its own declaration private. */',
  'struct kaio_sigset { const void *sigmask; size_t sigsetsize; };',
];

const LIBC_HEADERS = [
  'errno.h',
  'linux/aio_abi.h',
  'linux/fs.h',
  'linux/ioprio.h',
  'poll.h',
  'stddef.h',
  'sys/eventfd.h',
  'sys/syscall.h',
  'sys/uio.h',
  'time.h',
];

/** Headers of the kernel alone: for word sizes that this machine has no C library for. */
const KERNEL_HEADERS = [
  'asm/errno.h',
  'asm/unistd.h',
  'linux/aio_abi.h',
  'linux/fs.h',
  'linux/ioprio.h',
  'linux/poll.h',
  'linux/time_types.h',
  'linux/uio.h',
  'stddef.h',
];

/** A set of headers, and how `timespec` is called in it. */
export interface HeaderSet {
  readonly headers: readonly string[];
  readonly timespec: string;
}

export const LIBC: HeaderSet = { headers: LIBC_HEADERS, timespec: 'struct timespec' };
export const KERNEL: HeaderSet = { headers: KERNEL_HEADERS, timespec: 'struct __kernel_old_timespec' };
/** The table of system calls that arm64, riscv64 and loong64 share. */
export const GENERIC_UNISTD: HeaderSet = { headers: ['asm-generic/unistd.h', 'stddef.h'], timespec: 'long' };

/**
 * A C program that is never run: each value becomes an immediate operand in the assembly, from where it is read.
 * So word sizes that this machine can't link or run can be asked about as well.
 */
export function program(
  set: HeaderSet,
  expectations: readonly Expectation[],
  skip: ReadonlySet<string>,
): string {
  return [
    '#define _GNU_SOURCE',
    ...set.headers.map((header) => `#include <${header}>`),
    `#define TIMESPEC ${set.timespec}`,
    ...DECLARATIONS,
    'void values(void)',
    '{',
    ...expectations.flatMap(({ expression, identifier }, index) =>
      identifier !== undefined && skip.has(identifier)
        ? []
        : [`  __asm__ volatile("\\n@kaio ${index} %c0" :: "i"((int)(${expression})));`],
    ),
    '}',
    '',
  ].join('\n');
}

/** Reads the values out of the assembly. */
export function parseAssembly(assembly: string, length: number): Answers {
  const answers: (number | undefined)[] = new Array<undefined>(length).fill(undefined);
  for (const match of assembly.matchAll(/^@kaio (\d+) (-?\d+)/gm))
    answers[Number(match[1])] = Number(match[2]);
  return answers;
}

/** The first C compiler there is; the environment variable CC comes first. */
export function findCompiler(): string | undefined {
  const names = [process.env.CC, 'cc', 'gcc', 'clang'];
  return names.find((name) => name !== undefined && spawnSync(name, ['--version']).status === 0);
}

/**
 * Asks the compiler.
 *
 * @throws Error with what the compiler said, when it fails for another reason than identifiers it doesn't know.
 */
export function ask(
  compiler: string,
  flags: readonly string[],
  set: HeaderSet,
  expectations: readonly Expectation[],
): Answers {
  const skip = new Set<string>();
  for (;;) {
    const known = skip.size;
    const { status, stdout, stderr } = spawnSync(
      compiler,
      [...flags, '-x', 'c', '-O0', '-fno-pic', '-ferror-limit=0', '-S', '-o', '-', '-'].filter(
        // gcc has no limit by default, and does not know the option.
        (flag) => flag !== '-ferror-limit=0' || compiler === 'clang',
      ),
      { input: program(set, expectations, skip), encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } },
    );
    if (status === 0) return parseAssembly(stdout, expectations.length);
    // Constants may be macros or enumerators, so that #ifdef would not find them all: the compiler's complaint does.
    for (const match of stderr.matchAll(/'(\w+)' undeclared|undeclared identifier '(\w+)'/g)) {
      skip.add((match[1] ?? match[2])!);
    }
    if (skip.size === known) throw new Error(`${compiler} ${flags.join(' ')} failed:\n${stderr}`);
  }
}
