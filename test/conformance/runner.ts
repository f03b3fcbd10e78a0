/** Runs cases and tells how they ended. */
import { AssertionError } from 'node:assert/strict';
import { basename } from 'node:path';
import { inspect } from 'node:util';
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import type { Case } from './case.ts';
import { ALL_CASES } from './cases.ts';
import { conditionAgainst, machineOf } from './conditions.ts';
import { DIVERGENCES, type Divergence } from './divergences.ts';
import { directoryFault, environmentalReason } from './environment.ts';
import { Fixture } from './fixture.ts';
import type { Host } from './host.ts';
import { hostOf } from './linux-host.ts';
import { shuffled } from './order.ts';
import { type CaseReport, EnvironmentBroken, type Outcome, Unsupported } from './outcome.ts';

/** Options of {@link runConformance}. */
export interface RunOptions {
  /** The kernel to ask. Cases leave nothing behind on it. */
  readonly kernel: AioKernel;
  /** Where cases make their files. */
  readonly directory: string;
  /** Known differences from Linux. Default: those of kaio's own kernels. */
  readonly divergences?: readonly Divergence[];
  /** Pipes, sockets and the C library, where the kernel is that of the process. Default: known for kaio's own kernels. */
  readonly host?: Host | undefined;
}

/** Which cases run, and in which order. */
export interface Selection {
  /** Only the cases of one rule, such as `'SETUP-03'`. */
  readonly rule?: string;
  /** A seed: the cases run in an order that it decides, rather than in that of the rules. */
  readonly order?: number;
}

/** The cases that a selection means, in its order. */
export function selectCases({ rule, order }: Selection): readonly Case[] {
  const chosen =
    rule === undefined ? ALL_CASES : ALL_CASES.filter((one) => one.rule.split(' ').includes(rule));
  return order === undefined ? chosen : shuffled(chosen, order);
}

/** Why a case makes no sense on a kernel, if it doesn't. */
export function unsupportedReason(
  kernel: AioKernel,
  { id, requires = [], lacks = [], rw_flags = 0 }: Case,
): string | undefined {
  for (const feature of requires) {
    const state = kernel.supports.features[feature];
    if (state !== true) return `${feature}: ${state}`;
  }
  for (const feature of lacks) {
    if (kernel.supports.features[feature] === true) return `a rule of kernels without ${feature}`;
  }
  const condition = conditionAgainst(id, machineOf(kernel));
  if (condition !== undefined) return condition;
  const missing = rw_flags & ~kernel.supports.rw_flags;
  return missing === 0 ? undefined : `RWF bits 0x${missing.toString(16)} are unknown to this kernel`;
}

/** Runs one case. Never throws: what went wrong is in the report. */
export async function runCase(one: Case, options: RunOptions): Promise<CaseReport> {
  const { kernel, directory, divergences = DIVERGENCES, host = hostOf(kernel) } = options;
  const { id, title, rule } = one;
  const report = (outcome: Outcome, detail?: string, judged: Partial<CaseReport> = {}): CaseReport => ({
    id,
    title,
    rule,
    outcome,
    ...(detail === undefined ? {} : { detail }),
    ...judged,
  });
  const reason = unsupportedReason(kernel, one);
  if (reason !== undefined) return report('unsupported', reason);
  const known = divergences.find(
    (one) =>
      one.id === id && one.backend === kernel.name && (one.host ?? process.platform) === process.platform,
  );
  try {
    const fixture = new Fixture(kernel, directory, host);
    try {
      await one.run(fixture);
    } finally {
      await fixture.dispose();
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Unsupported) return report('unsupported', message);
    if (error instanceof EnvironmentBroken) return report('broken', message);
    if (isWithoutBudget(error))
      return report('unsupported', `this kernel tells no budget of requests: ${message}`);
    const environmental = environmentalReason(error);
    if (environmental !== undefined) return report('broken', environmental);
    if (known?.expected.test(message)) return report('unsupported', `known divergence: ${known.reason}`);
    // Where the file system filled up in the meantime, the kernel was right to answer ENOSPC.
    const fault = directoryFault(directory);
    if (fault !== undefined) return report('broken', `${fault}; before that: ${message}`);
    const where =
      error instanceof AssertionError ? '' : ` (${error instanceof Error ? error.stack : 'not an Error'})`;
    return report('failed', message + where, judgement(error));
  }
  if (known !== undefined) return report('failed', `the known divergence has vanished: ${known.reason}`);
  return report('passed');
}

/** Whether somebody wanted to know aio-nr, of a Linux that has no such file. */
function isWithoutBudget(error: unknown): boolean {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) return false;
  return error.code === 'ENOENT' && /^\/proc\/sys\/fs\/aio-(?:max-)?nr$/.test(String(error.path));
}

/** What an assertion compared, and where it stands. */
function judgement(error: unknown): Partial<CaseReport> {
  if (!(error instanceof Error)) return {};
  const at = placeOf(error);
  const compared =
    error instanceof AssertionError && error.operator !== 'fail'
      ? { expected: inspect(error.expected), observed: inspect(error.actual) }
      : {};
  return { ...compared, ...(at === undefined ? {} : { at }) };
}

/** The innermost line of a case's own program: what judges for all of them is in `fixture`. */
function placeOf({ stack = '' }: Error): string | undefined {
  for (const [, path, line] of stack.matchAll(
    /\(?((?:file:)?\/[^():]*\/conformance\/[^():]+):(\d+):\d+\)?$/gm,
  )) {
    if (!/\/(?:fixture|child)\.[jt]s$/.test(path!)) return `${basename(path!)}:${line}`;
  }
  return undefined;
}

/** What a run of the suite found. */
export interface Report {
  /** Name of the kernel asked, such as `native`. */
  readonly backend: string;
  /** Which one exactly, such as `Linux 6.18.5 x64`. */
  readonly kernel: string;
  /** Cases in which it answered as Linux does. */
  readonly passed: number;
  /** Cases in which it did not. */
  readonly failed: number;
  /** Cases that this kernel or host cannot be asked. */
  readonly unsupported: number;
  /** Cases in which the environment stood in the way. */
  readonly broken: number;
  /** All of them, in the order in which they were asked. */
  readonly cases: readonly CaseReport[];
}

/** Counts how cases ended. */
export function summarize(
  { name, release }: { readonly name: string; readonly release: string },
  cases: readonly CaseReport[],
): Report {
  const count = (outcome: Outcome): number => cases.filter((report) => report.outcome === outcome).length;
  return {
    backend: name,
    kernel: release,
    passed: count('passed'),
    failed: count('failed'),
    unsupported: count('unsupported'),
    broken: count('broken'),
    cases,
  };
}

/**
 * Runs the suite without any test framework, in this process.
 *
 * @remarks
 * *Blocking*: cases make blocking calls. A kernel whose `io_getevents` never returns holds the process for good; where that is
 * to be feared, use a {@link ConformanceSession}.
 */
export async function runConformance(
  options: RunOptions & Selection & { readonly onCase?: (report: CaseReport) => void },
): Promise<Report> {
  const cases: CaseReport[] = [];
  for (const one of selectCases(options)) {
    const report = await runCase(one, options);
    cases.push(report);
    options.onCase?.(report);
  }
  return summarize(options.kernel, cases);
}
