/** Plain transfers of the emulation: what holds between their begin, the pool thread's work, and their delivery. */
import fs, { closeSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { AioContext } from '../../../src/common/context/aio-context.ts';
import type { AioKernel } from '../../../src/common/kernel/aio-kernel.ts';
import { alignedBuffer } from '../../../src/common/memory/aligned.ts';
import { providePins } from '../../../src/common/memory/pins.ts';
import { EmulatedKernel } from '../../../src/emulated/emulated-kernel.ts';
import { learnHostHandles } from '../../../src/emulated/files/host-handles.ts';
import { nativePins } from '../../../src/native/pins.ts';

const directory = mkdtempSync(join(tmpdir(), 'kaio-transfers-'));
const LARGE = 1 << 16;
/** With the addon, large memory is used as it is. */
const hasPins = nativePins() !== undefined;
let files = 0;

function fileOf(content: string | Uint8Array): string {
  const path = join(directory, `${files++}`);
  writeFileSync(path, content);
  return path;
}

type Name = 'read' | 'write';
const real = { read: fs.read, write: fs.write };

/** Has calls of `fs` wait until they are let go. */
class Gate {
  readonly #held: (() => void)[] = [];
  readonly #name: Name;

  constructor(name: Name) {
    this.#name = name;
    const held = this.#held;
    const original = real[name] as (...args: unknown[]) => void;
    (fs as unknown as Record<Name, unknown>)[name] = (...args: unknown[]) => {
      held.push(() => original(...args));
    };
    syncBuiltinESMExports();
  }

  /** Resolves when `count` calls wait. */
  async holds(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise(setImmediate);
  }

  get count(): number {
    return this.#held.length;
  }

  open(): void {
    (fs as unknown as Record<Name, unknown>)[this.#name] = real[this.#name];
    syncBuiltinESMExports();
    for (const call of this.#held.splice(0)) call();
  }
}

afterEach(() => {
  Object.assign(fs, real);
  syncBuiltinESMExports();
});

beforeAll(async () => {
  providePins(nativePins);
  await learnHostHandles();
});

async function withContext(
  body: (context: AioContext, kernel: EmulatedKernel) => Promise<void>,
): Promise<void> {
  const kernel = new EmulatedKernel({ transferThread: false });
  await using context = new AioContext({ kernel, queueDepth: 512 });
  await body(context, kernel);
}

/** Fails where it settles although nobody has let it go. */
async function expectWaiting(promise: Promise<unknown>): Promise<void> {
  let settles = false;
  void promise.finally(() => {
    settles = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(settles).toBe(false);
}

const settled = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error: { code?: string }) => error.code,
  );

/**
 * Runs rounds until one has seen `fd` closed and opened anew as another file. A thread of somebody else's may be quicker to open one, or may
 * have closed one before: then the number means nothing, or a file of theirs, and what is to be seen is the same.
 *
 * @param round - Calls its argument once.
 */
async function untilReused(
  round: (reuse: (fd: number, path: string) => void) => Promise<void>,
): Promise<void> {
  for (let isReused = false; !isReused; ) {
    let other = -1;
    await round((fd, path) => {
      closeSync(fd);
      other = openSync(path, 'r');
      isReused = other === fd;
    });
    closeSync(other);
  }
}

describe('a descriptor that nobody holds', () => {
  it('that means another file when a thread gets to it gives nothing of that', () =>
    withContext((context) =>
      untilReused(async (reuse) => {
        const fd = openSync(fileOf('mine'), 'r');
        const other = fileOf('theirs');
        const gate = new Gate('read');
        const bytes = Buffer.alloc(4, '.');
        const outcome = settled(context.read(fd, bytes, 0));
        await gate.holds(1);
        reuse(fd, other);
        gate.open();
        expect(await outcome).toBe('EBADF');
        expect(bytes.toString()).toBe('....');
      }),
    ));

  it('gives nothing of it to memory that could be used as it is either', () =>
    withContext((context) =>
      untilReused(async (reuse) => {
        const fd = openSync(fileOf(Buffer.alloc(LARGE, 'm')), 'r');
        const other = fileOf(Buffer.alloc(LARGE, 't'));
        const gate = new Gate('read');
        const bytes = alignedBuffer(LARGE);
        const outcome = settled(context.read(fd, bytes, 0));
        await gate.holds(1);
        reuse(fd, other);
        gate.open();
        expect(await outcome).toBe('EBADF');
        expect(bytes.every((byte) => byte === 0)).toBe(true);
      }),
    ));

  it('is looked at once more when it gets its place on the pool late', () =>
    withContext((context) =>
      untilReused(async (reuse) => {
        const fd = openSync(fileOf('mine'), 'r');
        const other = fileOf('theirs');
        const gate = new Gate('read');
        const buffers = Array.from({ length: 200 }, () => Buffer.alloc(4, '.'));
        const outcomes = buffers.map((bytes) => settled(context.read(fd, bytes, 0)));
        await gate.holds(1);
        expect(gate.count).toBeLessThan(200);
        reuse(fd, other);
        gate.open();
        expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['EBADF']));
        expect(buffers.every((bytes) => bytes.toString() === '....')).toBe(true);
      }),
    ));

  it('serves more reads than the pool is given at once', () =>
    withContext(async (context) => {
      const content = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      const fd = openSync(fileOf(content), 'r');
      const reads = Array.from({ length: 2000 }, async (_, index) => {
        const bytes = Buffer.alloc(1);
        expect(await context.read(fd, bytes, index % 256)).toBe(1);
        return bytes[0] === index % 256;
      });
      expect((await Promise.all(reads)).every(Boolean)).toBe(true);
      expect(context.stats).toMatchObject({ submitted: 2000, completed: 2000 });
      closeSync(fd);
    }));

  it('has its writes made on this thread', () =>
    withContext(async (context) => {
      const path = fileOf('');
      const fd = openSync(path, 'r+');
      const gate = new Gate('write');
      expect(await context.write(fd, Buffer.from('abc'), 0)).toBe(3);
      expect(gate.count).toBe(0);
      expect(readFileSync(path, 'utf8')).toBe('abc');
      closeSync(fd);
    }));

  it('is refused by io_submit where it may not be read', () =>
    withContext(async (context) => {
      const fd = openSync(fileOf('abc'), 'w');
      await expect(context.read(fd, Buffer.alloc(3), 0)).rejects.toMatchObject({
        code: 'EBADF',
        syscall: 'io_submit',
      });
      closeSync(fd);
    }));
});

describe('a FileHandle', () => {
  async function handleOf(content: string | Uint8Array): Promise<[FileHandle, string]> {
    const path = fileOf(content);
    return [await open(path, 'r+'), path];
  }

  it('that is closed meanwhile stays open until its reads have ended', () =>
    withContext(async (context) => {
      const [handle] = await handleOf('mine');
      const gate = new Gate('read');
      const bytes = Buffer.alloc(4);
      const reading = context.read(handle, bytes, 0);
      await gate.holds(1);
      const closing = handle.close();
      await expectWaiting(closing);
      gate.open();
      expect(await reading).toBe(4);
      expect(bytes.toString()).toBe('mine');
      await closing;
      expect(handle.fd).toBe(-1);
      expect(await settled(context.read(handle, bytes, 0))).not.toBe(4);
    }));

  it('that is closed meanwhile gets what a thread writes, and nobody else does', () =>
    withContext(async (context) => {
      const [handle, path] = await handleOf('');
      const gate = new Gate('write');
      const writing = context.write(handle, Buffer.from('abc'), 0);
      await gate.holds(1);
      const closing = handle.close();
      gate.open();
      expect(await writing).toBe(3);
      await closing;
      expect(readFileSync(path, 'utf8')).toBe('abc');
    }));

  it('is free again when nothing of it is under way', () =>
    withContext(async (context) => {
      const [handle] = await handleOf('mine');
      const reads = Array.from({ length: 300 }, () => context.read(handle, Buffer.alloc(4), 0));
      expect(new Set(await Promise.all(reads))).toEqual(new Set([4]));
      await handle.close();
      expect(handle.fd).toBe(-1);
    }));

  it('is synced after the writes that threads have begun', () =>
    withContext(async (context) => {
      const [handle] = await handleOf('');
      const gate = new Gate('write');
      const writing = context.write(handle, Buffer.from('abc'), 0);
      await gate.holds(1);
      const syncing = context.fdatasync(handle);
      await expectWaiting(syncing);
      gate.open();
      expect(await writing).toBe(3);
      await syncing;
      await handle.close();
    }));

  it('that is none is asked, and looked at as any descriptor', () =>
    withContext(async (context) => {
      class Handle {
        readonly #fd = openSync(fileOf('mine'), 'r');
        get fd(): number {
          return this.#fd;
        }
      }
      await untilReused(async (reuse) => {
        const handle = new Handle();
        const other = fileOf('theirs');
        const gate = new Gate('read');
        const bytes = Buffer.alloc(4, '.');
        const outcome = settled(context.read(handle, bytes, 0));
        await gate.holds(1);
        reuse(handle.fd, other);
        gate.open();
        expect(await outcome).toBe('EBADF');
        expect(bytes.toString()).toBe('....');
      });
    }));
});

describe('memory', () => {
  const give = (bytes: Uint8Array): Uint8Array =>
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });

  it('of few bytes that is given away meanwhile has its read fail, alone', () =>
    withContext(async (context, kernel) => {
      const fd = openSync(fileOf('abcd'), 'r');
      kernel.fget(fd);
      const gate = new Gate('read');
      const bytes = new Uint8Array(4);
      const stays = new Uint8Array(4);
      const outcomes = [context.read(fd, bytes, 0), context.read(fd, stays, 0)].map(settled);
      await gate.holds(2);
      const given = give(bytes);
      gate.open();
      expect(await Promise.all(outcomes)).toEqual(['ERR_INVALID_ARG_VALUE', 4]);
      expect([...given]).toEqual([0, 0, 0, 0]);
      expect(Buffer.from(stays).toString()).toBe('abcd');
      kernel.fput(fd);
      closeSync(fd);
    }));

  it('of many bytes stays with its owner until the end, or is copied', () =>
    withContext(async (context, kernel) => {
      const fd = openSync(fileOf(Buffer.alloc(LARGE, 'a')), 'r');
      kernel.fget(fd);
      const gate = new Gate('read');
      const bytes = new Uint8Array(LARGE);
      const outcome = settled(context.read(fd, bytes, 0));
      await gate.holds(1);
      let given: Uint8Array | undefined;
      try {
        given = give(bytes);
      } catch {
        // As later versions of Node.js refuse it.
      }
      gate.open();
      expect(await outcome).toBe(hasPins ? LARGE : 'ERR_INVALID_ARG_VALUE');
      // Nobody has written into what has another owner.
      if (given !== undefined) expect(given.every((byte) => byte === 0)).toBe(true);
      kernel.fput(fd);
      closeSync(fd);
      if (!hasPins) return;
      expect(bytes.every((byte) => byte === 97)).toBe(true);
      give(bytes);
      expect(bytes.byteLength).toBe(0);
    }));

  it('of a write that is given away meanwhile was copied, or stays', () =>
    withContext(async (context, kernel) => {
      const path = fileOf('');
      const fd = openSync(path, 'r+');
      kernel.fget(fd);
      const gate = new Gate('write');
      const bytes = new Uint8Array(4).fill(97);
      const writing = context.write(fd, bytes, 0);
      await gate.holds(1);
      give(bytes).fill(98);
      gate.open();
      expect(await writing).toBe(4);
      expect(readFileSync(path, 'utf8')).toBe('aaaa');
      kernel.fput(fd);
      closeSync(fd);
    }));

  it.runIf(hasPins)('of a WebAssembly memory that grows meanwhile gets its bytes', () =>
    withContext(async (context, kernel) => {
      const { WebAssembly } = globalThis as unknown as {
        WebAssembly: { Memory: new (limits: object) => { buffer: ArrayBuffer; grow(pages: number): number } };
      };
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 4 });
      const fd = openSync(fileOf(Buffer.alloc(LARGE, 'a')), 'r');
      kernel.fget(fd);
      const gate = new Gate('read');
      const reading = context.read(fd, new Uint8Array(memory.buffer), 0);
      await gate.holds(1);
      memory.grow(1);
      gate.open();
      expect(await reading).toBe(LARGE);
      expect(new Uint8Array(memory.buffer, 0, LARGE).every((byte) => byte === 97)).toBe(true);
      kernel.fput(fd);
      closeSync(fd);
    }),
  );
});

describe('O_DIRECT', () => {
  const O_DIRECT = (fs.constants as { readonly O_DIRECT?: number }).O_DIRECT ?? 0;

  // The address is made up: what lies at a multiple of a page by it need not do so for the host.
  it.runIf(process.platform === 'linux')('takes any memory that is aligned by its address', () =>
    withContext(async (context, kernel) => {
      const fd = openSync(fileOf(Buffer.alloc(LARGE * 2, 'a')), fs.constants.O_RDWR | O_DIRECT);
      kernel.fget(fd);
      const memory = new Uint8Array(LARGE + 4096);
      const start = (4096 - (kernel.memory.addressOf(memory) % 4096)) % 4096;
      for (let round = 0; round < 8; round++) {
        const bytes = memory.subarray(start + round * 512, start + round * 512 + LARGE / 2);
        bytes.fill(0);
        expect(await context.read(fd, bytes, 0)).toBe(LARGE / 2);
        expect(bytes.every((byte) => byte === 97)).toBe(true);
        expect(await context.write(fd, bytes.fill(97), LARGE)).toBe(LARGE / 2);
      }
      kernel.fput(fd);
      closeSync(fd);
    }),
  );
});

describe('the shorter way', () => {
  it('is not taken where somebody looks at io_submit', async () => {
    const kernel = new EmulatedKernel();
    let calls = 0;
    const watched: AioKernel = new Proxy(kernel, {
      get(target, name) {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        if (name === 'io_submit') calls++;
        return (value as (...args: unknown[]) => unknown).bind(target);
      },
    });
    await using context = new AioContext({ kernel: watched });
    const fd = openSync(fileOf('abc'), 'r');
    expect(await context.read(fd, Buffer.alloc(3), 0)).toBe(3);
    expect(calls).toBe(1);
    closeSync(fd);
  });

  it('is left when the kernel exits, after what is under way', async () => {
    const kernel = new EmulatedKernel();
    const context = new AioContext({ kernel });
    const fd = openSync(fileOf('abc'), 'r');
    const gate = new Gate('read');
    const reading = context.read(fd, Buffer.alloc(3), 0);
    await gate.holds(1);
    const exit = kernel.exit();
    await expectWaiting(exit);
    gate.open();
    expect(await reading).toBe(3);
    await exit;
    closeSync(fd);
  });
});
