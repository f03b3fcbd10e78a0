import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'vitest';
import { outcomeOf, WAYS } from '../../scripts/checks/transfers.ts';
import { pageAlignedBuffer } from '../../src/common/memory/page-aligned.ts';
import type { Pins } from '../../src/common/memory/pins.ts';
import { pinsState } from '../../src/native/index.ts';
import { CLI, run } from '../support/kaio.ts';

const state = pinsState();
const dist = dirname(dirname(dirname(CLI)));
const native = pathToFileURL(join(dist, 'src/native/index.js')).href;
const PROGRAM = join(dist, 'scripts/checks/pins-program.js');
const WASM_PAGE_BYTES = 65536;

const pins = (): Pins => state.pins!;

interface Memory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
  toResizableBuffer?(): ArrayBuffer;
}
const { Memory } = (
  globalThis as unknown as {
    WebAssembly: { Memory: new (limits: { initial: number; maximum?: number }) => Memory };
  }
).WebAssembly;

/** What a program of its own prints. */
function printed(program: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = run(
    process.execPath,
    ['--expose-gc', '--no-warnings', '--input-type=module', '-e', program],
    { env: { ...process.env, ...env } },
  );
  assert.equal(stderr, '');
  assert.equal(status, 0);
  return stdout.trim();
}

const isWhole = (memory: ArrayBuffer): boolean => memory.byteLength > 0;
function given(memory: ArrayBuffer): boolean {
  try {
    structuredClone(memory, { transfer: [memory] });
  } catch {
    // Asked for below.
  }
  return !isWhole(memory);
}

describe.skipIf(state.pins === undefined)(`pins${state.pins ? '' : `, but: ${state.reason}`}`, () => {
  for (const way of WAYS) {
    for (const [kind, make] of [
      ['ordinary', () => new ArrayBuffer(4096)],
      [
        'resizable',
        () =>
          new (ArrayBuffer as new (bytes: number, options: object) => ArrayBuffer)(4096, {
            maxByteLength: 8192,
          }),
      ],
    ] as const)
      it(`keep ${kind} memory from ${way.title}, and let it go afterwards`, async () => {
        const memory = make();
        new Uint8Array(memory).fill(0x6b);
        pins().pin(memory);
        const outcome = await outcomeOf(way, memory);
        assert.notEqual(outcome, 'moved');
        assert.equal(memory.byteLength, 4096);
        assert.ok(new Uint8Array(memory).every((byte) => byte === 0x6b));
        pins().unpin(memory);
        assert.equal(await outcomeOf(way, memory), outcome === 'absent' ? 'absent' : 'moved');
      });
  }

  it('leave a buffer that refuses to be given away with what it is given together with', () => {
    const [memory, other] = [new ArrayBuffer(8), new ArrayBuffer(8)];
    pins().pin(memory);
    try {
      structuredClone([other, memory], { transfer: [other, memory] });
    } catch {
      assert.ok(isWhole(other), 'all or none');
    }
    assert.ok(isWhole(memory));
    pins().unpin(memory);
  });

  it('count', () => {
    const memory = new ArrayBuffer(8);
    for (let time = 0; time < 3; time++) pins().pin(memory);
    for (let time = 0; time < 2; time++) {
      pins().unpin(memory);
      assert.equal(given(memory), false);
    }
    pins().unpin(memory);
    assert.equal(given(memory), true);
  });

  it('of one buffer say nothing about another', () => {
    const memories = Array.from({ length: 100 }, () => new ArrayBuffer(8));
    for (const memory of memories) pins().pin(memory);
    memories.forEach((memory, nr) => {
      if (nr % 3 === 0) pins().unpin(memory);
    });
    assert.deepEqual(
      memories.map(given),
      memories.map((_, nr) => nr % 3 === 0),
    );
    for (const memory of memories) pins().unpin(memory);
    assert.ok(memories.every((memory, nr) => nr % 3 === 0 || given(memory)));
  });

  it('do nothing to what cannot be given away, is gone, or was never pinned', () => {
    const shared = new SharedArrayBuffer(WASM_PAGE_BYTES);
    const slab = pageAlignedBuffer(WASM_PAGE_BYTES);
    const gone = new ArrayBuffer(WASM_PAGE_BYTES);
    assert.equal(given(gone), true);
    for (const memory of [shared, slab, gone]) {
      pins().pin(memory);
      assert.equal(pins().hold(memory), memory);
      pins().unpin(memory);
      pins().unpin(memory);
    }
    const never = new ArrayBuffer(8);
    pins().unpin(never);
    pins().pin(never);
    assert.equal(given(never), false);
    pins().unpin(never);
    assert.equal(given(never), true);
    // Marked for good by Node.js itself, and so it stays.
    const pool = Buffer.allocUnsafe(8).buffer as ArrayBuffer;
    pins().pin(pool);
    pins().unpin(pool);
    assert.equal(given(pool), false);
  });

  it('hold ordinary memory by itself, pinned or not', () => {
    for (const bytes of [0, 1, 4096, WASM_PAGE_BYTES, 3 * WASM_PAGE_BYTES]) {
      const free = new ArrayBuffer(bytes);
      const pinned = new ArrayBuffer(bytes);
      pins().pin(pinned);
      for (const memory of [free, pinned, free, pinned]) {
        assert.equal(pins().hold(memory), memory);
        assert.equal(pins().isLost(memory), false);
      }
      pins().unpin(pinned);
      assert.equal(pins().hold(pinned), pinned);
    }
  });

  it('hold a WebAssembly memory by another buffer over the same bytes, one for all of its requests', () => {
    const memory = new Memory({ initial: 1, maximum: 10 });
    const before = memory.buffer;
    const held = pins().hold(before);
    assert.notEqual(held, before);
    for (let time = 0; time < 100; time++) assert.equal(pins().hold(before), held);
    assert.equal(memory.grow(2), 1);
    assert.equal(before.byteLength, 0);
    assert.equal(pins().hold(before), before);
    new Uint8Array(held)[5] = 6;
    assert.equal(new Uint8Array(memory.buffer)[5], 6);
    assert.equal(pins().isLost(held), false);
    const next = pins().hold(memory.buffer);
    assert.equal(next.byteLength, 3 * WASM_PAGE_BYTES);
    assert.equal(pins().isLost(next), false);
  });

  it('hold all of a memory that grows without losing its buffer', ({ skip }) => {
    const memory = new Memory({ initial: 1, maximum: 10 });
    if (memory.toResizableBuffer === undefined) return skip('Node.js 26 has such memories');
    const buffer = memory.toResizableBuffer();
    const small = pins().hold(buffer);
    assert.equal(small.byteLength, WASM_PAGE_BYTES);
    memory.grow(1);
    const large = pins().hold(buffer);
    assert.equal(large.byteLength, 2 * WASM_PAGE_BYTES);
    new Uint8Array(large)[WASM_PAGE_BYTES] = 7;
    assert.equal(new Uint8Array(memory.buffer)[WASM_PAGE_BYTES], 7);
  });

  for (const row of [
    'it grows while it is held, and what is written to what is held arrives',
    'it grows after it was pinned and held',
    'its bytes stay while they are held, though all else is gone, and are unmapped afterwards',
    'one that had no room to grow in, and was moved, is told apart',
  ])
    it(`hold a WebAssembly memory: ${row}`, () => {
      const { stdout, stderr } = run(process.execPath, [
        '--expose-gc',
        '--no-warnings',
        '--disable-wasm-trap-handler',
        PROGRAM,
        'wasm',
        row,
      ]);
      assert.deepEqual({ stdout, stderr }, { stdout: 'yes\n', stderr: '' });
    });

  it('do not ask the memory, nor anything that a program may have replaced', () => {
    const program = `
      import { nativePins } from '${native}';
      const pins = nativePins();
      const fail = () => { throw new Error('asked'); };
      const { byteLength } = Object.getOwnPropertyDescriptors(ArrayBuffer.prototype);
      const length = (memory) => byteLength.get.call(memory);
      const memory = new ArrayBuffer(65536);
      const wasm = new WebAssembly.Memory({ initial: 1, maximum: 3 });
      const { buffer } = wasm;
      for (const one of [memory, buffer])
        for (const name of ['byteLength', 'constructor', 'slice', Symbol.toStringTag, Symbol.species])
          Object.defineProperty(one, name, { get: fail });
      const clone = structuredClone;
      Object.setPrototypeOf(memory, null);
      for (const type of [Map, WeakMap, WeakRef])
        for (const name of ['get', 'set', 'has', 'delete', 'deref'])
          if (name in type.prototype) type.prototype[name] = fail;
      Object.defineProperty(ArrayBuffer.prototype, 'byteLength', { get: fail });
      pins.pin(memory);
      pins.pin(memory);
      pins.unpin(memory);
      const same = pins.hold(memory) === memory;
      const held = pins.hold(buffer);
      const again = pins.hold(buffer) === held;
      try { clone(null, { transfer: [memory] }); } catch {}
      const whole = length(memory);
      pins.unpin(memory);
      console.log(same, again, held !== buffer, whole, pins.isLost(held));`;
    assert.equal(printed(program), 'true true true 65536 false');
  });

  it('pin what was only taken for memory that is fixed', () => {
    const program = `
      const { Memory } = WebAssembly;
      WebAssembly.Memory = class { buffer = new ArrayBuffer(65536); };
      const { alignedBuffer } = await import('${native.replace('native/index.js', 'index.js')}');
      const { nativePins } = await import('${native}');
      const { buffer } = alignedBuffer(4096);
      for (let time = 0; time < 2; time++) nativePins().pin(buffer);
      try { structuredClone(null, { transfer: [buffer] }); } catch {}
      console.log(buffer.byteLength > 0);`;
    assert.equal(printed(program), 'true');
  });

  it('hold in worker threads, many at a time, with the garbage collector between any two', () => {
    const program = `
      import { Worker } from 'node:worker_threads';
      const source = \`
        import { nativePins } from '${native}';
        const pins = nativePins();
        const gone = (memory) => {
          try { structuredClone(null, { transfer: [memory] }); } catch {}
          return memory.byteLength === 0;
        };
        const queue = [];
        const memories = Array.from({ length: 20 }, () => new WebAssembly.Memory({ initial: 1, maximum: 500 }));
        let held = [];
        for (let round = 0; round < 30_000; round++) {
          const memory = new ArrayBuffer(64 + (round % 3) * 4096);
          pins.pin(memory);
          queue.push(memory);
          const wasm = memories[round % memories.length];
          held.push(pins.hold(wasm.buffer));
          if (round % 97 === 0 && wasm.buffer.byteLength < 400 * 65536) wasm.grow(1);
          if (round % 300 === 0) held = held.slice(-20);
          if (round % 3000 === 0) gc();
          if (queue.length < 300) continue;
          const first = queue.shift();
          if (round % 7 === 0 && gone(first)) throw new Error('given away while pinned');
          pins.unpin(first);
          if (round % 7 === 0 && !gone(first)) throw new Error('fixed for good');
        }
        if (held.slice(-20).some((one) => pins.isLost(one))) throw new Error('lost');
        console.log('fine');\`;
      const url = new URL('data:text/javascript,' + encodeURIComponent(source));
      for (let nr = 0; nr < 3; nr++) new Worker(url).on('error', (error) => { throw error; });
      await import(url);`;
    assert.equal(printed(program), 'fine\nfine\nfine\nfine');
  });

  it('are the same for two copies of the package that share the addon', () => {
    const program = `
      import { nativePins } from '${native}';
      const { nativePins: copied } = await import('${native.replace('index.js', 'pins.js')}?copy');
      const memory = new ArrayBuffer(8);
      nativePins().pin(memory);
      copied().pin(memory);
      nativePins().unpin(memory);
      try { structuredClone(null, { transfer: [memory] }); } catch {}
      console.log(copied === nativePins, memory.byteLength);`;
    assert.equal(printed(program), 'false 8');
  });

  it.each([
    [
      'an engine that is not Node.js',
      "Object.defineProperty(process, 'versions', { value: { ...process.versions, electron: '40.0.0' } })",
      'they have not been tried in electron',
    ],
    [
      'one that changes memory that is pinned',
      'globalThis.structuredClone = (memory) => new Uint8Array(memory).fill(9)',
      'pinned memory can be moved',
    ],
    [
      'one that never moves any',
      'globalThis.structuredClone = (memory) => memory',
      'memory that was pinned stays fixed',
    ],
  ])('are none, with the reason, in %s', (_title, before, reason) => {
    const program = `
      ${before};
      const { nativePins, pinsState } = await import('${native}');
      console.log(nativePins(), pinsState().reason);`;
    assert.equal(printed(program), `undefined ${reason}`);
  });
});

describe('without the addon', () => {
  it('there are no pins, and the reason is told', () => {
    const program = `
      import { nativePins, pinsState } from '${native}';
      console.log(nativePins(), pinsState().reason);`;
    assert.match(
      printed(program, { KAIO_ADDON: '0' }),
      /^undefined there is no addon: (?:KAIO_ADDON=0 refuses it|there is none for )/,
    );
  });
});
