/** What kaio uses of the module `node:ffi`, which is an experiment of Node's. */
import { AioStateError } from '../common/errors.ts';
import type { Word } from '../common/kernel/aio-kernel.ts';

export interface NodeFfi {
  readonly DynamicLibrary: new (path: string | null) => DynamicLibrary;
  getRawPointer(source: ArrayBufferView | ArrayBuffer): bigint;
  getCurrentEventLoop(): bigint;
  toArrayBuffer(pointer: bigint, length: number, copy: false): ArrayBuffer;
  toString(pointer: bigint): string | null;
}

interface Signature {
  readonly arguments: readonly string[];
  readonly return: string;
}

export interface DynamicLibrary {
  getFunction(name: string, signature: Signature): (...words: readonly Word[]) => number | bigint;
  getSymbol(name: string): bigint;
  registerCallback(signature: Signature, callback: (...words: readonly unknown[]) => void): bigint;
  unregisterCallback(pointer: bigint): void;
}

/** `getBuiltinModule` asks for no package and emits the warning of an experiment only when there is one. */
export function loadNodeFfi(): NodeFfi {
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => NodeFfi | undefined };
  const ffi = getBuiltinModule?.('node:ffi');
  if (ffi === undefined)
    throw new AioStateError(
      'ERR_AIO_BACKEND_UNAVAILABLE',
      `node:ffi is not in this Node.js (${process.version}), or is switched off`,
    );
  return ffi;
}
