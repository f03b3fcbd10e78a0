/**
 * The conformance suite of the Linux AIO interface.
 *
 * @module kaio/conformance
 */
export type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
export { C_RULES, cProgram } from './c-programs.ts';
export type { Case } from './case.ts';
export { ALL_CASES } from './cases.ts';
export { DIVERGENCES, type Divergence } from './divergences.ts';
export { directoryFault } from './environment.ts';
export { type Expectation, Expectations, type ExpectationsFile, type Judgement } from './expectations.ts';
export type { Host } from './host.ts';
export { hostOf } from './linux-host.ts';
export { type CaseReport, EnvironmentBroken, type Outcome, Unsupported } from './outcome.ts';
export { sourceOf } from './rule-sources.ts';
export { RULES, type Rule } from './rules.ts';
export {
  type Report,
  type RunOptions,
  runCase,
  runConformance,
  type Selection,
  selectCases,
  unsupportedReason,
} from './runner.ts';
export { ConformanceSession, type SessionOptions } from './session.ts';
export { type Skip, type SuiteOptions, suite } from './suite.ts';
export type { KernelModule } from './worker.ts';
