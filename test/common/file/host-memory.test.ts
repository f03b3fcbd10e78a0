import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, it } from 'vitest';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import { codeOf } from '../../../src/common/errors.ts';
import type { AioFile } from '../../../src/common/file/aio-file-type.ts';
import { hostArguments } from '../../../src/common/file/host-memory.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../../src/emulated/index.ts';
import { open } from '../../../src/open.ts';
import { KERNELS, replacing } from '../../support/kernels.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-host-memory-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const path = join(directory, 'file');
const CONTENT = Buffer.alloc(65_536, 'x');
/** Of any device, and what is asked for where a host has no O_DIRECT. */
const BLOCK = 4096;

/** No signal to kaio, and nothing at all to the host's file, which does what is asked. */
const signal = Object.create(AbortSignal.prototype) as AbortSignal;

const READS: readonly [string, (file: AioFile, bytes: Uint8Array) => Promise<{ bytesRead: number }>][] = [
  ['read()', (file, bytes) => file.read(bytes, { position: 0, signal })],
  ['readv()', (file, bytes) => file.readv([bytes.subarray(0, 512), bytes.subarray(512)], -2)],
];

for (const { name: backend, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`what the host accepts and kaio does not read, ${backend}`, () => {
    const at = (flags: string) => open(path, flags, 0o666, { backend });

    for (const [name, read] of READS) {
      it(`${name} never writes into memory that was given away`, async () => {
        writeFileSync(path, CONTENT);
        await using file = await at('r');
        const bytes = new Uint8Array(1024);
        const outcome = read(file, bytes);
        const given = structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
        await assert.rejects(outcome, { code: 'ERR_INVALID_ARG_VALUE' });
        assert.deepEqual(new Uint8Array(given), new Uint8Array(1024));
      });

      it(`${name} brings the bytes otherwise`, async () => {
        writeFileSync(path, CONTENT);
        await using file = await at('r');
        const bytes = new Uint8Array(1024);
        assert.equal((await read(file, bytes)).bytesRead, 1024);
        assert.deepEqual(Buffer.from(bytes), CONTENT.subarray(0, 1024));
      });
    }

    it('vectors at the cursor whose memory has gone meanwhile are refused with a code', async () => {
      writeFileSync(path, CONTENT);
      await using file = await at('r+');
      const given = (): Uint8Array<ArrayBuffer> => new Uint8Array(1024).fill(7);
      const handOn = ({ buffer }: Uint8Array<ArrayBuffer>): unknown =>
        structuredClone(buffer, { transfer: [buffer] });
      const read = given();
      const reading = file.readv([read]);
      handOn(read);
      await assert.rejects(reading, { code: 'ERR_INVALID_ARG_VALUE' });
      const written = given();
      const writing = file.writev([written], 0);
      handOn(written);
      // Without pins it was copied at the call.
      const outcome = await writing.then(({ bytesWritten }) => bytesWritten, codeOf);
      if (outcome === 1024) assert.deepEqual(readFileSync(path).subarray(0, 1024), Buffer.from(given()));
      else assert.equal(outcome, 'ERR_INVALID_ARG_VALUE');
    });

    it('write() and writeFile() write what was there when they were called', async () => {
      writeFileSync(path, '');
      await using file = await at('r+');
      const bytes = new Uint8Array(4).fill(97);
      const written = file.write(bytes, { position: 0, signal });
      new Uint8Array(structuredClone(bytes.buffer, { transfer: [bytes.buffer] })).fill(98);
      assert.equal((await written).bytesWritten, 4);
      const more = Buffer.from('more');
      // An empty encoding is one to the host.
      const whole = file.writeFile(more, { encoding: '' as never });
      more.fill('!');
      await whole;
      assert.match(readFileSync(path, 'latin1'), /more$|^more/);
      assert.doesNotMatch(readFileSync(path, 'latin1'), /[b!]/);
    });
  });
}

describe('hostArguments()', () => {
  it('hands out what was read, where that belongs, and nothing else', () => {
    const bytes = Buffer.from('abcdefgh');
    const { args, deliver } = hostArguments('read', [bytes, { offset: 2, length: 3, position: 0 }]);
    (args[0] as Uint8Array).fill(120);
    deliver(2);
    assert.equal(bytes.toString(), 'abxxefgh');
  });

  it('fills several buffers one after the other', () => {
    const [one, two] = [Buffer.from('abc'), Buffer.from('def')];
    const { args, deliver } = hostArguments('readv', [[one, two], 0]);
    for (const standIn of args[0] as Uint8Array[]) standIn.fill(120);
    deliver(4);
    assert.equal(`${one}${two}`, 'xxxxef');
  });

  it('leaves what is no view to the host', () => {
    assert.deepEqual(hostArguments('write', ['text', 3, 'nonsense']).args, ['text', 3, 'nonsense']);
    assert.deepEqual(hostArguments('readv', [[1, undefined], 0]).args, [[1, undefined], 0]);
    assert.deepEqual(hostArguments('read', []).args, []);
  });

  it('copies the views that an iterable brings', async () => {
    const chunk = Buffer.from('chunk');
    const { args } = hostArguments('writeFile', [new Set(['text', chunk]), { encoding: '' as never }]);
    const chunks: unknown[] = [];
    for await (const one of args[0] as AsyncIterable<unknown>) chunks.push(one);
    assert.equal(chunks[0], 'text');
    assert.deepEqual(chunks[1], new Uint8Array(chunk));
    assert.notEqual((chunks[1] as Uint8Array).buffer, chunk.buffer);
  });
});

/** Aligned by the addresses of `kernel`, and to the host where malloc happened to put it. */
function alignedHere(kernel: AioKernel, Kind: typeof ArrayBuffer | typeof SharedArrayBuffer): Buffer {
  const memory = new Kind(2 * BLOCK + 16 * Math.ceil(Math.random() * 8));
  const beyond = kernel.memory.addressOf(memory) % BLOCK;
  return Buffer.from(memory as ArrayBuffer, (BLOCK - beyond) % BLOCK, BLOCK).fill('y');
}

const TRANSFERS: readonly [string, (file: AioFile, bytes: Buffer) => Promise<unknown>][] = [
  ['read()', (file, bytes) => file.read(bytes, { position: 0 })],
  ['read() at the cursor', (file, bytes) => file.read(bytes)],
  ['readv()', (file, bytes) => file.readv([bytes], 0)],
  ['what only the host reads', (file, bytes) => file.read(bytes, { position: 0, signal })],
  ['write()', (file, bytes) => file.write(bytes, { position: 0 })],
  ['writev()', (file, bytes) => file.writev([bytes], 0)],
  ['what only the host writes', (file, bytes) => file.write(bytes, { position: 0, signal } as never)],
];

describe('direct transfers by the host, where addresses are made up', () => {
  const emulated = emulatedKernel();
  // There is no room for any request: the thread pool has them all.
  const kernel = replacing(emulated, { io_submit: () => -ERRNO.EAGAIN });

  for (const Kind of [ArrayBuffer, SharedArrayBuffer]) {
    for (const [name, transfer] of TRANSFERS) {
      it(`${name} takes memory as its address says it lies, in a ${Kind.name}`, async () => {
        writeFileSync(path, CONTENT, { flush: true });
        await using context = new AioContext({ kernel });
        await using file = await open(path, 'r+', 0o666, { context, direct: 'prefer' });
        const buffers = Array.from({ length: 16 }, () => alignedHere(emulated, Kind));
        for (const bytes of buffers) {
          await transfer(file, bytes);
          assert.deepEqual(bytes, readFileSync(path).subarray(0, BLOCK));
        }
      });
    }
  }
});
