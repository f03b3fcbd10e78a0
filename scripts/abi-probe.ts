/** What a C compiler makes of the kernel's headers, and how that compares with the tables in `src/common/abi`. */
import { spawnSync } from 'node:child_process';
import * as constants from '../src/common/abi/constants.ts';
import { ERRNO } from '../src/common/abi/errno.ts';
import type { Abi, Field } from '../src/common/abi/layout.ts';
import type { AioSysno } from '../src/native/sysno.ts';

/** One value that the tables and the headers both have a say in. */
export interface Expectation {
  /** For people. */
  readonly title: string;
  /** A constant expression in C. */
  readonly expression: string;
  /** An identifier that older headers may lack. */
  readonly identifier?: string;
  /** What the tables say. */
  readonly expected: number;
}

/** A disagreement. */
export interface Difference {
  readonly title: string;
  readonly expected: number;
  readonly actual: number;
}

/** The outcome of comparing. */
export interface Comparison {
  readonly compared: number;
  readonly differences: readonly Difference[];
  /** Titles of what these headers do not know. */
  readonly unknown: readonly string[];
}

/** What the compiler answered: a value for each index, or `undefined` for what the headers do not know. */
export type Answers = readonly (number | undefined)[];

/** The structures by their names in C. The last two are private to libraries or differ in name between headers. */
const STRUCTS = {
  iocb: 'struct iocb',
  io_event: 'struct io_event',
  iovec: 'struct iovec',
  timespec: 'TIMESPEC',
  aio_sigset: 'struct kaio_sigset',
} as const;

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

/** Sizes, offsets, widths and signedness of every structure but the ring, which is private to the kernel. */
export function layoutExpectations(abi: Abi): Expectation[] {
  return Object.entries(STRUCTS).flatMap(([name, type]) => {
    const layout = abi[name as keyof typeof STRUCTS];
    const fields = Object.entries(layout.fields) as [string, Field][];
    return [
      { title: `sizeof ${name}`, expression: `sizeof(${type})`, expected: layout.size },
      ...fields.flatMap(([field, expected]) => fieldExpectations(name, type, field, expected)),
    ];
  });
}

function fieldExpectations(name: string, type: string, field: string, expected: Field): Expectation[] {
  const title = `${name}.${field}`;
  const member = `((${type} *)0)->${field}`;
  return [
    { title: `offset of ${title}`, expression: `offsetof(${type}, ${field})`, expected: expected.offset },
    { title: `sizeof ${title}`, expression: `sizeof(${member})`, expected: expected.size },
    {
      title: `${title} is signed`,
      expression: `((__typeof__(${member}))-1 < (__typeof__(${member}))1)`,
      expected: Number(expected.signed),
    },
  ];
}

/** Every number of `constants.ts`. */
export function constantExpectations(): Expectation[] {
  return Object.entries(constants).map(([name, expected]) => named(name, expected));
}

/** Every number of `errno.ts`. */
export function errnoExpectations(): Expectation[] {
  return Object.entries(ERRNO).map(([name, expected]) => named(name, expected));
}

/** The system call numbers of one architecture. */
export function sysnoExpectations(sysno: AioSysno): Expectation[] {
  return Object.entries(sysno).map(([name, expected]) => named(`__NR_${name}`, expected));
}

function named(identifier: string, expected: number): Expectation {
  return { title: identifier, expression: identifier, identifier, expected };
}

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

/** Sets the answers against the tables. Numbers are compared as 32 bits, since C sees 0xa10a10a1 as unsigned. */
export function compare(expectations: readonly Expectation[], answers: Answers): Comparison {
  const differences: Difference[] = [];
  const unknown: string[] = [];
  expectations.forEach(({ title, expected }, index) => {
    const actual = answers[index];
    if (actual === undefined) unknown.push(title);
    else if ((actual | 0) !== (expected | 0)) differences.push({ title, expected, actual });
  });
  return { compared: expectations.length - unknown.length, differences, unknown };
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
