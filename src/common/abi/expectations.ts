/**
 * The tables of this folder as questions for a C compiler, so that they can be held against the kernel's headers.
 *
 * `scripts/checks/abi.ts` compiles them on the spot, `scripts/build/abi-values.ts` into the addon.
 */
import * as constants from './constants.ts';
import { ERRNO } from './errno.ts';
import type { Abi, Field } from './layout.ts';

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

/** The structures by their names in C. The last two are private to libraries or differ in name between headers. */
const STRUCTS = {
  iocb: 'struct iocb',
  io_event: 'struct io_event',
  iovec: 'struct iovec',
  timespec: 'TIMESPEC',
  aio_sigset: 'struct kaio_sigset',
} as const;

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
export function sysnoExpectations(sysno: Readonly<Record<string, number>>): Expectation[] {
  return Object.entries(sysno).map(([name, expected]) => named(`__NR_${name}`, expected));
}

function named(identifier: string, expected: number): Expectation {
  return { title: identifier, expression: identifier, identifier, expected };
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
