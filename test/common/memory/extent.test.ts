import assert from 'node:assert/strict';
import { runInNewContext } from 'node:vm';
import { describe, it } from 'vitest';
import { bytesOf, extentOf, isGone, partOf } from '../../../src/common/memory/extent.ts';

const given = (buffer: ArrayBuffer): ArrayBuffer => structuredClone(buffer, { transfer: [buffer] });
const TYPE = { code: 'ERR_INVALID_ARG_TYPE' };
const VALUE = { code: 'ERR_INVALID_ARG_VALUE' };

class Longer extends Uint8Array {
  override get byteLength(): number {
    return 60_000;
  }
  override get byteOffset(): number {
    return 60_000;
  }
}

describe('what is known of a view', () => {
  it.each<[string, () => ArrayBufferView]>([
    ['an own byteLength', () => Object.defineProperty(new Uint8Array(16), 'byteLength', { value: 60_000 })],
    ['an own byteOffset', () => Object.defineProperty(new Uint8Array(16), 'byteOffset', { value: 60_000 })],
    [
      'an own buffer that is larger',
      () => Object.defineProperty(new Uint8Array(16), 'buffer', { value: new ArrayBuffer(60_000) }),
    ],
    ['an own buffer that is none', () => Object.defineProperty(new Uint8Array(16), 'buffer', { value: 'x' })],
    ['a subclass with getters', () => new Longer(16)],
    ['a prototype of another type', () => Object.setPrototypeOf(new Uint8Array(16), Float64Array.prototype)],
    ['no prototype', () => Object.setPrototypeOf(new Uint8Array(16), null)],
    [
      'a DataView with an own byteLength',
      () => Object.defineProperty(new DataView(new ArrayBuffer(16)), 'byteLength', { value: 1 }),
    ],
    [
      'a tag that says something else',
      () => Object.defineProperty(new Uint8Array(16), Symbol.toStringTag, { value: 'DataView' }),
    ],
    ['a view of another realm', () => runInNewContext('new Uint8Array(16)') as Uint8Array],
  ])('is what the engine knows, whatever it says: %s', (_title, make) => {
    const { start, length } = extentOf('buffer', make());
    assert.deepEqual({ start, length }, { start: 0, length: 16 });
  });

  it.each<[string, ArrayBufferLike]>([
    ['an ArrayBuffer', new ArrayBuffer(3)],
    ['a SharedArrayBuffer', new SharedArrayBuffer(3)],
  ])('is no more than fits into a memory that it names by a property of its own: %s', (_title, value) => {
    for (const view of [new Uint8Array(new ArrayBuffer(20), 4), new DataView(new ArrayBuffer(20), 4)]) {
      const { memory, start, length } = extentOf('buffer', Object.defineProperty(view, 'buffer', { value }));
      assert.deepEqual([memory.byteLength, start, length], [20, 4, 3]);
    }
  });

  it('asks no getter of that name', () => {
    let asked = 0;
    const get = (): ArrayBuffer => {
      asked++;
      return new ArrayBuffer(1);
    };
    assert.equal(extentOf('buffer', Object.defineProperty(new Uint8Array(16), 'buffer', { get })).length, 16);
    assert.equal(asked, 0);
  });

  it('asks getters that change nothing', () => {
    let asked = 0;
    const view = Object.defineProperty(new Uint8Array(16), 'byteLength', { get: () => asked++ });
    assert.equal(extentOf('buffer', view).length, 16);
    assert.equal(asked, 0);
  });

  it.each<[string, unknown]>([
    ['a proxy', new Proxy(new Uint8Array(16), {})],
    ['memory itself', new ArrayBuffer(16)],
    [
      'an object with the properties of a view',
      { buffer: new ArrayBuffer(16), byteOffset: 0, byteLength: 16 },
    ],
    ['nothing', undefined],
  ])('is refused for what is none: %s', (_title, value) => {
    assert.throws(() => extentOf('buffer', value), TYPE);
  });

  it('is refused for memory that is gone, also of a DataView, which says nothing then', () => {
    for (const viewOf of [
      (memory: ArrayBuffer) => new Uint8Array(memory),
      (memory: ArrayBuffer) => new DataView(memory),
    ]) {
      const buffer = new ArrayBuffer(16);
      const view = viewOf(buffer);
      given(buffer);
      assert.throws(() => extentOf('buffer', view), VALUE);
    }
  });

  it('is refused for memory that may shrink', () => {
    const resizable = Reflect.construct(ArrayBuffer, [16, { maxByteLength: 32 }]) as ArrayBuffer;
    assert.throws(() => extentOf('buffer', new Uint8Array(resizable)), VALUE);
  });

  it('tells afterwards whether the memory has gone', () => {
    const buffer = new ArrayBuffer(16);
    const extent = extentOf('buffer', new Uint8Array(buffer, 4, 8));
    assert.deepEqual([isGone(extent), bytesOf(partOf(extent, 2)).byteOffset], [false, 6]);
    given(buffer);
    assert.equal(isGone(extent), true);
    assert.equal(isGone(extentOf('buffer', new Uint8Array(0))), false);
  });
});
