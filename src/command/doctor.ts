/** `kaio doctor`: which kernel would be used, and why. */
import { readFileSync } from 'node:fs';
import { arch, platform, release } from 'node:os';
import { AioStateError } from '../common/errors.ts';
import type { AioKernel } from '../common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../emulated/index.ts';
import { ffiInUse, loadAddon, openNativeKernel, pinsState, trialHere } from '../native/index.ts';
import { selectKernel } from '../select.ts';
import { curesOf } from './cures.ts';
import { alignmentText, directReport } from './direct-report.ts';
import { printable } from './printable.ts';

const NAME_WIDTH = 13;
/** What people read in place of the names in JSON. */
const NAMES: Readonly<Record<string, string>> = { file_system: 'file system', direct_reason: 'known by' };

export interface DoctorOptions {
  readonly json?: boolean;
  /** Whose direct I/O to tell: a file is made there, and removed. */
  readonly directory: string;
}

/** What a question answered, or why it had no answer. */
function attempt(question: () => string | number): string | number {
  try {
    return question();
  } catch (error) {
    return `no: ${(error instanceof Error ? error.message : String(error)).split('\n')[0]}`;
  }
}

function probeNative(): string {
  return `a read went through ${openNativeKernel().release} and brought the right bytes`;
}

function addon(): string {
  const state = loadAddon();
  if (state.addon !== undefined) return `${state.path}, Node-API ${state.napi}, ${state.libc}`;
  return `no: ${state.path === undefined ? '' : `${state.path}: `}${state.reason}`;
}

/** How events come: out of memory, or by a call each time. */
function ring(): string {
  const answer = openNativeKernel().supports.features['mapped-ring'];
  return answer === true ? 'read in memory' : `no: ${answer}`;
}

function pins(): string {
  const state = pinsState();
  return state.pins === undefined ? `no: ${state.reason}` : 'yes';
}

/** Whether what it is made of may be loaded into this process, which a fault would end. */
function trial(): string {
  const { refusal, known } = trialHere();
  return refusal === undefined ? known : `no: ${refusal.reason}`;
}

interface Choice {
  readonly backend: string;
  readonly reason: string;
  readonly kernel: string;
}

/** Also when the choice fails: that is when a doctor is called. Then the emulation is asked about files. */
function choose(): { choice: Choice; kernel: AioKernel; backend: 'native' | 'emulated' } {
  try {
    const { kernel, backend, reason } = selectKernel();
    return { choice: { backend, reason, kernel: kernel.release }, kernel, backend };
  } catch (error) {
    if (!(error instanceof AioStateError)) throw error;
    return {
      choice: { backend: 'none', reason: error.message, kernel: 'none' },
      kernel: emulatedKernel(),
      backend: 'emulated',
    };
  }
}

/** The system's own numbers, whichever kernel is used. */
function sysctl(name: string): string | number {
  return attempt(() => Number(readFileSync(`/proc/sys/fs/${name}`, 'latin1')));
}

/** Prints the report. */
export async function doctor({ json = false, directory }: DoctorOptions): Promise<void> {
  // Before the probes below, which take contexts themselves.
  const limits = { aio_nr: sysctl('aio-nr'), aio_max_nr: sysctl('aio-max-nr') };
  const { choice, kernel, backend } = choose();
  const report = {
    ...choice,
    node: process.version,
    platform: `${platform()} ${arch()} ${release()}`,
    ...limits,
    trial: trial(),
    ffi: attempt(() => Object.values(ffiInUse()).join(' ')),
    addon: addon(),
    probe: attempt(probeNative),
    ring: attempt(ring),
    pins: pins(),
    directory,
    ...(await directReport(directory, kernel, backend)),
  };
  const cures = curesOf(report);
  if (json) {
    console.log(JSON.stringify({ ...report, cures }, undefined, 2));
    return;
  }
  for (const [name, value] of Object.entries(report)) {
    const text = typeof value === 'object' ? alignmentText(value) : String(value);
    console.log(`${NAMES[name] ?? name}`.padEnd(NAME_WIDTH), printable(text));
  }
  for (const cure of cures) console.log('to cure'.padEnd(NAME_WIDTH), printable(cure));
}
