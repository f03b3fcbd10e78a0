/** Views that say other things of themselves than they are, signals and vectors of that kind. */
import type { SignalLie, VectorLie, ViewShape, ViewType } from './program.ts';

const LIE_BYTES = 2048;

const WIDTHS: Readonly<Record<ViewType, number>> = {
  Uint8Array: 1,
  Buffer: 1,
  DataView: 1,
  Float64Array: 8,
  BigUint64Array: 8,
};

class Longer extends Uint8Array {
  override get byteLength(): number {
    return super.byteLength + LIE_BYTES;
  }
  override get length(): number {
    return super.length + LIE_BYTES;
  }
}

/** How many bytes a view of a type has when it is to have `bytes`. */
export function roundedFor(type: ViewType, bytes: number): number {
  return Math.floor(bytes / WIDTHS[type]) * WIDTHS[type];
}

function plainView(
  type: ViewType,
  buffer: ArrayBufferLike,
  from: number,
  bytes: number,
): NodeJS.ArrayBufferView {
  switch (type) {
    case 'Uint8Array':
      return new Uint8Array(buffer, from, bytes);
    case 'Buffer':
      return Buffer.from(buffer as ArrayBuffer, from, bytes);
    case 'DataView':
      return new DataView(buffer, from, bytes);
    case 'Float64Array':
      return new Float64Array(buffer, from, bytes / 8);
    case 'BigUint64Array':
      return new BigUint64Array(buffer, from, bytes / 8);
  }
}

function own(view: NodeJS.ArrayBufferView, name: string, descriptor: PropertyDescriptor): void {
  Object.defineProperty(view, name, { configurable: true, ...descriptor });
}

/**
 * A view of bytes, and its lie.
 *
 * @param elsewhere - Memory that it may say it is a view of.
 * @param asked - Called when its `byteLength` is asked for.
 */
export function makeView(
  { type, lie }: Pick<ViewShape, 'type' | 'lie'>,
  buffer: ArrayBufferLike,
  from: number,
  bytes: number,
  elsewhere: () => ArrayBufferLike,
  asked: (() => void) | undefined,
): NodeJS.ArrayBufferView {
  let view = plainView(type, buffer, from, bytes);
  let questions = 0;
  switch (lie) {
    case 'own byteLength, longer':
      own(view, 'byteLength', { value: bytes + LIE_BYTES });
      break;
    case 'own byteLength, shorter':
      own(view, 'byteLength', { value: bytes >> 1 });
      break;
    case 'own length':
      own(view, 'length', { value: bytes + LIE_BYTES });
      break;
    case 'own byteOffset':
      own(view, 'byteOffset', { value: from - LIE_BYTES });
      break;
    case 'own buffer':
      own(view, 'buffer', { value: elsewhere() });
      break;
    case 'subclass':
      view = new Longer(buffer as ArrayBuffer, from, bytes);
      break;
    case 'byteLength changes':
      own(view, 'byteLength', { get: () => (questions++ === 0 ? bytes : bytes + LIE_BYTES) });
      break;
    case 'byteOffset changes':
      own(view, 'byteOffset', { get: () => (questions++ === 0 ? from : from - LIE_BYTES) });
      break;
    case 'no prototype':
      Object.setPrototypeOf(view, null);
      break;
    case "another's prototype":
      Object.setPrototypeOf(view, type === 'DataView' ? Uint8Array.prototype : DataView.prototype);
      break;
    case 'species':
      own(view, 'constructor', {
        value: {
          [Symbol.species]: function Species(): Uint8Array {
            return new Uint8Array(elsewhere());
          },
        },
      });
      break;
    case 'proxy':
      view = new Proxy(view, {});
      break;
    default:
  }
  if (asked !== undefined) {
    own(view, 'byteLength', {
      get: () => {
        asked();
        return bytes;
      },
    });
  }
  return view;
}

/** A vector, and its lie. */
export function makeVector<T>(elements: readonly T[], lie: VectorLie | undefined): T[] {
  const vector = [...elements];
  let questions = 0;
  switch (lie) {
    case 'hole':
      // A length beyond the last element.
      vector.length += 1;
      break;
    case 'own map':
      Object.defineProperty(vector, 'map', { value: () => [] });
      break;
    case 'element changes':
      if (vector.length > 0) {
        const [first] = vector;
        const other = vector.at(-1);
        Object.defineProperty(vector, 0, { get: () => (questions++ === 0 ? first : other) });
      }
      break;
    case 'length changes':
      return new Proxy(vector, {
        get: (target, name) => {
          if (name === 'length' && questions++ > 0) return target.length + 1;
          return Reflect.get(target, name) as unknown;
        },
      });
    case 'proxy':
      return new Proxy(vector, {});
    default:
  }
  return vector;
}

/** A signal, and its lie. */
export function makeSignal(signal: AbortSignal, lie: SignalLie | undefined): AbortSignal {
  switch (lie) {
    case 'own aborted':
      // On the signal itself: it may be a listener's or another request's too.
      Object.defineProperty(signal, 'aborted', { configurable: true, get: () => false });
      return signal;
    case 'own addEventListener':
      Object.defineProperty(signal, 'addEventListener', {
        configurable: true,
        value: () => {
          throw Object.assign(new Error('on purpose'), { code: 'ON_PURPOSE' });
        },
      });
      return signal;
    case 'own reason':
      Object.defineProperty(signal, 'reason', {
        configurable: true,
        get: () => {
          throw Object.assign(new Error('on purpose'), { code: 'ON_PURPOSE' });
        },
      });
      return signal;
    case 'no slots':
      return Object.create(AbortSignal.prototype) as AbortSignal;
    default:
      return signal;
  }
}

/** The same object, whose properties are something else from the second question on. */
export function changing<T extends object>(object: T): T {
  for (const [name, { value, get, set }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    // It changes already.
    if (set !== undefined) continue;
    let questions = 0;
    const ask = (): unknown => {
      if (questions++ > 0) return 'nonsense';
      return get === undefined ? (value as unknown) : (get.call(object) as unknown);
    };
    Object.defineProperty(object, name, { configurable: true, enumerable: true, get: ask, set: () => {} });
  }
  return object;
}

/** What looks like no view at all. */
export function isOdd({ lie }: ViewShape): boolean {
  return lie === 'proxy' || lie === 'no prototype' || lie === "another's prototype";
}
