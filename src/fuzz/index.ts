/** The differential fuzzer: programs made up from a seed run on Linux and on the emulation, and whatever differs is shrunk. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { codeOf } from '../common/errors.ts';
import { EmulatedKernel } from '../emulated/index.ts';
import { type NativeKernel, openNativeKernel } from '../native/index.ts';
import {
  checkFileSizeLimit,
  checkMemory,
  checkSpace,
  EnvironmentBroken,
  mayUseRealtime,
  messageOf,
  pinThread,
} from './environment.ts';
import { callsOf, FileSet } from './files.ts';
import { generate } from './generator.ts';
import { Machine } from './machine.ts';
import { testCaseOf } from './print.ts';
import { type Difference, FILES, type Program, type ProgramExecutor } from './program.ts';
import type { Scope } from './requests.ts';
import { shrink } from './shrink.ts';
import { QUESTIONS, type Variant } from './variants.ts';

export { EnvironmentBroken } from './environment.ts';
export type { Difference, Program } from './program.ts';

/** When to stop, whichever comes first. */
export interface FuzzOptions {
  /** A 32-bit integer. The same seed makes the same programs, on a machine that offers the same files and flags. */
  readonly seed: number;
  /** Operations on each kernel. */
  readonly operations?: number;
  readonly seconds?: number;
  /** Where to make files. Default: the system's directory for temporary files. */
  readonly directory?: string;
  /** Divergences after which it stops. Default 1. */
  readonly most?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (operations: number, programs: number) => void;
}

/** A program that two kernels run differently, made small. */
export interface Divergence {
  readonly seed: number;
  /** Which of the programs of the seed. */
  readonly index: number;
  /** Operations that had run when it was found. */
  readonly operations: number;
  readonly program: Program;
  readonly difference: Difference;
  /** Source of a test that fails. */
  readonly testCase: string;
}

export interface FuzzReport {
  readonly seed: number;
  readonly operations: number;
  readonly programs: number;
  readonly divergences: readonly Divergence[];
  /** What was not tried, because this kernel is known to differ there from the one that the emulation is. */
  readonly leftOut: readonly string[];
  /** Programs that differed once and then no more: accidents of timing, or of what ran before. */
  readonly unconfirmed: readonly { readonly index: number; readonly difference: Difference }[];
}

/** Between two looks at the clock and at the event loop. */
const CHUNK = 50;
/** A difference counts if it shows again, as often as this. */
const AGAIN = 2;

/**
 * Runs programs until a limit is reached.
 *
 * @throws EnvironmentBroken where there is no native kernel, or files, descriptors or memory cannot be had.
 */
export async function fuzz({
  seed,
  operations = Infinity,
  seconds = Infinity,
  most = 1,
  signal,
  onProgress,
  directory: parent = tmpdir(),
}: FuzzOptions): Promise<FuzzReport> {
  const machine = await openMachine(parent);
  const until = Date.now() + seconds * 1000;
  const report = {
    seed,
    operations: 0,
    programs: 0,
    divergences: [] as Divergence[],
    leftOut: QUESTIONS.filter(({ variant }) => !machine.scopes.submit[variant]).map(({ leftOut }) => leftOut),
    unconfirmed: [] as { index: number; difference: Difference }[],
  };
  try {
    while (report.operations < operations && report.divergences.length < most) {
      const index = report.programs;
      if (index % CHUNK === 0) {
        onProgress?.(report.operations, index);
        if (Date.now() >= until || signal?.aborted) break;
        await setImmediate();
      }
      const program = generate(seed, index, machine.scopes);
      report.programs++;
      report.operations += program.operations.length;
      const once = await machine.run(program);
      if (once === undefined) continue;
      checkSpace(machine.directory);
      if ((await confirmed(machine, program)) === undefined) {
        report.unconfirmed.push({ index, difference: once });
        continue;
      }
      const smallest = await shrink(
        program,
        async (candidate) => (await confirmed(machine, candidate)) !== undefined,
      );
      const difference = (await confirmed(machine, smallest)) ?? (await machine.run(program));
      if (difference === undefined) report.unconfirmed.push({ index, difference: once });
      else
        report.divergences.push({
          seed,
          index,
          operations: report.operations,
          program: smallest,
          difference,
          testCase: testCaseOf(`seed ${seed}, program ${index}: ${difference.what}`, smallest, difference),
        });
    }
    onProgress?.(report.operations, report.programs);
  } catch (error) {
    // What the host says to the fuzzer's own calls: a full disk, no descriptors left.
    throw codeOf(error) === undefined ? error : broken(error);
  } finally {
    await machine.close();
  }
  return report;
}

/** Differs every time. */
async function confirmed(machine: OpenedMachine, program: Program): Promise<Difference | undefined> {
  let difference: Difference | undefined;
  for (let again = 0; again < AGAIN; again++) {
    difference = await machine.run(program);
    if (difference === undefined) return undefined;
  }
  return difference;
}

/** What programs run on, with files of its own. */
export interface OpenedMachine {
  /** @returns The first difference. */
  run(program: Program): Promise<Difference | undefined>;
  readonly scopes: Readonly<Record<ProgramExecutor, Scope>>;
  readonly directory: string;
  /** Gives back contexts, descriptors and files. */
  close(): Promise<void>;
}

/**
 * Makes files below `parent`, takes contexts, and keeps this thread on its CPU.
 *
 * @throws EnvironmentBroken
 */
export async function openMachine(parent: string): Promise<OpenedMachine> {
  const native = nativeKernel();
  const directory = directoryIn(parent);
  const undo: (() => void | Promise<void>)[] = [() => rmSync(directory, { recursive: true, force: true })];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    checkFileSizeLimit();
    checkMemory(native);
    checkSpace(directory);
    undo.push(pinThread(native));
    const calls = callsOf(native);
    let sets = 0;
    const fileSet = (): FileSet => {
      const index = sets++;
      const folder = join(directory, String(index));
      mkdirSync(folder);
      return new FileSet(calls, folder, index);
    };
    const open = async (executor: ProgramExecutor): Promise<{ machine: Machine; scope: Scope }> => {
      const files = [fileSet(), fileSet()] as const;
      const emulated = new EmulatedKernel({
        executor,
        // One operation at a time: the thread pool then keeps the order in which Linux runs them inside io_submit.
        concurrency: 1,
        possibleCpus: native.supports.possibleCpus,
        aio_max_nr: native.limits.aio_max_nr(),
      });
      const machine = new Machine(native, emulated, files);
      undo.push(() => machine.close());
      const scope: Scope = {
        openFlags: emulated.supports.features['open-flags'] === true,
        pollsDescriptors: emulated.supports.features['polls-descriptors'] === true,
        runsInSubmit: emulated.supports.features['runs-in-submit'] === true,
        rw_flags: native.supports.rw_flags & emulated.supports.rw_flags,
        unequal_rw_flags: native.supports.rw_flags ^ emulated.supports.rw_flags,
        realtime: mayUseRealtime(),
        hugeFiles: files[0].takesHugeFiles(),
        ...(await variantsOf(machine, executor)),
        files: FILES.filter((name) => files[0].has(name)),
      };
      return { machine, scope };
    };
    const opened = { submit: await open('submit'), threadpool: await open('threadpool') };
    return {
      run: (program) => opened[program.executor].machine.run(program),
      scopes: { submit: opened.submit.scope, threadpool: opened.threadpool.scope },
      directory,
      close,
    };
  } catch (error) {
    await close();
    throw broken(error);
  }
}

async function variantsOf(machine: Machine, executor: ProgramExecutor): Promise<Record<Variant, boolean>> {
  const answers: [Variant, boolean][] = [];
  for (const { variant, operations } of QUESTIONS)
    answers.push([variant, (await machine.run({ executor, operations })) === undefined]);
  return Object.fromEntries(answers) as Record<Variant, boolean>;
}

function nativeKernel(): NativeKernel {
  try {
    return openNativeKernel();
  } catch (cause) {
    const help =
      (cause as { code?: unknown }).code === 'MODULE_NOT_FOUND'
        ? ' (the package koffi: npm install koffi)'
        : '';
    throw new EnvironmentBroken(`there is no native kernel to compare with: ${messageOf(cause)}${help}`, {
      cause,
    });
  }
}

function directoryIn(parent: string): string {
  try {
    return mkdtempSync(join(parent, 'kaio-fuzz-'));
  } catch (error) {
    throw broken(error);
  }
}

function broken(error: unknown): EnvironmentBroken {
  return error instanceof EnvironmentBroken
    ? error
    : new EnvironmentBroken(messageOf(error), { cause: error });
}
