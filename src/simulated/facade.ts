/** What takes the place of `node:fs`: whatever is asked of it, the current simulation answers, or the host where there is none. */
import type * as NodeFs from 'node:fs';
import { promisify } from 'node:util';
import { AioStateError } from '../common/errors.ts';
import { current } from './current.ts';

type Loose = Readonly<Record<string, unknown>>;
type Callable = ((...args: unknown[]) => unknown) & Readonly<Record<string | symbol, unknown>>;

const host = process.getBuiltinModule('node:fs');
/** Modules that have no file find it by this. */
const PLACE = Symbol.for('kaio.simulated.fs');

/** `node:fs` of the current simulation. */
export const fs: typeof NodeFs = facadeOver(host as unknown as Loose, simulatedFs) as never;
/** `node:fs/promises` of the current simulation. */
export const promises: typeof NodeFs.promises = facadeOver(
  host.promises as unknown as Loose,
  () => current()?.fs.promises as unknown as Loose,
) as never;
Object.assign(fs, { promises });
Object.defineProperty(globalThis, PLACE, { value: { fs, promises }, configurable: true });

function facadeOver(of: Loose, simulated: () => Loose | undefined): Loose {
  const facade: Record<string, unknown> = {};
  for (const name of Object.keys(of)) {
    // A look at one of these warns that it is old.
    if (/^[FRWX]_OK$/.test(name)) continue;
    const value = of[name];
    facade[name] = typeof value === 'function' ? delegate(name, value as Callable, simulated) : value;
  }
  return facade;
}

/** A function, or class, that is asked for when it is called. */
function delegate(name: string, own: Callable, simulated: () => Loose | undefined): Callable {
  const found = (): Callable => {
    const other = simulated();
    if (other === undefined) return own;
    const method = other[name];
    if (typeof method === 'function') return method as Callable;
    throw new AioStateError('ERR_AIO_UNSUPPORTED', `There is no ${name}() in a simulation`);
  };
  function delegated(this: unknown, ...args: unknown[]): unknown {
    const method = found();
    return new.target === undefined ? method.apply(this, args) : Reflect.construct(method, args);
  }
  const part = (key: string | symbol) => ({
    value: (...args: unknown[]) => (found()[key] as Callable)(...args),
    configurable: true,
  });
  Object.defineProperty(delegated, 'name', { value: name, configurable: true });
  // Of a class, `instanceof` asks for this.
  if (own.prototype !== undefined) Object.defineProperty(delegated, 'prototype', { value: own.prototype });
  if (own.native !== undefined)
    Object.defineProperty(delegated, 'native', { ...part('native'), enumerable: true });
  const hasPair = ['read', 'write', 'readv', 'writev', 'exists'].includes(name) && simulated === simulatedFs;
  if (hasPair) Object.defineProperty(delegated, promisify.custom, part(promisify.custom));
  return delegated as unknown as Callable;
}

function simulatedFs(): Loose | undefined {
  return current()?.fs as unknown as Loose | undefined;
}

export function isFs(specifier: string): boolean {
  return /^(node:)?fs(\/promises)?$/.test(specifier);
}

/** What `require` answers. */
export function facadeOf(specifier: string): unknown {
  return specifier.endsWith('promises') ? promises : fs;
}

/** The URL of an ECMAScript module with the names that `node:fs` has here. */
export function facadeModule(specifier: string): string {
  const [own, key] = specifier.endsWith('promises') ? [promises, 'promises'] : [fs, 'fs'];
  const names = Object.keys(own).filter((name) => /^\w+$/.test(name) && name !== 'default');
  const source = [
    `const own = globalThis[Symbol.for('kaio.simulated.fs')].${key};`,
    'export default own;',
    ...names.map((name, at) => `const own${at} = own.${name}; export { own${at} as ${name} };`),
  ].join('\n');
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
