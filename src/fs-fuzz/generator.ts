/** Programs over a file system, made up by a seed. */
import { constants } from 'node:fs';
import { Random } from '../fuzz/random.ts';
import { FACES, type FsProgram, SLOTS, type Step, type Value } from './program.ts';

const LEAST_STEPS = 4;
const MOST_STEPS = 36;
const NAMES = ['a', 'b', 'c', 'dd', 'é'];
const ODD_NAMES = ['.hidden', 'n'.repeat(255), 'n'.repeat(256), 'with space', '%41'];
const FLAGS = ['r', 'r+', 'w', 'w+', 'wx', 'wx+', 'a', 'a+', 'ax', 'as', 'rs', 'rs+'];
const ODD_FLAGS: readonly Value[] = [
  'z',
  '',
  null,
  undefined,
  constants.O_RDONLY,
  constants.O_RDWR | constants.O_CREAT,
  constants.O_WRONLY | constants.O_APPEND,
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  constants.O_DIRECTORY,
  constants.O_NOFOLLOW,
  constants.O_TRUNC,
  constants.O_RDWR | constants.O_TRUNC,
  1.5,
  {},
];
const MODES: readonly Value[] = [0o600, 0o644, 0o755, '600', '0755', 0o7777, 0o444, 0];
const ODD_MODES: readonly Value[] = ['9', 'x', -1, 2 ** 32, 1.5, null, true, {}, undefined];
const ENCODINGS: readonly Value[] = ['utf8', 'latin1', 'hex', 'base64', 'utf16le'];
const ODD_ENCODINGS: readonly Value[] = ['none', '', null, 7, 'UTF-8', 'buffer'];
const ODD_VALUES: readonly Value[] = [
  undefined,
  null,
  true,
  // Not a small one: it would be a descriptor of this process.
  999_999,
  -1,
  1.5,
  Number.NaN,
  10n,
  'text',
  {},
  [],
  { $: 'symbol' },
];
/** Text would be a path, in the directory of the process. */
const ODD_PATHS = ODD_VALUES.filter((value) => value !== -1).map((value) =>
  typeof value === 'string' ? '' : value,
);
/** A symbol aborts Node 20, and for -1 it throws where nobody catches it. */
const ODD_DESCRIPTORS = ODD_PATHS.filter((value) => typeof value !== 'object');
// Versions of libuv round others differently.
const TIMES: readonly Value[] = [
  1,
  1.5,
  123_456_789.125,
  '1234567890',
  { $: 'date', ms: 1_000_000_125 },
  { $: 'date', ms: 1_600_000_000_125 },
];
const ODD_TIMES: readonly Value[] = ['x', null, Number.NaN, {}, undefined, true, Number.POSITIVE_INFINITY];

type Make = (random: Random) => readonly Value[];

function pathText(random: Random): string {
  const depth = random.mostly([1, 1, 1, 2, 2, 3], 30, [0, 4]);
  let text = '';
  for (let level = 0; level < depth; level++) text += `/${random.mostly(NAMES, 40, ODD_NAMES)}`;
  if (random.once(25)) text += '/';
  if (random.once(40)) text += '/.';
  if (depth > 1 && random.once(25)) text += '/..';
  if (random.once(40)) text = text.replace('/', '//');
  return text;
}

export function pathValue(random: Random): Value {
  if (random.once(80)) return random.pick(ODD_PATHS);
  if (random.once(100)) return { $: 'path', text: '/nul\0' };
  const text = pathText(random);
  if (random.once(15)) return { $: 'path', text, as: random.pick(['Buffer', 'URL']) };
  return { $: 'path', text };
}

function bytes(random: Random): Value {
  const length = random.mostly([0, 1, 5, 10, 100, 1000], 12, [4096, 5000, 70_000]);
  const fill = random.below(256);
  if (random.once(10))
    return { $: 'bytes', length: length & ~1, fill, as: random.pick(['Uint16Array', 'DataView']) };
  return { $: 'bytes', length, fill };
}

function data(random: Random): Value {
  if (random.once(30)) return random.pick(ODD_VALUES);
  if (random.once(2)) return bytes(random);
  return random.pick(['', 'text', 'täxt', { $: 'text', length: 3000 }]);
}

/** Node 20 looks at these when the host has answered, and what it throws then ends the process. */
const UNCHECKED = ['bufferSize', 'encoding', 'recursive', 'flag', 'flags'];

/** Options by their names, each there or not, and now and then something else altogether. */
function options(random: Random, fields: Readonly<Record<string, (random: Random) => Value>>): Value {
  if (random.once(3)) return undefined;
  if (random.once(30)) return random.pick(ODD_VALUES);
  const made: Record<string, Value> = {};
  for (const [name, make] of Object.entries(fields)) {
    if (random.once(2))
      made[name] = random.once(40) && !UNCHECKED.includes(name) ? random.pick(ODD_VALUES) : make(random);
  }
  return made;
}

const flag = (random: Random): boolean => random.once(2);
const encoding = (random: Random): Value => random.mostly(ENCODINGS, 8, ODD_ENCODINGS);
/** For 'buffer', which is none for content, calls complain at different moments. */
const textEncoding = (random: Random): Value => random.mostly(ENCODINGS, 8, ODD_ENCODINGS.slice(0, -1));
const flags = (random: Random): Value => random.mostly(FLAGS, 6, ODD_FLAGS);
const mode = (random: Random): Value => random.mostly(MODES, 8, ODD_MODES);
const time = (random: Random): Value => random.mostly(TIMES, 12, ODD_TIMES);
const owner = (random: Random): Value => random.mostly([0, 1000, -1], 12, [2 ** 32, -2, 'x', 1.5]);
const length = (random: Random): Value =>
  random.mostly([0, 1, 7, 100, 5000], 8, [-5, 1.5, 'x', null, undefined, 2 ** 45]);
const signal = (random: Random): Value => ({ $: 'signal', aborted: random.once(3) });
const place = (random: Random): Value =>
  random.mostly([undefined, null, 0, 1, 5, 50, 4096], 10, [-1, -2, 1.5, 'x', 3n, 2 ** 53]);
/** Mostly the same, or few would meet. */
const slot = (random: Random): number => (random.once(4) ? random.below(SLOTS) : 0);
const fd = (random: Random): Value => {
  if (random.once(40)) return random.pick([...ODD_DESCRIPTORS, 2 ** 31, 999_999]);
  return { $: 'fd', slot: slot(random) };
};
const encodingOption = (random: Random): Value =>
  random.once(4) ? encoding(random) : options(random, { encoding });
const part = (random: Random): Value => random.mostly([0, 1, 3], 8, [-1, 200, 1.5, null, undefined]);

function writeOptions(random: Random): Value {
  if (random.once(6)) return encoding(random);
  return options(random, { encoding, mode, flag: flags, flush: flag, ...(random.once(4) ? { signal } : {}) });
}

// Where Node has been already is what decides what it finds by `..`, and by `.` behind `**`.
const PATTERNS = [
  'a',
  'b',
  'dd',
  '*',
  '**',
  '**',
  '?',
  '[ab]',
  '{a,b}',
  '{a,d{c..e}}',
  '.*',
  '@(a|dd)',
  '!(a)',
  'é',
  '',
];

const isNoText = (value: Value): boolean => typeof value !== 'string';

function pattern(random: Random): string {
  const parts = Array.from({ length: random.pick([1, 2, 2, 3]) }, () => random.pick(PATTERNS));
  // From the root on it would be the host's.
  return `${random.once(8) ? './' : ''}${parts.join('/').replace(/^\/+/, '')}`;
}

function patterns(random: Random): Value {
  return random.once(5) ? [pattern(random), random.once(20) ? 7 : pattern(random)] : pattern(random);
}

/** Without a directory it would look into the one of the process. */
function globOptions(random: Random): Value {
  const cwd = { $: 'path', text: random.once(3) ? pathText(random) : '' } as const;
  const exclude: Value = random.once(2)
    ? [random.pick(['a', '**/b', 'a/**', 'd*'])]
    : random.mostly([{ $: 'excluded', name: random.pick(NAMES) }], 10, [7, ['a', 7], 'a']);
  return {
    cwd: random.once(8) ? { ...cwd, as: 'URL' } : cwd,
    ...(random.once(3) ? { exclude } : {}),
    ...(random.once(3) ? { withFileTypes: flag(random) } : {}),
    ...(random.once(6) ? { followSymlinks: flag(random) } : {}),
    ...(random.once(6) ? { maxDepth: random.mostly([0, 1, 2], 10, [-1, 1.5, 'x']) } : {}),
  };
}

/** The arguments of each call, without a callback. */
const BY_PATH: Readonly<Record<string, Make>> = {
  access: (random) => [pathValue(random), random.mostly([undefined, 0, 1, 2, 4, 7], 10, [8, 'x', null])],
  appendFile: (random) => [pathValue(random), data(random), writeOptions(random)],
  chmod: (random) => [pathValue(random), mode(random)],
  chown: (random) => [pathValue(random), owner(random), owner(random)],
  copyFile: (random) => [
    pathValue(random),
    pathValue(random),
    random.mostly([undefined, 0, 1, 2], 10, [4, 8, -1, 'x', null]),
  ],
  cp: (random) => [
    pathValue(random),
    pathValue(random),
    options(random, {
      dereference: flag,
      errorOnExist: flag,
      force: flag,
      mode: (r) => r.mostly([0, 1], 10, [4, 9]),
      preserveTimestamps: flag,
      recursive: (r) => !r.once(4),
      verbatimSymlinks: flag,
      ...(random.once(4)
        ? { filter: (r: Random): Value => ({ $: 'filter', without: r.pick(['a', 'b']) }) }
        : {}),
    }),
  ],
  exists: (random) => [pathValue(random)],
  glob: (random) => [
    random.once(12) ? random.pick(ODD_VALUES.filter(isNoText)) : patterns(random),
    globOptions(random),
  ],
  lchown: (random) => [pathValue(random), owner(random), owner(random)],
  link: (random) => [pathValue(random), pathValue(random)],
  lstat: (random) => [pathValue(random), options(random, { bigint: flag, throwIfNoEntry: flag })],
  lutimes: (random) => [pathValue(random), time(random), time(random)],
  mkdir: (random) => [
    pathValue(random),
    random.once(2)
      ? random.mostly([undefined, 0o700, '750'], 6, ODD_MODES)
      : options(random, { recursive: flag, mode }),
  ],
  mkdtemp: (random) => [
    // Without a prefix, what libuv says is of no use.
    pathValue(random) || { $: 'path', text: '/' },
    random.pick([undefined, 'latin1', { encoding: 'hex' }, 'none', 7]),
  ],
  opendir: (random) => [
    pathValue(random),
    options(random, {
      bufferSize: (r) => r.pick([1, 2, 32]),
      ...(random.once(2) ? { encoding } : { recursive: flag }),
    }),
  ],
  readFile: (random) => [
    pathValue(random),
    random.once(4)
      ? textEncoding(random)
      : options(random, { encoding: textEncoding, flag: flags, ...(random.once(4) ? { signal } : {}) }),
  ],
  readdir: (random) => [
    pathValue(random),
    random.once(4)
      ? encoding(random)
      : // With another encoding Node does not find its way down.
        options(random, { withFileTypes: flag, ...(random.once(2) ? { encoding } : { recursive: flag }) }),
  ],
  readlink: (random) => [pathValue(random), encodingOption(random)],
  realpath: (random) => [pathValue(random), encodingOption(random)],
  rename: (random) => [pathValue(random), pathValue(random)],
  rm: (random) => [
    pathValue(random),
    options(random, { force: flag, recursive: flag, maxRetries: () => 0, retryDelay: () => 1 }),
  ],
  rmdir: (random) => [pathValue(random), options(random, {})],
  stat: (random) => [pathValue(random), options(random, { bigint: flag, throwIfNoEntry: flag })],
  symlink: (random) => [
    random.once(3) ? random.pick(['a', 'b/c', '../a', './dd', '.', 'b/', '']) : pathValue(random),
    pathValue(random),
    random.mostly([undefined, 'file', 'dir'], 12, ['x', 7, null]),
  ],
  truncate: (random) => [random.once(30) ? fd(random) : pathValue(random), length(random)],
  unlink: (random) => [pathValue(random)],
  utimes: (random) => [pathValue(random), time(random), time(random)],
  writeFile: (random) => [pathValue(random), data(random), writeOptions(random)],
};

const BY_DESCRIPTOR: Readonly<Record<string, Make>> = {
  close: (random) => [fd(random)],
  fchmod: (random) => [fd(random), mode(random)],
  fchown: (random) => [fd(random), owner(random), owner(random)],
  fdatasync: (random) => [fd(random)],
  fstat: (random) => [fd(random), options(random, { bigint: flag })],
  fsync: (random) => [fd(random)],
  ftruncate: (random) => [fd(random), length(random)],
  futimes: (random) => [fd(random), time(random), time(random)],
  read: (random) =>
    random.once(2)
      ? [fd(random), bytes(random), part(random), part(random), place(random)]
      : [fd(random), bytes(random), options(random, { offset: part, length: part, position: place })],
  readFile: (random) => [fd(random), textEncoding(random)],
  readv: (random) => [fd(random), [bytes(random), bytes(random)], place(random)],
  write: (random) => {
    if (random.once(3))
      return [fd(random), random.pick(['text', 'täxt', '']), place(random), encoding(random)];
    return random.once(2)
      ? [fd(random), bytes(random), part(random), part(random), place(random)]
      : [fd(random), bytes(random), options(random, { offset: part, length: part, position: place })];
  },
  writeFile: (random) => [fd(random), data(random), encodingOption(random)],
  appendFile: (random) => [fd(random), data(random), encodingOption(random)],
  writev: (random) => [fd(random), random.once(20) ? [] : [bytes(random), bytes(random)], place(random)],
};

/** Of FileHandles; the fuzzer of files says more about them. */
const METHODS: Readonly<Record<string, Make>> = {
  read: (random) => [bytes(random), 0, undefined, place(random)],
  write: (random) => [bytes(random), 0, undefined, place(random)],
  readFile: () => [],
  writeFile: (random) => [random.pick(['text', 'more text'])],
  appendFile: () => ['appended'],
  stat: () => [],
  truncate: (random) => [random.below(100)],
  chmod: () => [0o640],
  utimes: () => [1, 2],
  sync: () => [],
  datasync: () => [],
  close: () => [],
};

/** Since Node 22 it is C++, with rules and errors of its own, and what its library throws can end the process. */
const CPP = Number.parseInt(process.versions.node, 10) < 22 ? [] : ['cp'];

function call(random: Random): Step {
  const byPath = !random.once(4);
  const table = byPath ? BY_PATH : BY_DESCRIPTOR;
  const name = random.once(8) && byPath ? 'open' : random.pick(Object.keys(table));
  if (name === 'open') return openStep(random);
  const args = table[name]!(random);
  // Promises have nothing that takes a descriptor, and do not say whether something exists.
  const faces = CPP.includes(name) ? FACES.slice(1) : FACES;
  const chosen = random.pick(byPath && name !== 'exists' ? faces : ['sync', 'callback']);
  const face = chosen === 'callback' && throwsOutside(name, args) ? 'promise' : chosen;
  const step = { op: 'call', face, name, args: trimmed(args) } as const;
  if (name === 'writeFile' && face === 'promise' && random.once(6)) {
    const items = [random.pick(['chunk', '']), bytes(random)];
    const iterable: Value = { $: random.pick(['iterable', 'async-iterable']), items };
    return { ...step, args: [args[0], iterable, ...args.slice(2)] };
  }
  return step;
}

/** Before Node 26, a recursive listing of a path that is a Buffer throws where nobody can catch it, when the first folder is found in it. */
function throwsOutside(name: string, [path, options]: readonly Value[]): boolean {
  const isBuffer = typeof path === 'object' && path !== null && 'as' in path && path.as === 'Buffer';
  return name === 'readdir' && isBuffer && typeof options === 'object' && options !== null;
}

function openStep(random: Random): Step {
  const args = trimmed([pathValue(random), flags(random), random.once(3) ? mode(random) : undefined]);
  if (random.once(4)) return { op: 'open', slot: slot(random), args };
  const face = random.pick(['sync', 'callback'] as const);
  return { op: 'call', face, name: 'open', args, slot: slot(random) };
}

/** Arguments that are not there are not given. */
function trimmed(args: readonly Value[]): readonly Value[] {
  const last = args.findLastIndex((value) => value !== undefined);
  return args.slice(0, last + 1);
}

function step(random: Random): Step {
  if (random.once(12)) {
    const name = random.pick(Object.keys(METHODS));
    return { op: 'method', slot: slot(random), name, args: trimmed(METHODS[name]!(random)) };
  }
  if (random.once(25)) {
    const range = (r: Random): Value => r.mostly([0, 1, 5, 100], 15, [-1, 'x', 1.5]);
    return {
      op: 'read-stream',
      path: pathValue(random),
      options: options(random, {
        encoding: (r) => r.pick(ENCODINGS),
        flags: (r) => r.pick(['r', 'r+']),
        start: range,
        end: range,
        highWaterMark: (r) => r.pick([1, 7, 65_536]),
        emitClose: flag,
      }),
    };
  }
  if (random.once(25)) {
    return {
      op: 'write-stream',
      path: pathValue(random),
      options: options(random, {
        // With one that there is not, a stream that nobody holds goes on, and its error ends the process.
        encoding: (r) => r.pick(ENCODINGS),
        flags: (r) => r.pick(['w', 'a', 'r+', 'wx']),
        mode,
        start: (r) => r.mostly([0, 3], 15, [-1, 'x']),
        highWaterMark: (r) => r.pick([1, 100]),
        flush: flag,
      }),
      chunks: Array.from({ length: random.below(4) }, () =>
        random.pick(['chunk', 'x', { $: 'bytes', length: 300 }]),
      ),
    };
  }
  return call(random);
}

/** What a program begins with, so that there is something to work on. */
function ground(random: Random): Step[] {
  const path = (): Value => ({ $: 'path', text: pathText(random) });
  const make = (name: string, ...args: Value[]): Step => ({ op: 'call', face: 'sync', name, args });
  return [
    make('mkdir', { $: 'path', text: '/a/b' }, { recursive: true }),
    make('writeFile', path(), { $: 'bytes', length: random.below(6000), fill: 1 }),
    make('writeFile', path(), 'some text'),
    make('symlink', random.pick(['a', 'a/b', 'b', '../a', 'none']), path()),
    make('link', { $: 'path', text: '/b' }, path()),
  ];
}

export function generateFsProgram(seed: number, index: number): FsProgram {
  const random = new Random(seed, index);
  const count = LEAST_STEPS + random.below(MOST_STEPS - LEAST_STEPS);
  return { steps: [...ground(random), ...Array.from({ length: count }, () => step(random))] };
}
