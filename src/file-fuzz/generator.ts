/** Programs, made up from a seed. */
import { constants } from 'node:fs';
import { Random } from '../fuzz/random.ts';
import {
  argumentsOf,
  bytes,
  data,
  LONG,
  length,
  linesOptions,
  readStreamOptions,
  writeStreamOptions,
} from './arguments.ts';
import {
  ACTS,
  type FileProgram,
  HOST_CALLS,
  type Method,
  type PlaceName,
  type ReadPlan,
  type Step,
  type Surroundings,
  type Value,
  type WritePlan,
} from './program.ts';
import { BATCH, type Feature, type FileScope, LIMITED_EVERY } from './scope.ts';

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_EXCL, O_NONBLOCK } = constants;
const SLOTS = 3;
const MOST_STEPS = 14;
const USUAL_PLACES: readonly PlaceName[] = ['text', 'text', 'text', 'data', 'data', 'empty', 'missing'];
const RARE_PLACES: readonly PlaceName[] = [
  'directory',
  'fifo',
  'null',
  'zero',
  'full',
  'version',
  'small',
  'small',
];
const FLAGS: readonly Value[] = [
  'r',
  'r+',
  'r+',
  'r+',
  'r+',
  'w',
  'w+',
  'a',
  'a+',
  'a+',
  O_RDWR,
  O_RDWR | O_CREAT,
];
const ODD_FLAGS: readonly Value[] = [
  'wx',
  'ax+',
  'wx+',
  'rs+',
  'as',
  O_RDONLY,
  O_WRONLY,
  O_WRONLY | O_CREAT | O_TRUNC,
  O_RDWR | O_APPEND | O_CREAT,
  O_RDWR | O_CREAT | O_EXCL,
  undefined,
  null,
  'nonsense',
  1.5,
  '',
  {},
];
/** Nobody may wait at either end of a FIFO: one thread serves all. */
const FIFO_FLAGS = [O_RDONLY, O_WRONLY, O_RDWR].map((flags) => flags | O_NONBLOCK);

/** How often each kind of step is made. */
const READS: readonly Method[] = ['read', 'read', 'read', 'readv'];
const WRITES: readonly Method[] = ['write', 'write', 'write', 'writev'];
const WHOLE: readonly Method[] = ['readFile', 'readFile', 'writeFile', 'writeFile', 'appendFile'];
const REST: readonly Method[] = [
  'stat',
  'stat',
  'truncate',
  'truncate',
  'utimes',
  'chmod',
  'chown',
  'sync',
  'datasync',
];

type Kind =
  | 'reads'
  | 'writes'
  | 'whole'
  | 'rest'
  | 'host'
  | 'open'
  | 'close'
  | 'dispose'
  | 'read-stream'
  | 'write-stream'
  | 'act'
  | 'lines'
  | 'web-stream'
  | 'group'
  | 'aborted';
const KINDS: readonly (readonly [Kind, number, Feature?])[] = [
  ['reads', 20],
  ['writes', 18],
  ['whole', 12],
  ['rest', 10],
  ['host', 8, 'host-calls'],
  ['open', 5],
  ['close', 4],
  ['dispose', 1],
  ['read-stream', 8, 'streams'],
  ['write-stream', 7, 'streams'],
  ['act', 5, 'streams'],
  ['lines', 4, 'lines'],
  ['web-stream', 4, 'web-streams'],
  ['group', 7, 'unawaited'],
  ['aborted', 3, 'unawaited'],
];

/** They leave the file closed behind them, most of the time. */
const CLOSING: readonly Kind[] = ['close', 'dispose', 'read-stream', 'write-stream', 'lines'];

export function surroundingsOf(index: number, { limited }: FileScope): Surroundings {
  return limited && Math.floor(index / BATCH) % LIMITED_EVERY === LIMITED_EVERY - 1 ? 'limited' : 'plain';
}

/** The program of this number: the same each time. */
export function generateFileProgram(seed: number, index: number, scope: FileScope): FileProgram {
  const surroundings = surroundingsOf(index, scope);
  return new Generation(new Random(seed, index), scope, surroundings).program(surroundings);
}

class Generation {
  readonly #random: Random;
  readonly #scope: FileScope;
  readonly #kinds: readonly Kind[];
  readonly #steps: Step[] = [];
  readonly #limited: boolean;
  #streams = 0;
  /** Slots whose file has probably been closed. */
  readonly #closed = new Set<number>();
  /** By slot, whether it can probably be read: a web stream that fails keeps a FileHandle open for ever. */
  readonly #readable = new Map<number, boolean>();

  constructor(random: Random, scope: FileScope, surroundings: Surroundings) {
    this.#random = random;
    this.#scope = scope;
    this.#limited = surroundings === 'limited';
    this.#kinds = KINDS.flatMap(([kind, weight, feature]) =>
      feature !== undefined && scope.without.includes(feature) ? [] : new Array<Kind>(weight).fill(kind),
    );
  }

  program(surroundings: Surroundings): FileProgram {
    this.#open(0);
    const most = 2 + this.#random.below(MOST_STEPS - 1);
    while (this.#steps.length < most) this.#step();
    return { ...(surroundings === 'plain' ? {} : { surroundings }), steps: this.#steps };
  }

  /** One that has been opened, most of the time. */
  #slot(): number {
    return this.#random.mostly([...this.#readable.keys()], 20, [0, 1, 2]);
  }

  #open(slot: number): void {
    const random = this.#random;
    const chosen = random.mostly(USUAL_PLACES, 5, RARE_PLACES);
    const place = this.#scope.places.includes(chosen) ? chosen : 'text';
    const flags =
      place === 'fifo'
        ? random.pick(FIFO_FLAGS)
        : random.once(10)
          ? random.pick(ODD_FLAGS)
          : random.pick(FLAGS);
    this.#readable.set(
      slot,
      place !== 'fifo' &&
        place !== 'directory' &&
        (flags === undefined ||
          (typeof flags === 'string' && /r|\+/.test(flags)) ||
          flags === O_RDONLY ||
          flags === O_RDWR),
    );
    this.#closed.delete(slot);
    const isOrdinary = ['directory', 'version', 'zero', 'full'].includes(place) && random.once(2);
    this.#steps.push({
      op: 'open',
      slot,
      place,
      ...(isOrdinary ? { flags: 'r' } : flags === undefined ? {} : { flags }),
      ...(random.once(15) ? { mode: random.pick([0o600, '640', 'x', -1, null]) } : {}),
    });
    if (place === 'small' ? random.once(2) : this.#limited && random.once(4)) this.#fill(slot);
  }

  /** More than there is room for, where there is little. */
  #fill(slot: number): void {
    const random = this.#random;
    const size: Value = { $: 'bytes', length: random.pick(LONG), fill: random.below(90) };
    const method = random.pick(['writeFile', 'appendFile', 'writeFile', 'write'] as const);
    const content: Value =
      method !== 'write' && random.once(3) ? { $: 'iterable', items: [data(random), size] } : size;
    this.#steps.push({ op: 'call', slot, method, args: [content] });
  }

  #call(slot: number, method: Method): Step {
    return { op: 'call', slot, method, args: argumentsOf(this.#random, method, this.#scope) };
  }

  #step(): void {
    const random = this.#random;
    const steps = this.#steps;
    const slot = this.#slot();
    const kind = random.pick(this.#kinds);
    // Lines of a file that is closed keep FileHandle waiting for ever.
    if (this.#closed.has(slot) && !random.once(kind === 'lines' ? 30 : 4)) this.#open(slot);
    if (CLOSING.includes(kind)) this.#closed.add(slot);
    switch (kind) {
      case 'reads':
        steps.push(this.#call(slot, random.pick(READS)));
        break;
      case 'writes':
        steps.push(this.#call(slot, random.pick(WRITES)));
        break;
      case 'whole':
        steps.push(this.#call(slot, random.pick(WHOLE)));
        break;
      case 'rest':
        steps.push(this.#call(slot, random.pick(REST)));
        break;
      case 'host':
        steps.push({ op: 'host', slot, call: random.pick(HOST_CALLS), length: random.pick([1, 5, 100]) });
        break;
      case 'open':
        this.#open(random.below(SLOTS));
        break;
      case 'close':
      case 'dispose':
        steps.push({ op: kind, slot });
        break;
      case 'read-stream':
      case 'write-stream':
        this.#beginStream(kind, slot);
        break;
      case 'act':
        if (this.#streams > 0)
          steps.push({ op: 'act', stream: random.below(this.#streams), act: random.pick(ACTS) });
        break;
      case 'lines': {
        const options = linesOptions(random);
        const most = random.once(2) ? 1 + random.below(3) : undefined;
        steps.push({
          op: 'lines',
          slot,
          ...(options === undefined ? {} : { options }),
          ...(most === undefined ? {} : { most }),
        });
        // How far it reads on behind the last line that is wanted takes luck, and with that whether the file is still open.
        if (most !== undefined) {
          steps.push({ op: random.pick(['close', 'dispose'] as const), slot });
          this.#closed.add(slot);
        }
        break;
      }
      case 'web-stream':
        if (this.#readable.get(slot) === true || random.once(30)) steps.push(this.#webStream(slot));
        break;
      case 'group':
        this.#group(slot);
        break;
      case 'aborted':
        this.#aborted(slot);
        break;
    }
  }

  #beginStream(kind: 'read-stream' | 'write-stream', slot: number): void {
    const random = this.#random;
    const step = kind === 'read-stream' ? this.#readStream(slot) : this.#writeStream(slot);
    if (this.#scope.without.includes('unawaited') || !random.once(3)) {
      this.#steps.push(step);
      return;
    }
    // Beside it, in the same turn, only what FileHandle itself does in one order.
    this.#steps.push({ ...step, wait: false });
    const { stream } = step;
    const count = 1 + random.below(2);
    for (let at = 0; at < count; at++)
      this.#steps.push(
        random.once(2)
          ? { op: random.mostly(['close'], 4, ['dispose']), slot, ...(random.once(2) ? { wait: false } : {}) }
          : { op: 'act', stream, act: random.pick(ACTS), wait: false },
      );
    this.#steps.push({ op: 'settle' });
  }

  #readStream(slot: number): Step & { op: 'read-stream' } {
    const random = this.#random;
    const by = random.pick(['data', 'data', 'iterate', 'readable', 'nothing'] as const);
    const stops = by !== 'nothing' && random.once(2);
    const stop =
      by === 'iterate'
        ? random.pick(['break', 'break', 'destroy', 'close-file'] as const)
        : random.pick(['pause', 'destroy', 'fail', 'close-file'] as const);
    const plan: ReadPlan = { by, ...(stops ? { at: 1 + random.below(3), stop } : {}) };
    const options = readStreamOptions(random);
    return {
      op: 'read-stream',
      slot,
      stream: this.#streams++,
      ...(options === undefined ? {} : { options }),
      plan,
    };
  }

  #writeStream(slot: number): Step & { op: 'write-stream' } {
    const random = this.#random;
    const count = random.below(4);
    const chunks: Value[] = [];
    for (let at = 0; at < count; at++) chunks.push(data(random));
    const plan: WritePlan = {
      chunks,
      ...(random.once(3) ? { oneByOne: true } : {}),
      last: random.mostly(['end'], 2, ['destroy', 'fail', 'close-file', 'close', 'nothing']),
    };
    const options = writeStreamOptions(random);
    return {
      op: 'write-stream',
      slot,
      stream: this.#streams++,
      ...(options === undefined ? {} : { options }),
      plan,
    };
  }

  #webStream(slot: number): Step {
    const random = this.#random;
    const reader = random.pick(['default', 'default', 'byob', 'iterate'] as const);
    const options: Value = {
      ...(this.#scope.major >= 24 && random.once(2) ? { autoClose: random.once(2) } : {}),
    };
    return {
      op: 'web-stream',
      slot,
      ...(Object.keys(options).length === 0 ? {} : { options }),
      reader,
      reads: random.below(4),
      last: random.pick(['cancel', 'release', 'close-file', 'nothing'] as const),
    };
  }

  /** Transfers at the position that the file keeps, begun in one turn, and perhaps a close beside them. */
  #group(slot: number): void {
    const random = this.#random;
    const count = 2 + random.below(3);
    for (let at = 0; at < count; at++) {
      const method = random.pick(['read', 'write', 'readv', 'writev', 'read', 'write'] as const);
      const buffer = bytes(random, 5000);
      const buffers = method === 'readv' || method === 'writev' ? [buffer, bytes(random, 100)] : buffer;
      const args = random.once(3) ? [buffers, null] : [buffers];
      this.#steps.push({ op: 'call', slot, method, args, wait: false });
    }
    if (random.once(3)) this.#steps.push({ op: 'close', slot, ...(random.once(2) ? { wait: false } : {}) });
    if (random.once(4))
      this.#steps.push({
        op: 'call',
        slot,
        method: 'read',
        // Not elsewhere in the file: nobody says which of two is first, and only one thread of the pool makes FileHandle always do the same.
        args: [bytes(random, 100), 0, 1, null],
      });
    this.#steps.push({ op: 'settle' });
  }

  /** A transfer of a whole file whose signal is aborted in the same turn, or by what it writes. */
  #aborted(slot: number): void {
    const random = this.#random;
    const options = { signal: { $: 'signal', state: 'later' } } as const;
    const method = random.pick(['readFile', 'writeFile', 'appendFile'] as const);
    const content: Value = random.once(2)
      ? { $: 'bytes', length: length(random) }
      : {
          // Not a stream: whether it fails of what it is given, or is aborted before, takes luck.
          $: random.pick(['iterable', 'async-iterable'] as const),
          items: [data(random), data(random), data(random)],
          abortAt: random.below(3),
        };
    const args = method === 'readFile' ? [options] : [content, options];
    this.#steps.push({ op: 'call', slot, method, args, wait: false });
    if (random.once(2)) this.#steps.push({ op: 'abort' });
    this.#steps.push({ op: 'settle' });
  }
}
