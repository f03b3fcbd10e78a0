/** Runs programs on one side and tells all that it shows. */
import type { EventEmitter } from 'node:events';
import {
  constants,
  createReadStream,
  createWriteStream,
  type ReadStream,
  read,
  readdirSync,
  readFileSync,
  readSync,
  type WriteStream,
  writeSync,
} from 'node:fs';
import { appendFile, type FileHandle, readFile, stat, writeFile } from 'node:fs/promises';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import type { Places } from './places.ts';
import type {
  FileProgram,
  HostCall,
  Item,
  Method,
  PlaceName,
  Run,
  SideName,
  Step,
  Value,
} from './program.ts';
import { shown, shownError } from './shown.ts';
import { act, beginReading, beginWriting, rest, type StreamRecord } from './stream-steps.ts';
import { type Makers, made, pattern } from './values.ts';

/** What programs run on. */
export interface Side {
  readonly name: SideName;
  /** As `fs.promises.open`. */
  readonly open: (path: string, flags?: string | number, mode?: string | number) => Promise<FileHandle>;
  readonly places: Places;
  /** Whether each step waits until what those before have left under way has ended. */
  readonly isPatient?: boolean;
}

/** Everybody's: a program must not change what they are. */
const SHARED: readonly PlaceName[] = ['null', 'zero', 'full', 'version'];
const CHANGES: readonly Method[] = ['chmod', 'chown', 'utimes'];
/** Without an end: a program must not read them as a whole. */
const ENDLESS: readonly PlaceName[] = ['zero', 'full'];
const MOST_BYTES = 1 << 20;
const WEB_BYTES = 100;
/** Turns that descriptors may take to close after `close()` has answered. */
const CLOSING_TURNS = 30;
/** Rounds without a change after which nothing is taken to be under way, and after which nobody waits any longer. */
const QUIET_ROUNDS = 6;
/** What they begin goes on by itself: which of that and of the next step comes first is for the threads of the pool. */
const LEAVES_WORK: readonly Step['op'][] = ['read-stream', 'write-stream', 'act', 'web-stream'];
const MOST_ROUNDS = 200;

interface OpenedFile {
  readonly file: FileHandle;
  readonly place: PlaceName;
  /** How it is called in what is told. */
  readonly name: string;
  readonly streams: StreamRecord[];
  closeEvents: number;
}

/** FileHandles that never close. One that is collected would end the process on Node.js 25 and later. */
const kept: unknown[] = [];
/** What nobody caught, for the program that runs. */
let uncaught: string[] = [];

/** Tells programs of errors that nobody catches, instead of ending the process. */
export function catchAll(): void {
  process.on('uncaughtException', (error) => uncaught.push(`uncaught ${shownError(error)}`));
  process.on('unhandledRejection', (error) => uncaught.push(`unhandled ${shownError(error)}`));
}

function noAnswer(): void {}

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

function boundedEnd(options: Value | undefined): boolean {
  if (typeof options !== 'object' || options === null || !('end' in options)) return false;
  const { end } = options;
  return typeof end === 'number' && end >= 0 && end < MOST_BYTES;
}

/** How long things may take. */
export interface Patience {
  /** A step, before it hangs. */
  readonly hangMs: number;
  /** What is left under way, between two looks at it: on a busy machine a sync takes longer on one side than on another. */
  readonly restMs: number;
}

/** Runs a program. */
export async function runOn(side: Side, program: FileProgram, patience: Patience): Promise<Run> {
  return new Course(side, patience).run(program);
}

class Course {
  readonly #side: Side;
  readonly #patience: Patience;
  readonly #slots = new Map<number, OpenedFile>();
  readonly #opened: OpenedFile[] = [];
  readonly #streams = new Map<number, StreamRecord>();
  readonly #records: StreamRecord[] = [];
  readonly #items: Item[] = [];
  readonly #pending = new Map<number, Promise<void>>();
  readonly #makers: Makers = { later: new AbortController(), known: new Map() };
  readonly #beside: Promise<void>[] = [];
  #isOver = false;
  #hangs = false;

  constructor(side: Side, patience: Patience) {
    this.#side = side;
    this.#patience = patience;
  }

  async run({ steps }: FileProgram): Promise<Run> {
    const { places } = this.#side;
    const used = new Set(steps.flatMap((step) => (step.op === 'open' ? [step.place] : [])));
    for (const place of used) places.reset(place);
    uncaught = [];
    const before = descriptors();
    for (const [at, step] of steps.entries()) {
      if (step.op === 'settle') await this.#settle();
      else {
        const done = this.#perform(step, at).then((value) => this.#note(at, step.op, value));
        if ('wait' in step) this.#pending.set(at, done);
        else await this.#within(at, done);
        if (this.#side.isPatient === true || (!('wait' in step) && LEAVES_WORK.includes(step.op)))
          await this.#quiet();
      }
      if (this.#hangs) break;
    }
    await this.#settle();
    await this.#quiet();
    for (const opened of this.#opened) {
      this.#note('end', `the position of ${opened.name}`, this.#position(opened));
      await this.#within('end', this.#close(opened, 'end'), `closing ${opened.name}`);
    }
    await this.#within('end', Promise.all(this.#beside).then(noAnswer), 'closing beside a stream');
    // Who was closed with its file has said so by now.
    for (let turn = 0; turn < 3; turn++) await setImmediate();
    this.#isOver = true;
    for (const { step, events } of this.#records) this.#note(step, 'events', events.join(', '));
    for (const { name, closeEvents } of this.#opened)
      this.#note('end', `'close' events of ${name}`, String(closeEvents));
    this.#note('end', 'caught by nobody', uncaught.join(', ') || 'nothing');
    for (const place of used) this.#note('end', `the file '${place}'`, places.look(place));
    for (const place of used) places.clear(place);
    // Where a close hangs, or fails, the descriptor stays.
    const isStained = this.#hangs || this.#opened.some(({ file }) => file.fd >= 0);
    if (isStained) kept.push(...this.#opened);
    if (!this.#hangs) this.#note('end', 'descriptors left open', String(await this.#left(before)));
    return { items: sorted(this.#items), stained: isStained };
  }

  #note(step: number | 'end', what: string, value: string): void {
    if (!this.#isOver || step === 'end') this.#items.push({ step, what, value });
  }

  async #within(at: number | 'end', done: Promise<void>, what = 'hangs'): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(true), this.#patience.hangMs);
    });
    if ((await Promise.race([done, late])) === true) {
      this.#hangs = true;
      this.#note(at, what, 'hangs');
    }
    clearTimeout(timer);
  }

  async #settle(): Promise<void> {
    for (const [at, done] of this.#pending) await this.#within(at, done);
    this.#pending.clear();
  }

  /** Waits until what was left under way has ended: how long that takes differs by the side. */
  async #quiet(): Promise<void> {
    let seen = '';
    for (let still = 0, round = 0; still < QUIET_ROUNDS && round < MOST_ROUNDS; round++) {
      await stat('/');
      await (this.#patience.restMs === 0 ? setImmediate() : sleep(this.#patience.restMs));
      const now = [...this.#opened.map((one) => this.#position(one)), ...this.#records.map(progress)].join();
      still = now === seen ? still + 1 : 0;
      seen = now;
    }
  }

  #position({ file, place }: OpenedFile): string {
    const { fd } = file;
    if (fd < 0) return 'closed';
    if (ENDLESS.includes(place) || place === 'null') return 'not looked at';
    return /^pos:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? 'unknown';
  }

  async #left(before: number): Promise<number> {
    for (let turn = 0; turn < CLOSING_TURNS; turn++) {
      if (descriptors() === before) return 0;
      await (turn < CLOSING_TURNS / 2 ? setImmediate() : sleep(1));
    }
    return descriptors() - before;
  }

  async #close(opened: OpenedFile, step: number | 'end', how: 'close' | 'dispose' = 'close'): Promise<void> {
    const { file, name, streams } = opened;
    // One that has given up its descriptor answers at once, while that is still being closed: in the pool, or before this line.
    const isClosing = file.fd < 0;
    const outcome = await this.#outcome(() => (how === 'close' ? file.close() : file[Symbol.asyncDispose]()));
    const states = isClosing
      ? 'not looked at'
      : streams.map(({ stream }) => (stream.closed ? 'closed' : 'open')).join(' ');
    this.#note(step, `${how} of ${name}`, `${outcome}, fd ${Math.sign(file.fd)}, streams: ${states}`);
  }

  /** A close inside an event, which nobody waits for. The end of the program does. */
  #closeBeside(opened: OpenedFile, at: number): void {
    this.#beside.push(this.#close(opened, at));
  }

  /** What a call came to, as text. It is made at once. */
  async #outcome(call: () => unknown): Promise<string> {
    let pending: unknown;
    try {
      pending = call();
    } catch (error) {
      return `throws ${shownError(error)}`;
    }
    try {
      return `answers ${shown(await pending, this.#makers.known)}`;
    } catch (error) {
      return `rejects ${shownError(error)}`;
    }
  }

  async #perform(step: Step, at: number): Promise<string> {
    if (step.op === 'open') return this.#open(step, at);
    if (step.op === 'abort') return shown(this.#makers.later.abort());
    if (step.op === 'settle') return '';
    if (step.op === 'act') {
      const record = this.#streams.get(step.stream);
      if (record === undefined) return 'no such stream';
      const outcome = await this.#outcome(() => act(record, step.act));
      if (step.act !== 'read' && step.act !== 'write') await rest(record, () => this.#isOver);
      return outcome;
    }
    const opened = this.#slots.get(step.slot);
    if (opened === undefined) return 'no such file';
    const { file, place } = opened;
    const isEndless = ENDLESS.includes(place);
    switch (step.op) {
      case 'close':
      case 'dispose':
        await this.#close(opened, at, step.op);
        return 'done';
      case 'call': {
        if (isEndless && step.method === 'readFile') return 'not done: it has no end';
        if (SHARED.includes(place) && CHANGES.includes(step.method)) return "not done: it is everybody's";
        const args = step.args.map((value) => made(value, this.#makers));
        const method = file[step.method] as (...given: unknown[]) => unknown;
        return this.#outcome(() => method.apply(file, args));
      }
      case 'host':
        if (isEndless) return 'not done: it has no end';
        return this.#outcome(() => hostCall(file, step.call, step.length));
      case 'read-stream': {
        if (isEndless && !boundedEnd(step.options)) return 'not done: it has no end';
        return this.#begin(step.stream, opened, () => {
          const stream = file.createReadStream(made(step.options, this.#makers) as object) as ReadStream;
          return beginReading(stream, at, step.plan, () => this.#closeBeside(opened, at));
        });
      }
      case 'write-stream':
        return this.#begin(step.stream, opened, () => {
          const stream = file.createWriteStream(made(step.options, this.#makers) as object) as WriteStream;
          const chunks = step.plan.chunks.map((chunk) => made(chunk, this.#makers));
          return beginWriting(stream, at, step.plan, chunks, () => this.#closeBeside(opened, at));
        });
      case 'lines':
        if (isEndless) return 'not done: it has no end';
        return this.#outcome(() => lines(file, made(step.options, this.#makers), step.most));
      case 'web-stream':
        if (isEndless) return 'not done: it has no end';
        return this.#web(step, opened, at);
    }
  }

  async #open({ slot, place, flags, mode }: Step & { op: 'open' }, at: number): Promise<string> {
    const { places } = this.#side;
    if (place === 'fifo' && (typeof flags !== 'number' || (flags & constants.O_NONBLOCK) === 0))
      return 'not done: it would wait for whoever opens the other end';
    const odd = [flags, mode].map((value) => made(value, this.#makers)) as [string, number];
    try {
      const file = await this.#side.open(places.path(place), ...odd);
      const opened: OpenedFile = { file, place, name: `file ${at}`, streams: [], closeEvents: 0 };
      (file as unknown as EventEmitter).on('close', () => opened.closeEvents++);
      this.#slots.set(slot, opened);
      this.#opened.push(opened);
      return 'answers a file';
    } catch (error) {
      return `rejects ${shownError(error)}`;
    }
  }

  async #begin(number: number, opened: OpenedFile, begin: () => StreamRecord): Promise<string> {
    let record: StreamRecord;
    try {
      record = begin();
    } catch (error) {
      return `throws ${shownError(error)}`;
    }
    this.#streams.set(number, record);
    this.#records.push(record);
    opened.streams.push(record);
    await rest(record, () => this.#isOver);
    return 'begun';
  }

  async #web(step: Step & { op: 'web-stream' }, opened: OpenedFile, at: number): Promise<string> {
    const told: string[] = [];
    const outcome = await this.#outcome(async () => {
      const options = made(step.options, this.#makers) as object | undefined;
      // Streams without a type are no byte streams before Node.js 24, and end the process when their file is closed.
      const web = opened.file.readableWebStream(TYPED ? options : ({ type: 'bytes', ...options } as object));
      if (step.reader === 'iterate') {
        let chunks = 0;
        for await (const chunk of web) {
          told.push(shown(chunk));
          if (++chunks === step.reads) break;
        }
        return;
      }
      const reader =
        step.reader === 'byob'
          ? (web.getReader({ mode: 'byob' } as never) as unknown as ByobReader)
          : (web.getReader() as unknown as ByobReader);
      for (let chunk = 0; chunk < step.reads; chunk++) {
        const { value, done } = await reader.read(new Uint8Array(WEB_BYTES));
        told.push(done ? `done ${shown(value)}` : shown(value));
        if (done) break;
      }
      if (step.last === 'cancel') await reader.cancel('enough');
      else if (step.last === 'release') reader.releaseLock();
      else if (step.last === 'close-file') await this.#close(opened, at);
    });
    return `${told.join(', ')}: ${outcome}`;
  }
}

function progress({ stream, events }: StreamRecord): string {
  const { bytesRead = 0, bytesWritten = 0 } = stream as { bytesRead?: number; bytesWritten?: number };
  return `${events.length} ${bytesRead} ${bytesWritten} ${stream.closed}`;
}

const TYPED = Number.parseInt(process.versions.node, 10) >= 24;

/** What both kinds of reader have in common; one of them ignores the memory. */
interface ByobReader {
  read(into: Uint8Array): Promise<{ value?: unknown; done: boolean }>;
  cancel(reason: unknown): Promise<void>;
  releaseLock(): void;
}

async function lines(file: FileHandle, options: unknown, most = Infinity): Promise<string[]> {
  const found: string[] = [];
  for await (const line of file.readLines(options as object)) {
    found.push(line);
    if (found.length >= most) break;
  }
  return found;
}

async function hostCall(file: FileHandle, call: HostCall, length: number): Promise<unknown> {
  const bytes = pattern(length, 3);
  switch (call) {
    case 'readFile(file)':
      return readFile(file);
    case 'writeFile(file)':
      return writeFile(file, bytes);
    case 'appendFile(file)':
      return appendFile(file, bytes);
    case 'createReadStream(fd: file)': {
      const chunks: Buffer[] = [];
      for await (const chunk of createReadStream('', { fd: file, autoClose: false }))
        chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    }
    case 'createWriteStream(fd: file)': {
      // One that does not close itself would keep the file open for ever.
      const stream = createWriteStream('', { fd: file });
      await new Promise<void>((resolve, reject) => {
        stream.on('error', reject);
        stream.on('close', resolve);
        stream.end(bytes);
      });
      return undefined;
    }
    case 'readSync(number)':
      return [readSync(file.fd, bytes, 0, length, null), bytes];
    case 'writeSync(number)':
      return writeSync(file.fd, bytes);
    case 'read(number)':
      return new Promise((resolve, reject) => {
        read(file.fd, bytes, 0, length, null, (error, count) =>
          error === null ? resolve([count, bytes]) : reject(error),
        );
      });
  }
}

/** By steps; what came of one stays in the order in which it came. */
function sorted(items: readonly Item[]): Item[] {
  const place = ({ step }: Item): number => (step === 'end' ? Infinity : step);
  return [...items].sort((one, other) => {
    const [here, there] = [place(one), place(other)];
    return here === there ? 0 : here - there;
  });
}
