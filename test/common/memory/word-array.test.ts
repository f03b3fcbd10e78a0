/** Words as wide as a kernel's, in the machine's byte order: the structures of `layout.ts` are the judge. */
import { describe, expect, it } from 'vitest';
import { LITTLE_ENDIAN } from '../../../src/common/abi/byte-order.ts';
import { ABI_64, abiOf, IOCB_BYTES } from '../../../src/common/abi/layout.ts';
import { dataView, decodeIocb, decodeIovec } from '../../../src/common/abi/structs.ts';
import { IocbSlab } from '../../../src/common/context/iocb-slab.ts';
import { hostPageBytes, pageBytesFrom } from '../../../src/common/memory/host-page.ts';
import { WordArray } from '../../../src/common/memory/word-array.ts';
import { AddressSpace } from '../../../src/emulated/memory/mm.ts';

describe.each([4, 8] as const)('words of %i bytes', (wordBytes) => {
  it('hold what they are given, up to the largest address', () => {
    const words = new WordArray({ wordBytes }, 3);
    const largest = wordBytes === 8 ? 0x7fff_ffff_f123 : 0xffff_f123;
    words.set(1, largest);
    expect([0, 1, 2].map((index) => words.get(index))).toEqual([0, largest, 0]);
    expect(words.cells.byteLength).toBe(3 * wordBytes);
  });

  it('are an iovec as the kernel reads it', () => {
    const words = new WordArray({ wordBytes }, 4);
    [1, 2, 0xdead_beef, 0x1234].forEach((value, index) => {
      words.set(index, value);
    });
    const abi = abiOf(wordBytes);
    expect(decodeIovec(dataView(words.cells), abi.iovec.size, abi)).toEqual({
      iov_base: 0xdead_beefn,
      iov_len: 0x1234n,
    });
  });
});

it('prepares iocbs in the byte order of this machine', () => {
  const memory = new AddressSpace();
  const slab = new IocbSlab(memory, 2);
  const [high, low] = [0x1_2345_6789, 0x3_0000_0001];
  slab.prepare(1, 7, 5, high, low, 2 ** 52 + 3, -2, 3, 9, 2 ** 40 + 1, 0x6001);
  const view = dataView(memory.read(slab.addressOf(1), IOCB_BYTES)!);
  expect(decodeIocb(view, 0, ABI_64)).toEqual({
    aio_data: 2n ** 40n + 1n,
    aio_key: 0,
    aio_rw_flags: -2,
    aio_lio_opcode: 7,
    aio_reqprio: 0x6001,
    aio_fildes: 5,
    aio_buf: BigInt(high),
    aio_nbytes: BigInt(low),
    aio_offset: 2n ** 52n + 3n,
    aio_reserved2: 0n,
    aio_flags: 3,
    aio_resfd: 9,
  });
});

describe('the size of a page', () => {
  const auxv = (...words: bigint[]): Uint8Array => {
    const view = new DataView(new ArrayBuffer(words.length * 8));
    words.forEach((word, index) => {
      view.setBigUint64(index * 8, word, LITTLE_ENDIAN);
    });
    return new Uint8Array(view.buffer);
  };

  it('is read from what Linux tells a program at its start', () => {
    expect(pageBytesFrom(auxv(33n, 6n, 6n, 65_536n, 0n, 0n))).toBe(65_536);
    expect(pageBytesFrom(auxv(33n, 6n, 0n, 0n))).toBe(undefined);
    expect(pageBytesFrom(new Uint8Array(8))).toBe(undefined);
  });

  it.runIf(process.arch === 'x64')('is 4096 here', () => expect(hostPageBytes()).toBe(4096));
});
