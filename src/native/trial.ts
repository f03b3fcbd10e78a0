/**
 * A trial of what nobody has seen work: the native kernel is opened in a child first, since what does not fit a processor or a Node.js may
 * end the process where no `catch` helps (SIGILL, SIGSEGV). The answer is remembered in a file, once for each machine and version.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { environmentVariable } from '../common/runtime.ts';
import { combinationHere, describe, isSeen, machineHere, nameOf } from './combination.ts';
import { packageRoot } from './installed.ts';
import { koffiRefusal, programRefusal, type Refusal, runtimeRefusal } from './refusals.ts';

/** Programs that this one starts must not try again: a preload of theirs may use kaio. */
const VARIABLE = 'KAIO_TRIAL';
const TIMEOUT_MS = 10_000;
/** What a child needs to have the same means; whatever else there is belongs to the program. */
const FLAGS = /^--(no-)?(permission|experimental-permission|allow-|addons|experimental-ffi|jitless)/;
const WORKS = 'works';
/**
 * What will be so the next time. A machine with too much to do, or too little memory, ends a child or keeps it waiting as well; and a file
 * that says something else, or nothing, was written by a full disk.
 */
const LASTS = /^(works|was ended by SIG(ILL|SEGV|BUS|FPE|ABRT|TRAP|SYS))$/;
const REMEDY = 'Ask for it by KAIO_BACKEND=native, if it serves';
const PROGRAM = 'dist/src/native/trial-program.js';

/** What a trial goes by. */
export interface TrialSetting {
  /** For people: what is tried. */
  readonly what: string;
  /** Of the file in which the answer is remembered. */
  readonly name: string;
  /** The program of the child; `undefined` where there is none to be found, or no child can be had. */
  readonly program: string | undefined;
  /** Where answers are remembered; `undefined` where nothing is. */
  readonly folder: string | undefined;
  readonly timeoutMs: number;
}

/** What came of it. */
export interface TrialAnswer {
  /** Why the native kernel must not be opened in this process. */
  readonly refusal: Refusal | undefined;
  /** For people: how that is known. */
  readonly known: string;
}

let answer: TrialAnswer | undefined;

/** Whether the native kernel may be opened in this process, and how that is known. Asked once. */
export function trialHere(): TrialAnswer {
  answer ??= tryHere();
  return answer;
}

/** Who asks for the native kernel by name has it tried in this process. */
export function tryInThisProcess(): void {
  answer ??= { refusal: undefined, known: 'not tried: the native kernel was asked for' };
}

/** Why no foreign function interface and no addon must be loaded into this process. */
export function loadingRefusal(): Refusal | undefined {
  return programRefusal() ?? trialHere().refusal;
}

function tryHere(): TrialAnswer {
  const wanted = environmentVariable(VARIABLE);
  if (wanted === 'never') return { refusal: undefined, known: `not tried: ${VARIABLE}=never` };
  // Nothing will be loaded, and whoever opens it says why.
  const hasNothing = koffiRefusal() !== undefined && !isBuiltin('node:ffi');
  if (process.platform !== 'linux' || runtimeRefusal() !== undefined || hasNothing)
    return { refusal: undefined, known: 'nothing to try' };
  const combination = combinationHere();
  if (wanted !== 'always' && isSeen(combination)) return { refusal: undefined, known: 'seen to work' };
  return tryOut({
    what: describe(combination),
    name: nameOf(combination, machineHere()),
    program: program(),
    folder: cacheFolder(),
    timeoutMs: TIMEOUT_MS,
  });
}

/** The answer that is remembered, or the child's. */
export function tryOut(setting: TrialSetting): TrialAnswer {
  const { what, program: path, folder, name } = setting;
  const file = folder === undefined ? undefined : join(folder, name);
  const remembered = file === undefined ? undefined : readOrNothing(file);
  if (remembered !== undefined && LASTS.test(remembered))
    return answered(what, remembered, `remembered in ${file}`);
  if (path === undefined) return untried(what, 'no process of its own can be had for that here');
  const result = resultOf(path, setting.timeoutMs);
  if (result.unable !== undefined) return untried(what, result.unable);
  const known = 'tried in a process of its own';
  const isKept = file !== undefined && LASTS.test(result.text) && remember(folder!, file, result.text);
  return answered(what, result.text, isKept ? `${known}, remembered in ${file}` : known);
}

function answered(what: string, text: string, known: string): TrialAnswer {
  if (text === WORKS) return { refusal: undefined, known: `works: ${known}` };
  return {
    refusal: { reason: `${what}: the process that tried it ${text} (${known})`, remedy: REMEDY },
    known,
  };
}

function untried(what: string, why: string): TrialAnswer {
  return {
    refusal: { reason: `nobody has seen ${what} work, and ${why}`, remedy: REMEDY },
    known: `not tried: ${why}`,
  };
}

/** A child that throws has not ended by a fault: so will opening the kernel here, and tell why. */
function resultOf(path: string, timeoutMs: number): { text: string; unable?: string } {
  const flags = process.execArgv.filter((flag) => FLAGS.test(flag));
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    const { spawnSync } = process.getBuiltinModule('node:child_process');
    const { error, signal } = spawnSync(process.execPath, [...flags, path], {
      env: { ...env, [VARIABLE]: 'never', ELECTRON_RUN_AS_NODE: '1' },
      stdio: 'ignore',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    if (error !== undefined && 'code' in error && error.code === 'ETIMEDOUT')
      return { text: `had no answer within ${timeoutMs / 1000} s` };
    if (error !== undefined) return { text: '', unable: error.message };
    return { text: signal === null ? WORKS : `was ended by ${signal}` };
  } catch (error) {
    // The permission model forbids it.
    return { text: '', unable: error instanceof Error ? error.message : String(error) };
  }
}

/** Nowhere but in a package that is installed, in Node.js itself: elsewhere the executable is the application. */
function program(): string | undefined {
  const folder = packageRoot();
  return folder === undefined || isSingleExecutable() ? undefined : join(folder, PROGRAM);
}

function isSingleExecutable(): boolean {
  const sea = process.getBuiltinModule('node:sea') as { isSea?: () => boolean } | undefined;
  return sea?.isSea?.() === true;
}

function cacheFolder(): string | undefined {
  try {
    return join(environmentVariable('XDG_CACHE_HOME') || join(homedir(), '.cache'), 'kaio');
  } catch {
    // A user without a home.
    return undefined;
  }
}

function readOrNothing(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    // Not tried yet, or it may not be read: it is tried.
    return undefined;
  }
}

/** Whole or not at all, whoever else does the same. @returns Whether it is kept: where it is not, the next program tries again. */
function remember(folder: string, file: string, text: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const partial = `${file}.${process.pid}`;
    writeFileSync(partial, `${text}\n`, { mode: 0o600 });
    renameSync(partial, file);
    return true;
  } catch {
    return false;
  }
}
