/** The tables of `src/common/abi` and the numbers of the system calls, against what the addon's C compiler saw. */
import {
  type Comparison,
  compare,
  constantExpectations,
  type Expectation,
  errnoExpectations,
  layoutExpectations,
  sysnoExpectations,
} from '../common/abi/expectations.ts';
import { ABI_32LE, ABI_64BE, ABI_64LE, type Abi } from '../common/abi/layout.ts';
import type { Addon } from './addon.ts';
import { SYSNO } from './sysno.ts';

const ABIS: Readonly<Record<string, Abi>> = { ia32: ABI_32LE, arm: ABI_32LE, s390x: ABI_64BE };

/** What the tables say of this machine. */
export function abiExpectations(): Expectation[] {
  const sysno = SYSNO[process.arch];
  return [
    ...layoutExpectations(ABIS[process.arch] ?? ABI_64LE),
    ...constantExpectations(),
    ...errnoExpectations(),
    ...(sysno === undefined ? [] : sysnoExpectations({ ...sysno })),
  ];
}

/** Holds them against the addon. Headers older than a constant leave it unknown. */
export function askAbiOracle(addon: Addon): Comparison {
  const expectations = abiExpectations();
  const answers = addon.abi();
  return compare(
    expectations,
    expectations.map(({ title }) => answers[title]),
  );
}
