/** The conformance suite of the Linux AIO interface. */
export { type Case, type CaseReport, EnvironmentBroken, type Outcome, Unsupported } from './case.ts';
export { ALL_CASES } from './cases.ts';
export { DIVERGENCES, type Divergence } from './divergences.ts';
export { type Report, type RunOptions, runCase, runConformance } from './runner.ts';
export { type SuiteOptions, suite } from './suite.ts';
