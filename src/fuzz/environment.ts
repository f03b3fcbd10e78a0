/** What the fuzzer needs of the machine, apart from what it looks for. */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { NativeKernel } from '../native/index.ts';

/** Thrown where the machine, not a kernel, stands in the way. */
export class EnvironmentBroken extends Error {}

/** As in glibc: 1024 CPUs. */
const CPU_SET_BYTES = 128;

/**
 * Keeps this thread on one CPU.
 *
 * Linux hands request slots to CPUs in batches (CAP-04): a thread that moves sees another capacity.
 *
 * @returns Undoes it.
 */
export function pinThread({ libc, memory }: NativeKernel): () => void {
  const get = libc.bind('sched_getaffinity', 'int', 3);
  const set = libc.bind('sched_setaffinity', 'int', 3);
  const current = libc.bind('sched_getcpu', 'int', 0);
  const before = new Uint8Array(CPU_SET_BYTES);
  const one = new Uint8Array(CPU_SET_BYTES);
  const must = (result: number, what: string): number => {
    if (result < 0)
      throw new EnvironmentBroken(`this thread cannot be kept on one CPU: ${what} answered errno ${-result}`);
    return result;
  };
  const cpu = must(current(), 'sched_getcpu');
  must(get(0, CPU_SET_BYTES, memory.addressOf(before)), 'sched_getaffinity');
  one[cpu >> 3] = 1 << (cpu & 7);
  must(set(0, CPU_SET_BYTES, memory.addressOf(one)), 'sched_setaffinity');
  return () => {
    must(set(0, CPU_SET_BYTES, memory.addressOf(before)), 'sched_setaffinity');
  };
}

/** A limit on file sizes would kill the process with SIGXFSZ (OFF-07) at the first write beyond it. */
export function checkFileSizeLimit(): void {
  const line = /^Max file size\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'));
  if (line !== null && line[1] !== 'unlimited')
    throw new EnvironmentBroken(`file sizes are limited to ${line[1]} bytes here: run ulimit -f unlimited`);
}

const PAGE_BYTES = 4096;
const WORD_BYTES = 8;

/** Its programs have memory that ends within pages of 4 KiB, and structures with fields as wide as words of 64 bits. */
export function checkMemory({ memory }: Pick<NativeKernel, 'memory'>): void {
  const { pageBytes, wordBytes } = memory;
  if (pageBytes !== PAGE_BYTES || wordBytes !== WORD_BYTES)
    throw new EnvironmentBroken(
      `its programs are for pages of ${PAGE_BYTES} bytes and words of ${WORD_BYTES}, and here they have ${pageBytes} and ${wordBytes}: ` +
        'kaio conformance takes them as they are',
    );
}

const CAP_SYS_ADMIN = 21n;
const CAP_SYS_NICE = 23n;

/** Whether this process may ask for the realtime class: the emulation guesses by the user id, Linux looks at capabilities. */
export function mayUseRealtime(): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'));
  const capabilities = BigInt(`0x${line?.[1] ?? '0'}`);
  return ((capabilities >> CAP_SYS_ADMIN) & 1n) === 1n || ((capabilities >> CAP_SYS_NICE) & 1n) === 1n;
}

const PROBE_BYTES = 1 << 20;

/**
 * Whether the directory still takes data: a full disk makes two kernels differ, and neither is wrong.
 *
 * @throws EnvironmentBroken where it does not.
 */
export function checkSpace(directory: string): void {
  const path = join(directory, 'space');
  try {
    const fd = openSync(path, 'w');
    try {
      if (writeSync(fd, new Uint8Array(PROBE_BYTES)) < PROBE_BYTES) throw new Error('a write came out short');
      fsyncSync(fd);
    } finally {
      closeSync(fd);
      rmSync(path, { force: true });
    }
  } catch (cause) {
    throw new EnvironmentBroken(`nothing can be written to ${directory}: ${messageOf(cause)}`, { cause });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
