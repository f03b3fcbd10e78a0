/** Arguments that programs call methods with: mostly usual ones, and odd ones of each kind. */
import type { Random } from '../fuzz/random.ts';
import type { BytesKind, Method, Value } from './program.ts';
import type { FileScope } from './scope.ts';

const ENCODINGS = ['utf8', 'hex', 'base64', 'latin1', 'utf16le', 'ascii', 'binary', 'base64url'] as const;
const ODD_ENCODINGS: readonly Value[] = ['nonsense', '', null, undefined, 7, 'UTF-8', 'buffer', {}, 'HEX'];
const TEXTS = ['x', 'hello', '', 'line\n', 'ünïcödé', 'abc', 'ff00', 'fff', 'zz', 'a\r\nb\rc\n', '\u{1f600}'];
const ODD_DATA: readonly Value[] = [7, {}, null, undefined, true, 1n, [], { $: 'function' }, { $: 'symbol' }];
const ODD_THINGS: readonly Value[] = [
  7,
  -1,
  'text',
  null,
  undefined,
  true,
  {},
  [],
  1n,
  Number.NaN,
  { $: 'function' },
  { $: 'symbol' },
  { $: 'date', ms: 5 },
];
const LENGTHS = [0, 1, 2, 5, 10, 61, 100] as const;
/** More than most programs move. */
export const LONG = [4096, 5000, 16_384, 20_000, 65_536, 70_001] as const;
/** Longer than what `writeFile` and `readFile` of Node.js move at once. */
const LONGEST = 540_000;
const KINDS: readonly BytesKind[] = [
  'Uint8Array',
  'Uint16Array',
  'Float64Array',
  'DataView',
  'ArrayBuffer',
  'SharedArrayBuffer',
];
const POSITIONS = [0, 1, 5, 30, 58, 60, 4096, 15_000, 19_990] as const;
const ODD_POSITIONS: readonly Value[] = [
  -1,
  Number.NaN,
  -5,
  -0,
  1.5,
  '1',
  '',
  {},
  true,
  Infinity,
  -Infinity,
  -1n,
  -2n,
  0n,
  3n,
  2 ** 53,
  2n ** 63n,
  2n ** 70n,
  [],
  { $: 'function' },
];

/** How many bytes programs move: seldom many. */
export function length(random: Random): number {
  return random.mostly(LENGTHS, 12, random.once(20) ? [LONGEST] : LONG);
}

export function bytes(random: Random, most = Infinity): Value {
  const as: BytesKind = random.mostly(['Buffer'], 8, KINDS);
  const size = Math.min(most, length(random));
  return {
    $: 'bytes',
    length: size,
    ...(as === 'Buffer' ? {} : { as }),
    ...(random.once(2) ? { fill: random.below(90) } : {}),
  };
}

function text(random: Random): Value {
  if (random.once(25)) return { $: 'text', length: random.pick(LONG), fill: random.pick(['y', 'ü', 'z\n']) };
  return random.pick(TEXTS);
}

/** What can be written as one piece. */
export function data(random: Random): Value {
  if (random.once(20)) return random.pick(ODD_DATA);
  return random.once(3) ? text(random) : bytes(random);
}

export function position(random: Random): Value {
  if (random.once(4)) return random.pick(ODD_POSITIONS);
  return random.once(2) ? random.pick([null, undefined]) : random.pick(POSITIONS);
}

function offset(random: Random): Value {
  return random.mostly([0, 0, null, undefined, 1], 6, [
    3,
    11,
    200,
    -1,
    1.5,
    '1',
    Number.NaN,
    2n,
    {},
    Infinity,
  ]);
}

/** Node.js before 26 ends the process in some places where a length is no integer. */
function amount(random: Random, { major }: FileScope): Value {
  const usual = random.mostly([null, undefined, 1, 2, 5], 6, [0, 7, 61, 500, -1, 2 ** 31, 2 ** 33]);
  if (major < 26 || !random.once(20)) return usual;
  return random.pick([1.5, '3', Number.NaN, 2n, {}, true, Infinity]);
}

/** Options of a transfer, whose keys are odd or missing now and then. */
function transferOptions(random: Random, scope: FileScope, withBuffer?: Value): Value {
  const options: Record<string, Value> = {};
  if (withBuffer !== undefined) options.buffer = withBuffer;
  if (random.once(3)) options.offset = offset(random);
  if (random.once(3)) options.length = amount(random, scope);
  if (random.once(2)) options.position = position(random);
  if (random.once(8))
    options.signal = random.mostly([null, undefined], 8, [{ $: 'signal', state: 'aborted' }]);
  if (random.once(12)) options.other = 7;
  return options;
}

function readArguments(random: Random, scope: FileScope): Value[] {
  const into = random.once(25) ? random.pick(ODD_DATA) : bytes(random);
  switch (random.below(7)) {
    case 0:
      return [into];
    case 1:
      return [into, transferOptions(random, scope)];
    case 2:
      return [transferOptions(random, scope, into)];
    case 3:
      return random.once(3)
        ? [random.pick([undefined, null, {}, { signal: null }])]
        : [into, offset(random), amount(random, scope)];
    case 4:
      return [into, null, null, position(random)];
    default:
      return [into, offset(random), amount(random, scope), position(random)];
  }
}

function writeArguments(random: Random, scope: FileScope): Value[] {
  if (random.once(3)) {
    const string = text(random);
    switch (random.below(4)) {
      case 0:
        return [string];
      case 1:
        return [string, position(random)];
      default:
        return [string, position(random), encoding(random)];
    }
  }
  const from = random.once(25) ? random.pick(ODD_DATA) : bytes(random);
  switch (random.below(5)) {
    case 0:
      return [from];
    case 1:
      return [from, transferOptions(random, scope)];
    case 2:
      return [from, offset(random), amount(random, scope)];
    default:
      return [from, offset(random), amount(random, scope), position(random)];
  }
}

function vectors(random: Random): Value[] {
  if (random.once(15)) return [random.pick(ODD_THINGS)];
  const count = random.mostly([1, 2, 3], 10, [0, 5]);
  const buffers: Value[] = [];
  for (let at = 0; at < count; at++)
    buffers.push(random.once(25) ? random.pick(ODD_DATA) : bytes(random, 5000));
  return random.once(2) ? [buffers] : [buffers, position(random)];
}

export function encoding(random: Random): Value {
  return random.once(6) ? random.pick(ODD_ENCODINGS) : random.pick(ENCODINGS);
}

function signal(random: Random): Value {
  if (random.once(6)) return random.pick([null, undefined, {}, 7, 'aborted']);
  return { $: 'signal', state: random.pick(['aborted', 'later', 'later']) };
}

function wholeOptions(random: Random, keys: readonly string[]): Value {
  if (random.once(12)) return random.pick(ODD_THINGS);
  if (random.once(3)) return encoding(random);
  const options: Record<string, Value> = {};
  for (const key of keys) {
    if (!random.once(3)) continue;
    if (key === 'encoding') options.encoding = encoding(random);
    else if (key === 'signal') options.signal = signal(random);
    else if (key === 'flush') options.flush = random.mostly([true, false], 3, ['y', 1, null, undefined]);
    else if (key === 'mode') options.mode = random.pick([0o600, '600', 'x', -1]);
    else options.flag = random.pick(['r', 'w', 'a', 'x']);
  }
  return options;
}

/** Something that `writeFile` iterates. */
function iterable(random: Random): Value {
  const items: Value[] = [];
  const count = 1 + random.below(4);
  for (let at = 0; at < count; at++) items.push(random.once(20) ? random.pick(ODD_DATA) : data(random));
  const $ = random.pick(['iterable', 'async-iterable', 'readable']);
  return {
    $,
    items,
    ...(random.once(4) ? { abortAt: random.below(count) } : {}),
    ...(random.once(10) ? { throwAt: random.below(count) } : {}),
  };
}

function wholeData(random: Random): Value {
  if (random.once(4)) return iterable(random);
  if (random.once(12)) return [text(random), text(random)];
  return data(random);
}

const TIMES: readonly Value[] = [
  1,
  2.5,
  1_000_000,
  '3',
  'x',
  Number.NaN,
  null,
  undefined,
  { $: 'date', ms: 86_400_000 },
  -1,
  {},
];

/** What a method is called with. */
export function argumentsOf(random: Random, method: Method, scope: FileScope): readonly Value[] {
  switch (method) {
    case 'read':
      return readArguments(random, scope);
    case 'write':
      return writeArguments(random, scope);
    case 'readv':
    case 'writev':
      return vectors(random);
    case 'readFile':
      return random.once(3) ? [] : [wholeOptions(random, ['encoding', 'signal', 'flag'])];
    case 'writeFile':
    case 'appendFile':
      return random.once(3)
        ? [wholeData(random)]
        : [wholeData(random), wholeOptions(random, ['encoding', 'signal', 'flush', 'mode', 'flag'])];
    case 'stat':
      return random.once(2) ? [] : [random.mostly([{ bigint: true }, { bigint: false }], 4, ODD_THINGS)];
    case 'truncate':
      return random.once(4)
        ? []
        : [
            random.mostly([0, 3, 20, 100, 5000, 90_000], 4, [
              -1,
              1.5,
              '1',
              null,
              undefined,
              Number.NaN,
              {},
              2n,
            ]),
          ];
    case 'utimes':
      return [random.pick(TIMES), random.pick(TIMES)];
    case 'chmod':
      return [random.mostly([0o600, 0o644, '640'], 4, ['x', -1, 1.5, null, undefined, 2 ** 32, {}])];
    case 'chown':
      // To nobody else: -1 leaves it.
      return [random.mostly([-1], 4, ['x', 1.5, null]), random.mostly([-1], 4, ['x', {}, undefined])];
    case 'sync':
    case 'datasync':
      return random.once(10) ? [7] : [];
  }
}

const ODD_STARTS: readonly Value[] = [-1, 1.5, '1', null, Number.NaN, Infinity, 3n, 2 ** 53, {}];

/** In very small pieces, and so not to the end of a long file. */
function bitByBit(random: Random, options: Record<string, Value>): void {
  options.highWaterMark = random.pick([1, 7, 16]);
  options.end = random.pick([5, 40]);
  if (options.start !== undefined) options.start = 3;
}

/** A stream that would end before it starts is refused, and FileHandle never recovers: few of those. */
function inOrder(random: Random, options: Record<string, Value>): void {
  const { start, end } = options;
  if (typeof start === 'number' && typeof end === 'number' && start > end && !random.once(30))
    options.end = start + end;
}

/** Options of `createReadStream`. */
export function readStreamOptions(random: Random): Value {
  if (random.once(4)) return random.once(8) ? random.pick([null, 7, 'utf8', {}, true]) : undefined;
  const options: Record<string, Value> = {};
  if (random.once(3)) options.start = random.mostly([0, 3, 20, 15_000], 30, ODD_STARTS);
  if (random.once(3)) options.end = random.mostly([0, 5, 40, 19_000], 30, [...ODD_STARTS, Infinity]);
  if (random.once(2)) options.highWaterMark = random.mostly([100, 1000, 4096], 40, [0, -1, 1.5, 'x', null]);
  if (random.once(8)) bitByBit(random, options);
  inOrder(random, options);
  if (random.once(5)) options.encoding = random.mostly(ENCODINGS, 30, ODD_ENCODINGS);
  if (random.once(4)) options.autoClose = random.mostly([false, true], 6, [null, 0, 'x']);
  if (random.once(6)) options.emitClose = random.mostly([false, true], 6, [null, 0]);
  if (random.once(40)) options.signal = signal(random);
  if (random.once(60)) options.fs = random.pick([{}, null, 7]);
  if (random.once(30)) options.fd = random.pick([99, null, -1]);
  return options;
}

/** Options of `createWriteStream`. */
export function writeStreamOptions(random: Random): Value {
  if (random.once(4)) return random.once(8) ? random.pick([null, 7, 'utf8', {}, true]) : undefined;
  const options: Record<string, Value> = {};
  if (random.once(3)) options.start = random.mostly([0, 3, 20, 15_000], 30, ODD_STARTS);
  if (random.once(4)) options.highWaterMark = random.mostly([1, 7, 64], 40, [0, -1, 'x', null]);
  if (random.once(5)) options.encoding = random.mostly(ENCODINGS, 30, ODD_ENCODINGS);
  // FileHandle waits for ever for one that does not close itself.
  if (random.once(12)) options.autoClose = random.mostly([false, true, true], 6, [null, 0, 'x']);
  if (random.once(6)) options.emitClose = random.mostly([false, true], 6, [null, 0]);
  if (random.once(6)) options.flush = random.mostly([true, false], 20, ['y', 1, null]);
  if (random.once(40)) options.signal = signal(random);
  if (random.once(60)) options.fs = random.pick([{}, null, 7]);
  if (random.once(30)) options.flags = random.pick(['a', 'r', 'nonsense']);
  return options;
}

/** Options of `readLines`. */
export function linesOptions(random: Random): Value {
  if (random.once(2)) return undefined;
  const options: Record<string, Value> = {};
  if (random.once(3)) options.encoding = random.mostly(['utf8', 'latin1', 'hex'], 20, ['nonsense']);
  if (random.once(3)) options.start = random.mostly([0, 3, 20], 40, ODD_STARTS);
  if (random.once(3)) options.end = random.mostly([5, 40], 40, ODD_STARTS);
  if (random.once(3)) options.highWaterMark = random.pick([100, 1000]);
  if (random.once(8)) bitByBit(random, options);
  inOrder(random, options);
  if (random.once(5)) options.autoClose = random.pick([false, true]);
  return options;
}
