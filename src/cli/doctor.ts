/** `kaio doctor`: which kernel would be used, and why. */
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { arch, platform, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { AioStateError } from '../common/errors.ts';
import { pageAlignedBuffer } from '../common/memory/page-aligned.ts';
import { koffiVersion, loadAddon, openNativeKernel, pinsState } from '../native/index.ts';
import { selectKernel } from '../select.ts';
import { printable } from './printable.ts';

interface DoctorOptions {
  readonly json?: boolean;
  readonly directory: string;
}

const BLOCK_BYTES = 4096;

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

/** Also when the choice fails: that is when a doctor is called. */
function choice(): { backend: string; reason: string; kernel: string } {
  try {
    const { kernel, backend, reason } = selectKernel();
    return { backend, reason, kernel: kernel.release };
  } catch (error) {
    if (!(error instanceof AioStateError)) throw error;
    return { backend: 'none', reason: error.message, kernel: 'none' };
  }
}

/** The system's own numbers, whichever kernel is used. */
function sysctl(name: string): string | number {
  return attempt(() => Number(readFileSync(`/proc/sys/fs/${name}`, 'latin1')));
}

/** Writes a block with O_DIRECT and reads it back. */
function probeDirect(parent: string): string {
  const flag: number | undefined = constants.O_DIRECT;
  if (flag === undefined) return `no: ${platform()} has no O_DIRECT`;
  const directory = mkdtempSync(join(parent, 'kaio-doctor-'));
  try {
    const fd = openSync(join(directory, 'block'), constants.O_RDWR | constants.O_CREAT | flag);
    try {
      const written = new Uint8Array(pageAlignedBuffer(BLOCK_BYTES), 0, BLOCK_BYTES).fill(0x6b);
      const read = new Uint8Array(pageAlignedBuffer(BLOCK_BYTES), 0, BLOCK_BYTES);
      writeSync(fd, written, 0, BLOCK_BYTES, 0);
      readSync(fd, read, 0, BLOCK_BYTES, 0);
      return read.every((byte) => byte === 0x6b)
        ? 'yes'
        : 'no: the block that was read is not the one written';
    } finally {
      closeSync(fd);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function doctor({ json = false, directory }: DoctorOptions): void {
  // Before the probes below, which take contexts themselves.
  const limits = { aio_nr: sysctl('aio-nr'), aio_max_nr: sysctl('aio-max-nr') };
  const report = {
    ...choice(),
    node: process.version,
    platform: `${platform()} ${arch()} ${release()}`,
    ...limits,
    koffi: attempt(koffiVersion),
    addon: addon(),
    probe: attempt(probeNative),
    ring: attempt(ring),
    pins: pins(),
    directory,
    direct: attempt(() => probeDirect(directory)),
  };
  if (json) console.log(JSON.stringify(report, undefined, 2));
  else
    for (const [name, value] of Object.entries(report))
      console.log(`${name.padEnd(10)} ${printable(String(value))}`);
}

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('tell which kernel would be used and why, and what works here')
    .option('--json', 'print one JSON object')
    .option('--directory <dir>', 'where to try O_DIRECT', tmpdir())
    .action(doctor);
}
