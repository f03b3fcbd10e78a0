/** The host's pages, of which Node.js says nothing. */
import { readFileSync } from 'node:fs';
import { LITTLE_ENDIAN } from '../abi/byte-order.ts';

const SMALL_BYTES = 4096;
/** Of macOS on arm64. */
const APPLE_BYTES = 16_384;
/** A multiple of every other size that Node.js runs with. */
const LARGEST_BYTES = 65_536;
/** Linux can be built with other pages than these on arm64, ppc64, loong64 and mips64 alone (`PAGE_SHIFT` of each). */
const ALWAYS_SMALL: ReadonlySet<string> = new Set(['x64', 'ia32', 'arm', 'riscv64', 's390x']);
/** `linux/auxvec.h`. */
const AT_PAGESZ = 6n;
const AUXV_ENTRY_WORDS = 2;

let known: number | undefined;

/** Bytes of a page of the host's; where that cannot be found out, of the largest there are, which are whole pages of any size. */
export function hostPageBytes(): number {
  known ??= ask(process.platform, process.arch);
  return known;
}

function ask(platform: NodeJS.Platform, arch: string): number {
  if (ALWAYS_SMALL.has(arch) || platform === 'win32') return SMALL_BYTES;
  if (platform === 'darwin') return APPLE_BYTES;
  try {
    return pageBytesFrom(readFileSync('/proc/self/auxv')) ?? LARGEST_BYTES;
  } catch {
    // Not Linux, or a process that may not be looked into.
    return LARGEST_BYTES;
  }
}

/** What Linux told the program at its start (getauxval(3)), on a machine of 64 bits. @returns `undefined` where no size of pages is in it. */
export function pageBytesFrom(auxv: Uint8Array): number | undefined {
  const view = new DataView(auxv.buffer, auxv.byteOffset, auxv.byteLength);
  for (let at = 0; at + AUXV_ENTRY_WORDS * 8 <= auxv.byteLength; at += AUXV_ENTRY_WORDS * 8)
    if (view.getBigUint64(at, LITTLE_ENDIAN) === AT_PAGESZ)
      return Number(view.getBigUint64(at + 8, LITTLE_ENDIAN));
  return undefined;
}
