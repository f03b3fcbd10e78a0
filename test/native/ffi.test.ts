import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, it } from 'vitest';
import { CLI, run } from '../support/kaio.ts';

const native = pathToFileURL(join(dirname(dirname(CLI)), 'native/index.js')).href;

/** What a child with these variables says of its foreign function interface. `before` runs before kaio is loaded. */
function ffiOf(env: Readonly<Record<string, string>>, before = ''): string {
  const program = `${before}
    const { ffiInUse } = await import('${native}');
    try { console.log(ffiInUse().name); } catch (error) { console.log(error.message.split('\\n')[0]); }`;
  const { stdout } = run(process.execPath, ['--no-warnings', '--input-type=module', '--eval', program], {
    env: { ...process.env, ...env },
  });
  return stdout.trim();
}

/** A `node:ffi` over koffi, of which one part is another. */
const fake = (part: string): string => `
  import { createRequire } from 'node:module';
  const koffi = createRequire('${native}')('koffi');
  const C = { int32: 'int', int64: 'long', pointer: 'uintptr_t' };
  class DynamicLibrary {
    constructor(path) { this.library = koffi.load(path); }
    getFunction(name, signature) {
      const bound = this.library.func(name, C[signature.return], signature.arguments.map(() => 'int64'));
      return signature.return === 'int32' ? bound : (...words) => BigInt(bound(...words));
    }
  }
  const ffi = {
    DynamicLibrary,
    getRawPointer: (view) => koffi.address(view),
    toArrayBuffer: (pointer, length) => koffi.view(pointer, length),
    ${part}
  };
  process.getBuiltinModule = (name) => name === 'node:ffi' ? ffi : undefined;`;

describe.runIf(process.platform === 'linux')('the foreign function interface', () => {
  it('is koffi where it is installed, and what KAIO_FFI asks for', () => {
    assert.equal(ffiOf({}), 'koffi');
    assert.equal(ffiOf({ KAIO_FFI: 'koffi' }), 'koffi');
    assert.match(ffiOf({ KAIO_FFI: 'libffi' }), /KAIO_FFI asks for 'libffi': there is auto, koffi, node/);
    assert.match(ffiOf({ KAIO_FFI: 'node' }), /^node:ffi( is not in this Node\.js|$)/);
  });

  it('is tried before anything depends on it', () => {
    const env = { KAIO_FFI: 'node' };
    assert.equal(ffiOf(env, fake('')), 'node:ffi');
    assert.match(ffiOf(env, fake('getRawPointer: () => 4096n,')), /addresses are wrong/);
    assert.match(
      ffiOf(env, fake('toArrayBuffer: (_, length) => new ArrayBuffer(length),')),
      /errno cannot be read/,
    );
  });
});
