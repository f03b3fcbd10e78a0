/** Reading enough of an ELF file to know whether it is fit to be loaded. */

/** What the header and the segments of an ELF file say. */
export interface Elf {
  readonly wordBits: 32 | 64;
  readonly littleEndian: boolean;
  /** `e_type`. */
  readonly type: number;
  /** `e_machine`. */
  readonly machine: number;
  /** Bytes the file must have for everything its tables point to. */
  readonly neededBytes: number;
  /** The dynamic loader a program asks for: it tells which C library the program uses. */
  readonly interpreter: string | undefined;
}

const MAGIC = 0x7f454c46;
const PT_INTERP = 3;

/** Places of fields, by word size. */
interface Fields {
  readonly headerBytes: number;
  readonly phoff: number;
  readonly shoff: number;
  /** Of `e_phentsize`; `e_phnum`, `e_shentsize` and `e_shnum` follow. */
  readonly phentsize: number;
  readonly p_offset: number;
  readonly p_filesz: number;
  readonly phBytes: number;
}

const FIELDS: Readonly<Record<32 | 64, Fields>> = {
  32: { headerBytes: 52, phoff: 28, shoff: 32, phentsize: 42, p_offset: 4, p_filesz: 16, phBytes: 32 },
  64: { headerBytes: 64, phoff: 32, shoff: 40, phentsize: 54, p_offset: 8, p_filesz: 32, phBytes: 56 },
};

/**
 * Reads the header and the program headers.
 *
 * @param bytes - The beginning of the file. The program headers lie there in what linkers make.
 * @returns `undefined` for what is no ELF file, or one whose program headers are not in `bytes`.
 */
export function readElf(bytes: Uint8Array): Elf | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < FIELDS[64].headerBytes || view.getUint32(0) !== MAGIC) return undefined;
  const wordBits = bytes[4] === 1 ? 32 : 64;
  const littleEndian = bytes[5] !== 2;
  const fields = FIELDS[wordBits];
  const half = (at: number): number => view.getUint16(at, littleEndian);
  const word = (at: number): number =>
    wordBits === 64 ? Number(view.getBigUint64(at, littleEndian)) : view.getUint32(at, littleEndian);

  const phoff = word(fields.phoff);
  const phnum = half(fields.phentsize + 2);
  if (half(fields.phentsize) !== fields.phBytes || phoff + phnum * fields.phBytes > bytes.byteLength)
    return undefined;
  let neededBytes = word(fields.shoff) + half(fields.phentsize + 4) * half(fields.phentsize + 6);
  let interpreter: string | undefined;
  for (let index = 0; index < phnum; index++) {
    const at = phoff + index * fields.phBytes;
    const start = word(at + fields.p_offset);
    const end = start + word(at + fields.p_filesz);
    neededBytes = Math.max(neededBytes, end);
    if (view.getUint32(at, littleEndian) === PT_INTERP && end <= bytes.byteLength)
      interpreter = Buffer.from(bytes.subarray(start, end - 1)).toString('latin1');
  }
  return { wordBits, littleEndian, type: half(16), machine: half(18), neededBytes, interpreter };
}
