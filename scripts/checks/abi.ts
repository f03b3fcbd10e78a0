/** Compares the tables of `src/common/abi` and `src/native/sysno.ts` with what a C compiler makes of the headers. */
import {
  compare,
  constantExpectations,
  type Expectation,
  errnoExpectations,
  layoutExpectations,
  sysnoExpectations,
} from '../../src/common/abi/expectations.ts';
import { ABI_32LE } from '../../src/common/abi/layout.ts';
import { abiExpectations } from '../../src/native/abi-oracle.ts';
import { SYSNO } from '../../src/native/sysno.ts';
import { ask, findCompiler, GENERIC_UNISTD, type HeaderSet, KERNEL, LIBC } from './abi-probe.ts';

interface Question {
  readonly title: string;
  readonly flags: readonly string[];
  readonly set: HeaderSet;
  readonly expectations: readonly Expectation[];
  /** Whether a compiler that cannot answer is a failure. */
  readonly required: boolean;
}

function questions(): Question[] {
  const here: Question = {
    title: `${process.arch}, with the C library`,
    flags: [],
    set: LIBC,
    expectations: abiExpectations(),
    required: true,
  };
  const generic: Question = {
    title: 'the system calls of arm64, riscv64 and loong64',
    flags: [],
    set: GENERIC_UNISTD,
    expectations: sysnoExpectations({ ...SYSNO.arm64! }),
    required: false,
  };
  // The C library has its own struct iovec, and lacks UIO_MAXIOV: the kernel's headers cannot stand beside it.
  const kernel: Question = {
    title: `${process.arch}, with the kernel headers alone`,
    flags: [],
    set: KERNEL,
    expectations: here.expectations,
    required: true,
  };
  if (process.arch !== 'x64') return [here, kernel, generic];
  const narrow: Question = {
    title: 'ia32, with the kernel headers alone',
    // Where Debian keeps the headers of this machine; a 32-bit compilation does not look there by itself.
    flags: ['-m32', '-idirafter', '/usr/include/x86_64-linux-gnu'],
    set: KERNEL,
    expectations: [
      ...layoutExpectations(ABI_32LE),
      ...constantExpectations(),
      ...errnoExpectations(),
      ...sysnoExpectations({ ...SYSNO.ia32! }),
    ],
    required: false,
  };
  return [here, kernel, generic, narrow];
}

function main(): number {
  const compiler = findCompiler();
  if (compiler === undefined) {
    console.log('no C compiler: install gcc or clang, and the headers of the C library and of Linux');
    return 1;
  }
  let failed = false;
  let compared = 0;
  let differ = 0;
  const missing = new Set<string>();
  const known = new Set<string>();
  for (const { title, flags, set, expectations, required } of questions()) {
    try {
      const comparison = compare(expectations, ask(compiler, flags, set, expectations));
      console.log(`${title}: ${comparison.compared} values`);
      for (const { title: what, expected, actual } of comparison.differences) {
        console.log(`  ${what}: the table has ${expected}, the headers have ${actual}`);
      }
      const unknownHere = new Set(comparison.unknown);
      for (const { title: name } of expectations) (unknownHere.has(name) ? missing : known).add(name);
      compared += comparison.compared;
      differ += comparison.differences.length;
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      console.log(`${title}: ${required ? said : `not checked: ${said.split('\n').slice(0, 2).join(' ')}`}`);
      failed ||= required;
    }
  }
  const unknown = [...missing].filter((name) => !known.has(name));
  if (unknown.length > 0) console.log(`not in these headers: ${unknown.join(', ')}`);
  console.log(`${compared} values compared, ${differ} differ, ${unknown.length} not in these headers`);
  return failed || differ > 0 || compared === 0 ? 1 : 0;
}

process.exitCode = main();
