/** Runs cases and tells how they ended. */
import { AssertionError } from 'node:assert/strict';
import type { AioKernel } from '../../src/common/kernel.ts';
import { type Case, type CaseReport, EnvironmentBroken, Unsupported } from './case.ts';
import { ALL_CASES } from './cases.ts';
import { DIVERGENCES, type Divergence } from './divergences.ts';
import { Fixture } from './fixture.ts';
import { hostOf } from './linux-host.ts';

export interface RunOptions {
  readonly kernel: AioKernel;
  /** Where cases make their files. */
  readonly directory: string;
  readonly divergences?: readonly Divergence[];
}

/** Why a case makes no sense on a kernel, if it doesn't. */
export function unsupportedReason(
  kernel: AioKernel,
  { requires = [], rw_flags = 0 }: Case,
): string | undefined {
  for (const feature of requires) {
    const state = kernel.supports.features[feature];
    if (state !== true) return `${feature}: ${state}`;
  }
  const missing = rw_flags & ~kernel.supports.rw_flags;
  return missing === 0 ? undefined : `RWF bits 0x${missing.toString(16)} are unknown to this kernel`;
}

/** Runs one case. Never throws: what went wrong is in the report. */
export async function runCase(one: Case, options: RunOptions): Promise<CaseReport> {
  const { kernel, directory, divergences = DIVERGENCES } = options;
  const { id, title, rule } = one;
  const report = (outcome: CaseReport['outcome'], detail?: string): CaseReport => ({
    id,
    title,
    rule,
    outcome,
    ...(detail === undefined ? {} : { detail }),
  });
  const reason = unsupportedReason(kernel, one);
  if (reason !== undefined) return report('unsupported', reason);
  const known = divergences.find((divergence) => divergence.id === id && divergence.backend === kernel.name);
  try {
    const fixture = new Fixture(kernel, directory, hostOf(kernel));
    try {
      await one.run(fixture);
    } finally {
      await fixture.dispose();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Unsupported) return report('unsupported', message);
    if (error instanceof EnvironmentBroken) return report('broken', message);
    if (known?.expected.test(message)) return report('unsupported', `known divergence: ${known.reason}`);
    const where =
      error instanceof AssertionError ? '' : ` (${error instanceof Error ? error.stack : 'not an Error'})`;
    return report('failed', message + where);
  }
  if (known !== undefined) return report('failed', `the known divergence has vanished: ${known.reason}`);
  return report('passed');
}

export interface Report {
  readonly backend: AioKernel['name'];
  readonly kernel: string;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly broken: number;
  readonly cases: readonly CaseReport[];
}

/** Runs the suite without any test framework. */
export async function runConformance(
  options: RunOptions & { readonly rule?: string; readonly onCase?: (report: CaseReport) => void },
): Promise<Report> {
  const { kernel, rule, onCase } = options;
  const cases: CaseReport[] = [];
  for (const one of ALL_CASES) {
    if (rule !== undefined && !one.rule.split(' ').includes(rule)) continue;
    const report = await runCase(one, options);
    cases.push(report);
    onCase?.(report);
  }
  const count = (outcome: CaseReport['outcome']): number =>
    cases.filter((report) => report.outcome === outcome).length;
  return {
    backend: kernel.name,
    kernel: kernel.release,
    passed: count('passed'),
    failed: count('failed'),
    unsupported: count('unsupported'),
    broken: count('broken'),
    cases,
  };
}
