/** The process's own memory, as the native kernel sees it. */
import { ERRNO } from '../common/abi/errno.ts';
import { bufferOf, byteLengthOf, byteOffsetOf, bytesIn, isArrayBufferView } from '../common/intrinsics.ts';
import type { Address, Memory, Protection } from '../common/kernel/aio-kernel.ts';
import type { Pins } from '../common/memory/pins.ts';
import { WordArray } from '../common/memory/word-array.ts';
import type { Libc } from './libc.ts';
import { nativePins } from './pins.ts';
import { PipeCopies } from './pipe-copies.ts';

const PROT: Readonly<Record<Protection, number>> = { none: 0, read: 1, 'read-write': 3 };
const MAP_PRIVATE_ANONYMOUS = 0x22;
const IOVEC_WORDS = 2;
// On machines of 32 bits musl's mmap(2) has a place of 64, and where that lies differs: zeros are given for all of it.
const MMAP_WORDS = 8;

type Transfers = Readonly<Record<'process_vm_readv' | 'process_vm_writev', ReturnType<Libc['bind']>>>;

/**
 * Addresses come from FFI; copies go through `process_vm_readv` and `process_vm_writev` on this very process, which
 * answer EFAULT where a load or store would crash. Some sandboxes forbid them, or have none: there a pipe does it ({@link PipeCopies}).
 */
export class ProcessMemory implements Memory {
  readonly pageBytes: number;
  readonly wordBytes: 4 | 8;
  readonly hasHostAddresses = true;
  readonly #libc: Libc;
  /** Where a buffer begins stays true for as long as it has any bytes: one that is detached has none. */
  readonly #bases = new WeakMap<ArrayBufferLike, Address>();
  #pinsAsked = false;
  #pins: Pins | undefined;
  readonly #mmap: ReturnType<Libc['bind']>;
  readonly #munmap: ReturnType<Libc['bind']>;
  readonly #mprotect: ReturnType<Libc['bind']>;
  readonly #transfers: Transfers;
  /** Of one copy. A field holds them: to the engine nobody needs an array of which only the address is still used. */
  readonly #iovecs: WordArray;
  #pipe: PipeCopies | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.wordBytes = libc.wordBytes;
    this.pageBytes = libc.bind('getpagesize', 'int', 0)();
    this.#mmap = libc.bind('mmap', 'address', MMAP_WORDS);
    this.#munmap = libc.bind('munmap', 'int', 2);
    this.#mprotect = libc.bind('mprotect', 'int', 3);
    this.#iovecs = new WordArray(this, 2 * IOVEC_WORDS);
    this.#transfers = {
      process_vm_readv: libc.bind('process_vm_readv', 'count', 6),
      process_vm_writev: libc.bind('process_vm_writev', 'count', 6),
    };
  }

  /** Asked for at each request, and opened at the first. */
  get pins(): Pins | undefined {
    if (!this.#pinsAsked) {
      this.#pins = nativePins();
      this.#pinsAsked = true;
    }
    return this.#pins;
  }

  addressOf(view: ArrayBufferView | ArrayBufferLike): Address {
    const known = this.#bases.get(view as ArrayBufferLike);
    if (known !== undefined) return bytesIn(view as ArrayBufferLike) === 0 ? 0 : known;
    if (!isArrayBufferView(view)) return bytesIn(view) === 0 ? 0 : this.#baseOf(view);
    return byteLengthOf(view) === 0 ? 0 : this.#baseOf(bufferOf(view)) + byteOffsetOf(view);
  }

  #baseOf(buffer: ArrayBufferLike): Address {
    let base = this.#bases.get(buffer);
    if (base === undefined) {
      base = this.#libc.addressOf(new Uint8Array(buffer));
      this.#bases.set(buffer, base);
    }
    return base;
  }

  mmap(bytes: number, protection: Protection): Address {
    return this.#mmap(0, bytes, PROT[protection], MAP_PRIVATE_ANONYMOUS, -1, 0, 0, 0);
  }

  mprotect(address: Address, bytes: number, protection: Protection): number {
    return this.#mprotect(address, bytes, PROT[protection]);
  }

  munmap(address: Address, bytes: number): number {
    return this.#munmap(address, bytes);
  }

  read(address: Address, bytes: number): Uint8Array | undefined {
    const copy = new Uint8Array(bytes);
    if (bytes === 0) return copy;
    return this.#transfer('process_vm_readv', copy, address) ? copy : undefined;
  }

  write(address: Address, bytes: Uint8Array): boolean {
    return bytes.byteLength === 0 || this.#transfer('process_vm_writev', bytes, address);
  }

  /** @throws AioError where there are no such calls, and no pipe either. */
  #transfer(name: keyof Transfers, local: Uint8Array, remote: Address): boolean {
    if (this.#pipe !== undefined) return this.#byPipe(this.#pipe, name, local, remote);
    const iovecs = this.#iovecs;
    [this.#libc.addressOf(local), local.byteLength, remote, local.byteLength].forEach((word, index) => {
      iovecs.set(index, word);
    });
    const at = this.#libc.addressOf(iovecs.cells);
    const moved = this.#transfers[name](process.pid, at, 1, at + IOVEC_WORDS * this.wordBytes, 1, 0);
    if (moved < 0 && moved !== -ERRNO.EFAULT) {
      this.#pipe = new PipeCopies(this.#libc);
      return this.#byPipe(this.#pipe, name, local, remote);
    }
    return moved === local.byteLength;
  }

  #byPipe(pipe: PipeCopies, name: keyof Transfers, local: Uint8Array, remote: Address): boolean {
    const own = this.#libc.addressOf(local);
    const isCopied =
      name === 'process_vm_readv'
        ? pipe.copy(remote, own, local.byteLength)
        : pipe.copy(own, remote, local.byteLength);
    // Asked behind the calls, or nothing would hold it meanwhile.
    return isCopied && local.byteLength > 0;
  }
}
