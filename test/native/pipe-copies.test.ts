/** Memory of this process without process_vm_readv(2): the kernel's own answers to write(2) and read(2) are the judge. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'vitest';
import { ERRNO } from '../../src/common/abi/errno.ts';
import { type Libc, loadLibc } from '../../src/native/libc.ts';
import { ProcessMemory } from '../../src/native/memory.ts';
import { NativeKernel } from '../../src/native/native-kernel.ts';
import { missingFromRva23 } from '../../src/native/refusals.ts';
import { SYSNO } from '../../src/native/sysno.ts';

const onLinux = process.platform === 'linux';

/** The C library of a sandbox that has no such calls. */
function sandboxed(errno: number): { libc: Libc; refused(): number; hasPipes: boolean } {
  const libc = loadLibc();
  let refusals = 0;
  const sandbox = { libc, refused: () => refusals, hasPipes: true };
  const bind: Libc['bind'] = (name, result, parameters) => {
    if (name.startsWith('process_vm_')) return () => -errno * Math.sign(++refusals);
    const call = libc.bind(name, result, parameters);
    return name === 'pipe2' ? (...words) => (sandbox.hasPipes ? call(...words) : -ERRNO.EMFILE) : call;
  };
  sandbox.libc = { ...libc, bind };
  return sandbox;
}

describe.runIf(onLinux).each(['ENOSYS', 'EPERM'] as const)('memory where process_vm_readv is %s', (name) => {
  it('is read and written as far as it is there, and nothing crashes', () => {
    const { libc, refused } = sandboxed(ERRNO[name]);
    const memory = new ProcessMemory(libc);
    const { pageBytes } = memory;
    const pages = memory.mmap(4 * pageBytes, 'read-write');
    assert.equal(memory.mprotect(pages + 2 * pageBytes, pageBytes, 'read'), 0);
    assert.equal(memory.mprotect(pages + 3 * pageBytes, pageBytes, 'none'), 0);
    try {
      const bytes = Uint8Array.from({ length: pageBytes + 100 }, (_, at) => at * 7 + 1);
      assert.equal(memory.write(pages + 50, bytes), true);
      assert.deepEqual(memory.read(pages + 50, bytes.byteLength), bytes);
      assert.equal(memory.read(pages + 3 * pageBytes, 1), undefined);
      assert.equal(
        memory.read(pages + 3 * pageBytes - 1, 2),
        undefined,
        'the last byte, and one that is not there',
      );
      assert.equal(memory.write(pages + 2 * pageBytes, new Uint8Array(1)), false, 'only to be read');
      assert.equal(
        memory.write(pages + 2 * pageBytes - 3, new Uint8Array(8)),
        false,
        'half of it only to be read',
      );
      assert.equal(memory.read(0, 8), undefined);
      // What a refused write had put into the pipe is no part of the next.
      assert.equal(memory.write(pages, Uint8Array.of(1, 2, 3)), true);
      assert.deepEqual(memory.read(pages, 3), Uint8Array.of(1, 2, 3));
      assert.equal(refused(), 1, 'it is asked once');
    } finally {
      assert.equal(memory.munmap(pages, 4 * pageBytes), 0);
    }
  });

  it('is refused as often as it is not there, and leaves no descriptor behind', () => {
    const memory = new ProcessMemory(sandboxed(ERRNO[name]).libc);
    const { pageBytes } = memory;
    const [none, some] = [memory.mmap(pageBytes, 'none'), memory.mmap(pageBytes, 'read-write')];
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    try {
      // Older kernels keep a place in the pipe for each, of 16.
      for (let turn = 0; turn < 40; turn++) assert.equal(memory.read(none, pageBytes), undefined);
      assert.equal(memory.write(some, Uint8Array.of(1, 2)), true);
      assert.deepEqual(memory.read(some, 2), Uint8Array.of(1, 2));
      assert.equal(descriptors(), before);
    } finally {
      for (const page of [none, some]) assert.equal(memory.munmap(page, pageBytes), 0);
    }
  });

  it('is not read while there are no descriptors, which is said, and no reason against rings', () => {
    const sandbox = sandboxed(ERRNO[name]);
    const kernel = new NativeKernel(sandbox.libc, SYSNO[process.arch]!, undefined);
    const ctxp = new BigUint64Array(1);
    assert.equal(kernel.io_setup(1, kernel.memory.addressOf(ctxp)), 0);
    const ctx = Number(ctxp[0]);
    try {
      sandbox.hasPipes = false;
      assert.throws(() => kernel.memory.read(ctx, 8), { code: 'EMFILE', syscall: 'pipe2' });
      assert.equal(kernel.mapRing(ctx), undefined);
      assert.equal(kernel.ringRefusal, undefined);
      sandbox.hasPipes = true;
      assert.notEqual(kernel.mapRing(ctx), undefined);
    } finally {
      assert.equal(kernel.io_destroy(ctx), 0);
    }
  });
});

describe('the processors that koffi’s binary for riscv64 runs on', () => {
  const cpu = (...isas: string[]): string =>
    isas
      .map((isa, index) => `processor\t: ${index}\nhart\t\t: 1\nisa\t\t: ${isa}\nmmu\t\t: sv57\n`)
      .join('\n');
  const rva23 = 'rv64imafdcvh_zicbom_zicond_zfa_zca_zcb_zba_zbb_zbs_zvbb';
  it.each([
    ['QEMU’s rva23s64', cpu(rva23, rva23), []],
    ['a board', cpu('rv64imafdc_zicsr_zba_zbb'), ['v', 'zbs', 'zcb', 'zfa', 'zicond']],
    ['one core without', cpu(rva23, rva23.replace('cvh', 'ch')), ['v']],
    ['a name with a v in it', cpu(rva23.replace('cvh', 'c').replace('zvbb', 'svinval')), ['v']],
    ['nothing known', '', ['v', 'zba', 'zbb', 'zbs', 'zcb', 'zfa', 'zicond']],
  ])('%s', (_, cpuinfo, missing) => {
    assert.deepEqual(missingFromRva23(cpuinfo), missing);
  });
});
