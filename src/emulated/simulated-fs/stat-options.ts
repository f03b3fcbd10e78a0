/** Options of stat, lstat and fstat that are none: what becomes of them is not the same in each version of Node, and is read off its functions. */
import { invalidArgType } from '../../common/validate.ts';
import { realFs } from './admission.ts';
import type { Call } from './faces.ts';

/** As a promise, an object is asked for. */
const WANTS_OBJECT = String(realFs.promises.stat).includes('validateObject(options');

type Operation = (at: unknown, options: unknown) => ReturnType<Call['operation']>;

function isObject(options: unknown): boolean {
  return typeof options === 'object' && options !== null;
}

function judged(call: Call, judge: (options: unknown) => unknown): Call {
  const operation = call.operation as Operation;
  return { ...call, operation: (at: unknown, options: unknown) => operation(at, judge(options)) };
}

/** With a callback, where what is no object may be no option. */
export function withCallback(name: 'fstat' | 'lstat' | 'stat', call: Call): Call {
  if (!String(realFs[name]).includes('options === null')) return call;
  return judged(call, (options) => (isObject(options) ? options : undefined));
}

/** Of a path: FileHandles take anything. */
export function asPromise(call: Call): Call {
  if (!WANTS_OBJECT) return call;
  return judged(call, (options) => {
    if (options !== undefined && (!isObject(options) || Array.isArray(options)))
      throw invalidArgType('options', 'of type object', options);
    return options;
  });
}
