/**
 * The memory that a fuzzed program shows to a kernel.
 *
 * Programs pass lengths of gigabytes and arrays that end in the middle of nothing, and the real kernel writes wherever it
 * is told to. What keeps it out of everybody else's memory:
 *
 * - Every address in a program is a place in here, or an address that no process can have (0, the kernel's half).
 * - The whole is one reservation, never unmapped, in which only the regions are accessible. Behind each region lies more
 *   reserved address space than the kernel can cover from it: {@link GUARD_BYTES} behind the regions whose size bounds what
 *   is written (an iocb's key, a handle, the events of a ring), and more than MAX_RW_COUNT behind the data, so that
 *   whatever one request moves stays inside the reservation, whatever its length says.
 * - Each kind of structure has a region of its own, and structures in it have one alignment. Data never lands where the
 *   kernel reads pointers, and what lies beyond the end of an array is zeros or whole elements of another array: the kernel
 *   never sees an address that was not put there as one.
 */
import type { AioKernel } from '../common/kernel/aio-kernel.ts';
import { pageAlignedBuffer } from '../common/memory/page-aligned.ts';
import { NativeKernel } from '../native/index.ts';
import { EnvironmentBroken } from './environment.ts';

const PAGE = 4096;
/** More bytes than the events of the largest ring that Linux makes with the default `aio-max-nr` (4.2 MB). */
const GUARD_BYTES = 0x100_0000;
/** More than MAX_RW_COUNT, which is the most that one request moves. */
const LAST_GUARD_BYTES = 0x1_0000_0000;

/** In the order of their addresses. The data comes last, before the large guard. */
const SIZES = {
  iocbs: PAGE,
  pointers: PAGE,
  oddPointers: PAGE,
  iovecs: 16 * PAGE,
  oddIovecs: 16 * PAGE,
  words: PAGE,
  events: 4 * PAGE,
  /** Only the kernel may not write here. */
  readonly: PAGE,
  /** Never accessible. */
  nowhere: PAGE,
  data: 4 * PAGE,
} as const;
export type RegionName = keyof typeof SIZES;
const REGIONS = Object.keys(SIZES) as RegionName[];
export const DATA_BYTES = SIZES.data;

/** A stretch of memory that this code can see, and its address for the kernel. It ends at unmapped memory. */
export interface Region {
  readonly address: number;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

type Regions = Readonly<Record<RegionName, Region>>;

export class Arena {
  readonly regions: Regions;
  readonly #kernel: AioKernel;

  constructor(kernel: AioKernel) {
    this.#kernel = kernel;
    this.regions = kernel instanceof NativeKernel ? reserve(kernel) : own(kernel);
  }

  /** Writes the page that the kernel may only read. Once: afterwards it is protected. */
  writeReadonly(bytes: Uint8Array): void {
    const { memory } = this.#kernel;
    const { address } = this.regions.readonly;
    if (!memory.write(address, bytes)) throw new EnvironmentBroken('memory of the fuzzer cannot be written');
    succeeded(memory.mprotect(address, PAGE, 'read'));
  }
}

/** Address space of the process, and in it the regions. */
function reserve({ memory, libc }: NativeKernel): Regions {
  const bytes = REGIONS.reduce((sum, name) => sum + SIZES[name] + GUARD_BYTES, LAST_GUARD_BYTES);
  let address = mapped(memory.mmap(bytes, 'none'));
  const regions = REGIONS.map((name): [RegionName, Region] => {
    const size = SIZES[name];
    // A guard before each: the first has one, too.
    address += GUARD_BYTES;
    const at = address;
    address += size;
    if (name === 'nowhere') return [name, unseen(at, size)];
    succeeded(memory.mprotect(at, size, 'read-write'));
    return [name, regionAt(at, new Uint8Array(view(libc, at, size)))];
  });
  return Object.fromEntries(regions) as Record<RegionName, Region>;
}

function view(libc: NativeKernel['libc'], address: number, bytes: number): ArrayBuffer {
  try {
    return libc.view(address, bytes);
  } catch (cause) {
    throw new EnvironmentBroken('this runtime does not let JavaScript see memory of the process', { cause });
  }
}

/** The emulation's memory: buffers, with addresses behind each that mean nothing. */
function own({ memory }: AioKernel): Regions {
  const regions = REGIONS.map((name): [RegionName, Region] => {
    const size = SIZES[name];
    if (name === 'readonly' || name === 'nowhere') {
      const at = mapped(memory.mmap(size, name === 'readonly' ? 'read-write' : 'none'));
      return [name, unseen(at, size)];
    }
    // Its end counts: that is where memory ends.
    const buffer = pageAlignedBuffer(size);
    const bytes = new Uint8Array(buffer, buffer.byteLength - size);
    return [name, regionAt(memory.addressOf(bytes), bytes)];
  });
  return Object.fromEntries(regions) as Record<RegionName, Region>;
}

function regionAt(address: number, bytes: Uint8Array): Region {
  const { buffer, byteOffset, byteLength } = bytes;
  return { address, size: byteLength, bytes, words: new Uint32Array(buffer, byteOffset, byteLength / 4) };
}

/** Memory that only the kernel looks at. */
function unseen(address: number, size: number): Region {
  return { address, size, bytes: new Uint8Array(0), words: new Uint32Array(0) };
}

function mapped(address: number): number {
  if (address <= 0) throw new EnvironmentBroken(`memory could not be reserved (errno ${-address})`);
  return address;
}

function succeeded(result: number): void {
  if (result !== 0) throw new EnvironmentBroken(`memory could not be protected (errno ${-result})`);
}
