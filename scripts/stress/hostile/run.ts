/** Runs one program, and judges what becomes of it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { closeSync, constants, openSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { promiseHooks } from 'node:v8';
import type { FileRequest } from '../../../src/emulated/index.ts';
import { AioContext, type AioFile, fromDescriptor } from '../../../src/index.ts';
import { FILE_BYTES } from './files.ts';
import { CanaryMemory, type OwnedMemory, SECTOR_BYTES } from './memory.ts';
import type {
  Answer,
  Body,
  Extras,
  Handover,
  Opening,
  Place,
  Program,
  Step,
  Stream,
  ViewShape,
} from './program.ts';
import { bytesOf, type Expected, nameOf, type Part, type Request, Requests } from './requests.ts';
import { makeSignal, makeVector, makeView, roundedFor } from './views.ts';
import { collectGarbage, POOLED_BYTES, type World } from './world.ts';

const PAGE_BYTES = 4096;
const POLLIN = 1;
const RWF_NOWAIT = 8;
const NO_FILE = 0x7fff_fff0;
const MOST_CLOSING = 20;
const SETTLED_MS = 20;
const READ_AHEAD_MS = 2000;
const { O_RDONLY, O_RDWR } = constants;
const O_DIRECT: number | undefined = constants.O_DIRECT;

/** A descriptor that a program has opened itself. */
interface OwnDescriptor {
  readonly fd: number;
  /** Whose descriptor it is: who closes that makes it mean nothing, and not another file. */
  readonly handle: FileHandle | undefined;
  readonly writable: boolean;
  readonly direct: boolean;
}

interface OwnFile {
  readonly file: AioFile;
  readonly opening: Opening;
  /** The descriptor that was adopted. */
  readonly adopted: OwnDescriptor | undefined;
  /** Its cursor is at the start, and it was not closed. */
  isFresh: boolean;
  /** How often something was asked for that moves its cursor. */
  moves: number;
  isClosed: boolean;
}

interface Installed {
  readonly fd: number;
  /** Answers what was put off. */
  readonly putOff: (() => void)[];
}

interface Resolved {
  readonly fd: unknown;
  readonly on: readonly unknown[];
  readonly expected: Expected;
  readonly direct: boolean;
  readonly writable: boolean;
  readonly waits: boolean;
  readonly mayFail: boolean;
}

interface Taken {
  readonly view: NodeJS.ArrayBufferView;
  readonly part: Part | undefined;
  /** Whether the engine can be asked for nothing better. */
  readonly isHonest: boolean;
  readonly isAligned: boolean;
}

/** What an installed file has at a place. */
function computedByte(position: number): number {
  return (position * 7 + 3) & 255;
}

/** The outcome of a program: what is wrong, if anything. */
export interface Outcome {
  readonly steps: number;
  readonly wrong: string | undefined;
}

export class Run {
  steps = 0;
  readonly #world: World;
  readonly #memories: (CanaryMemory | undefined)[] = [];
  readonly #early: (NodeJS.ArrayBufferView | undefined)[] = [];
  readonly #made: (CanaryMemory | OwnedMemory)[] = [];
  readonly #signals: AbortController[] = [];
  readonly #lyingSignals = new Set<AbortSignal>();
  readonly #own: (OwnDescriptor | undefined)[] = [];
  readonly #files: (OwnFile | undefined)[] = [];
  readonly #shared: OwnFile[] = [];
  readonly #installed: (Installed | undefined)[] = [];
  readonly #everInstalled: Installed[] = [];
  readonly #requests = new Requests();
  readonly #pending = new Set<Promise<unknown>>();
  readonly #undo: (() => void)[] = [];
  #pipe: readonly [number, number] | undefined;
  #context: AioContext | undefined;
  #contextIsClosed = false;
  #isSubmitting = false;
  /** Streams that nobody waits for any more may be reading ahead. */
  #hasLeftLines = false;
  /** The thread's, that were closed. */
  readonly #sharedContexts = new Set<AioContext>();
  #wrong: string | undefined;
  #isEnding = false;
  #where = 'before the first step';

  constructor(world: World) {
    this.#world = world;
  }

  /** What it is at, for when it does not end. */
  get state(): string {
    const live = [...this.#requests.live].map(({ what }) => what);
    return `${this.#where}; not settled: ${live.length > 0 ? live.join(', ') : `${this.#pending.size} promises`}`;
  }

  async run(program: Program): Promise<Outcome> {
    for (const [index, step] of program.entries()) {
      if (this.#wrong !== undefined) break;
      this.#where = `at step ${index + 1} (${step.do})`;
      await this.#step(step);
    }
    this.#where = 'after the last step';
    await this.#end();
    return { steps: this.steps, wrong: this.#wrong };
  }

  #complain(wrong: string | undefined): void {
    if (wrong !== undefined) this.#wrong ??= wrong;
  }

  /** @returns What is wrong with an error, if that is looked at. */
  #faultOf(error: unknown): string | undefined {
    return this.#world.without.has('codes') ? undefined : faultOf(error);
  }

  /** Steps that somebody's question, event or method lets run. */
  #body(steps: Body): void {
    if (this.#isEnding) return;
    for (const step of steps) {
      const outcome = this.#step(step);
      if (outcome instanceof Promise) this.#track(outcome);
    }
  }

  #track(promise: Promise<unknown>): void {
    const tracked: Promise<void> = promise.then(
      () => void this.#pending.delete(tracked),
      (error: unknown) => {
        this.#pending.delete(tracked);
        this.#complain(this.#faultOf(error));
      },
    );
    this.#pending.add(tracked);
  }

  #step(step: Step): Promise<unknown> | undefined {
    this.steps++;
    switch (step.do) {
      case 'memory':
        this.#makeMemory(step.memory, step.kind, step.sectors);
        return undefined;
      case 'read':
      case 'write':
        this.#transfer(step.do, step.context, step.place, step.view, step.extras);
        return undefined;
      case 'readv':
      case 'writev':
        this.#vectored(step);
        return undefined;
      case 'submit':
        this.#submit(step);
        return undefined;
      case 'sync': {
        const context = this.#contextOf(step.context);
        const { fd, on } = this.#resolve(step.place, false);
        this.#begin(
          {
            what: 'sync',
            write: false,
            parts: [],
            position: 0,
            expected: { kind: 'unknown' },
            mayFail: true,
            waits: step.place.target === 'installed',
          },
          [...on, context],
          () => context[step.data ? 'fdatasync' : 'fsync'](fd as number).then(() => 0),
        );
        return undefined;
      }
      case 'poll':
        this.#poll(step.context, step.event, step.extras);
        return undefined;
      case 'wake':
        this.#world.kernel.eventfd_write(this.#world.events[step.event]!, 1n);
        return undefined;
      case 'hand over':
        this.#handOver(step.memory, step.how);
        return undefined;
      case 'resize':
        this.#resize(step.memory, step.sectors);
        return undefined;
      case 'abort': {
        const controller = this.#controller(step.signal);
        this.#requests.taint(controller.signal);
        controller.abort();
        return undefined;
      }
      case 'on abort':
        // Its own may have been replaced.
        EventTarget.prototype.addEventListener.call(
          this.#controller(step.signal).signal,
          'abort',
          once(() => this.#body(step.body)),
        );
        return undefined;
      case 'context':
        this.#makeContext(step);
        return undefined;
      case 'close context':
        if (this.#context !== undefined && !this.#contextIsClosed) this.#closeContext(this.#context);
        return undefined;
      case 'drop context':
        if (!this.#contextIsClosed) this.#context = undefined;
        return undefined;
      case 'close shared context':
        // Files that use it may fail from now on, or not notice; files that are opened from now on work.
        this.#requests.taint(this.#world.keeper.context);
        this.#sharedContexts.add(this.#world.keeper.context);
        this.#track(tolerated(this.#world.keeper.context.close()));
        return undefined;
      case 'drain':
        this.#track(this.#contextOf(step.context).drain());
        return undefined;
      case 'open':
        return this.#open(step.file, step.opening, step.context);
      case 'adopt':
        return this.#adopt(step.file, step.own);
      case 'file read':
      case 'file write':
      case 'file readFully':
      case 'file writeFully':
        this.#fileTransfer(step);
        return undefined;
      case 'file readv':
      case 'file writev':
        this.#fileVectored(step);
        return undefined;
      case 'file readFile':
        this.#readFile(step.file);
        return undefined;
      case 'file sync':
        this.#track(tolerated(this.#fileOf(step.file).file.datasync()));
        return undefined;
      case 'file stat':
        this.#track(tolerated(this.#fileOf(step.file).file.stat()));
        return undefined;
      case 'close file': {
        const own = this.#files[step.file];
        if (own !== undefined) this.#closeFile(own);
        return undefined;
      }
      case 'drop file': {
        const own = this.#files[step.file];
        // What was adopted stays with the program: its descriptor is closed at the end.
        if (own?.adopted === undefined) this.#files[step.file] = undefined;
        return undefined;
      }
      case 'stream':
        this.#stream(step.file, step.stream);
        return undefined;
      case 'descriptor':
        return this.#openOwn(step);
      case 'close descriptor':
        this.#track(this.#closeOwn(step.own) ?? Promise.resolve());
        return undefined;
      case 'reuse descriptor':
        this.#reuse(step.own);
        return undefined;
      case 'exhaust descriptors':
        return this.#exhaust(step.leave, step.body);
      case 'install':
        this.#install(step.file, step.answer, step.body);
        return undefined;
      case 'answer':
        this.#installed[step.file]?.putOff.shift()?.();
        return undefined;
      case 'feed pipe':
        this.#feedPipe(step.bytes);
        return undefined;
      case 'subscribe':
        this.#subscribe(step.channel, step.body);
        return undefined;
      case 'promise hook':
        this.#hook(step.after, step.body);
        return undefined;
      case 'give back': {
        const memory = this.#memories[step.memory];
        if (memory?.kind !== 'pooled' || this.#requests.uses(memory)) return undefined;
        if (memory.isGivenBack) {
          this.#complain(
            throwsNot(() => memory.giveBack(this.#world.pool), 'a pool took a buffer back twice'),
          );
        } else {
          this.#complain(memory.check());
          memory.giveBack(this.#world.pool);
          this.#memories[step.memory] = undefined;
        }
        return undefined;
      }
      case 'wait':
        return this.#wait(step.how);
      case 'collect garbage':
        collectGarbage();
        return undefined;
    }
  }

  // Memory

  #makeMemory(index: number, kind: CanaryMemory['kind'], sectors: number): CanaryMemory {
    const { pool, misalignment } = this.#world;
    const memory = new CanaryMemory(
      kind,
      kind === 'pooled' ? POOLED_BYTES / SECTOR_BYTES : sectors,
      pool,
      misalignment,
    );
    this.#memories[index] = memory;
    this.#early[index] = new Uint8Array(memory.buffer, memory.from, Math.min(SECTOR_BYTES, memory.bytes));
    this.#made.push(memory);
    return memory;
  }

  #memory(index: number): CanaryMemory {
    return this.#memories[index] ?? this.#makeMemory(index, 'plain', 16);
  }

  /** A view of a shape, cut to what there is. */
  #view(shape: ViewShape): Taken {
    const memory = this.#memory(shape.memory);
    const asked = shape.asked === undefined ? undefined : once(() => this.#body(shape.asked!));
    if (!memory.isUsable) {
      // Used once more, and then it is another.
      this.#memories[shape.memory] = undefined;
      return { view: this.#early[shape.memory]!, part: undefined, isHonest: false, isAligned: false };
    }
    const at = (shape.at * SECTOR_BYTES) % memory.bytes;
    const bytes = roundedFor(shape.type, Math.min(shape.bytes, memory.bytes - at));
    const from = memory.from + at;
    const elsewhere = (): ArrayBufferLike => this.#memory((shape.memory + 1) % 3).buffer;
    const view = makeView(shape, memory.buffer, from, bytes, elsewhere, asked);
    return {
      view,
      part: { memory, range: { from, to: from + bytes } },
      isHonest:
        shape.lie === undefined &&
        asked === undefined &&
        memory.kind !== 'resizable' &&
        memory.kind !== 'growable',
      isAligned: bytes % SECTOR_BYTES === 0 && (this.#world.backend === 'native' || memory.kind !== 'plain'),
    };
  }

  #handOver(index: number, how: Handover): void {
    const memory = this.#memory(index);
    if (memory.kind.includes('shared') || memory.kind === 'growable' || memory.isGone || memory.isGivenBack)
      return;
    // Its slab is that of others.
    if (memory.kind === 'pooled' || memory.kind === 'aligned' || memory.kind === 'wasm') {
      this.#complain(
        throwsNot(() => memory.handOver(how), `${how} took the memory of WebAssembly away`, true),
      );
      return;
    }
    const isUsed = this.#requests.uses(memory);
    const wrong = memory.check();
    try {
      const owned = memory.handOver(how);
      if (owned === undefined) return;
      // What was in it is looked at no more.
      this.#complain(wrong);
      this.#made.push(owned);
    } catch (error) {
      if (!isUsed && !this.#world.without.has('refusals'))
        this.#complain(`${how} of memory that nothing uses was refused: ${nameOf(error)}`);
      return;
    }
    this.#requests.taintMemory(memory);
  }

  #resize(index: number, sectors: number): void {
    const memory = this.#memory(index);
    if (!memory.isSizable) return;
    const isUsed = this.#requests.uses(memory);
    const isWasm = memory.kind === 'wasm' || memory.kind === 'wasm-shared';
    if (!isWasm) this.#requests.taintMemory(memory);
    try {
      memory.resize(sectors);
    } catch (error) {
      // It has a limit.
      if (
        !isUsed &&
        isWasm &&
        !this.#world.without.has('refusals') &&
        memory.buffer.byteLength < memory.mostBytes
      )
        this.#complain(`memory.grow() was refused, although nothing uses the memory: ${nameOf(error)}`);
      return;
    }
    if (!isWasm) return;
    // Views of what it was are empty now; what is in flight goes on in the same place.
    for (const request of this.#requests.live)
      if (request.parts.some((part) => part.memory === memory)) request.mayFail = true;
  }

  // Contexts

  #contextOf(index: number): AioContext {
    return index < this.#world.contexts.length
      ? this.#world.contexts[index]!
      : (this.#context ?? this.#world.contexts[0]!);
  }

  #makeContext({ queueDepth, submitThread, busyPoll }: Extract<Step, { do: 'context' }>): void {
    if (this.#world.closing.size > MOST_CLOSING) return;
    if (this.#context !== undefined && !this.#contextIsClosed) return;
    const { kernel } = this.#world;
    try {
      const context = new AioContext({ kernel, queueDepth, submitThread, busyPoll });
      this.#context = context;
      this.#contextIsClosed = false;
    } catch (error) {
      this.#complain(this.#faultOf(error));
    }
  }

  #closeContext(context: AioContext): void {
    const { closing } = this.#world;
    const closed: Promise<void> = context.close().then(
      () => void closing.delete(closed),
      (error: unknown) => {
        closing.delete(closed);
        this.#complain(`close() of a context failed: ${nameOf(error)}`);
      },
    );
    closing.add(closed);
    if (context === this.#context) this.#contextIsClosed = true;
    // What submit() has not come to yet is refused.
    if (this.#isSubmitting) this.#requests.taint(context);
  }

  #isClosed(context: AioContext): boolean {
    return (context === this.#context && this.#contextIsClosed) || this.#sharedContexts.has(context);
  }

  // Requests

  #controller(index: number): AbortController {
    this.#signals[index] ??= new AbortController();
    return this.#signals[index];
  }

  /** What a request is on. */
  #resolve({ target, index, asked, changes }: Place, write: boolean): Resolved {
    const { files } = this.#world;
    const read: Expected = { kind: 'content', content: files.read.content };
    const written: Expected = { kind: 'written', file: files.written };
    const unknown: Expected = { kind: 'unknown' };
    const resolved = (fd: unknown, expected: Expected, rest: Partial<Resolved> = {}): Resolved => {
      const ask = asked === undefined ? undefined : once(() => this.#body(asked));
      let questions = 0;
      const number = (): unknown => {
        if (questions++ > 0 && changes === true) return NO_FILE;
        return typeof fd === 'number' ? fd : (fd as { fd: number }).fd;
      };
      const carried =
        ask === undefined && changes !== true
          ? fd
          : {
              get fd(): unknown {
                ask?.();
                return number();
              },
            };
      return {
        fd: carried,
        on: [],
        expected,
        direct: false,
        writable: false,
        waits: false,
        mayFail: asked !== undefined,
        ...rest,
      };
    };
    switch (target) {
      case 'buffered':
        return write
          ? resolved(files.writtenBuffered, written, { writable: true })
          : resolved(files.buffered, read);
      case 'direct':
        return resolved(write ? files.writtenDirect : files.direct, write ? written : read, {
          direct: files.noDirect === undefined,
          writable: write,
        });
      case 'handle':
        return resolved(files.handle, read);
      case 'written':
        return resolved(files.writtenBuffered, written, { writable: true });
      case 'written direct':
        return resolved(files.writtenDirect, written, {
          direct: files.noDirect === undefined,
          writable: true,
        });
      case 'file': {
        const own = this.#files[index];
        if (own === undefined) break;
        const isWritten = this.#isWritten(own);
        return resolved(own.file, isWritten ? written : read, {
          on: [own, own.adopted],
          direct: own.file.direct,
          writable: isWritten,
          mayFail: true,
        });
      }
      case 'own': {
        const own = this.#own[index];
        if (own === undefined) break;
        return resolved(own.handle ?? own.fd, own.writable ? written : read, {
          on: [own],
          direct: own.direct,
          writable: own.writable,
          mayFail: asked !== undefined,
        });
      }
      case 'installed': {
        const installed = this.#installed[index];
        if (installed === undefined) break;
        return resolved(
          installed.fd,
          { kind: 'computed', byteAt: computedByte },
          { waits: true, mayFail: true, writable: true },
        );
      }
      case 'pipe':
        if (this.#world.emulated === undefined) break;
        this.#pipe ??= this.#world.emulated.pipe();
        return resolved(this.#pipe[write ? 1 : 0], unknown, { waits: true, mayFail: true, writable: true });
      case 'no file':
        return resolved(NO_FILE, unknown, { mayFail: true });
    }
    return write
      ? resolved(files.writtenBuffered, written, { writable: true })
      : resolved(files.buffered, read);
  }

  #begin(
    request: Omit<Request, 'mayBeShort' | 'isMixed' | 'on'> &
      Partial<Pick<Request, 'mayBeShort' | 'isMixed'>>,
    on: readonly unknown[],
    start: () => Promise<unknown>,
  ): void {
    const full: Request = { mayBeShort: false, isMixed: false, ...request, on: new Set(on) };
    this.#requests.begin(full);
    let promise: Promise<unknown>;
    try {
      promise = start();
    } catch (error) {
      this.#requests.fail(full, error);
      this.#complain(`${full.what} threw at once, where it should reject: ${nameOf(error)}`);
      return;
    }
    this.#track(
      promise.then(
        (count) => this.#complain(this.#requests.succeed(full, count)),
        (error: unknown) =>
          this.#complain(
            this.#requests.fail(full, error) ?? (full.asksNode === true ? undefined : this.#faultOf(error)),
          ),
      ),
    );
  }

  /** Options of a request, and whether they may make it fail. */
  #extras({ signal, signalLie, nowait, asked, changes }: Extras): {
    options: object;
    on: readonly unknown[];
    mayFail: boolean;
    mayBeShort: boolean;
  } {
    const real = signal === undefined ? undefined : this.#controller(signal).signal;
    const given = real === undefined ? undefined : makeSignal(real, signalLie);
    if (signalLie !== undefined && real !== undefined) this.#lyingSignals.add(real);
    const ask = asked === undefined ? undefined : once(() => this.#body(asked));
    const rw_flags = nowait === true ? RWF_NOWAIT : 0;
    const options = {
      ...(given === undefined ? {} : { signal: given }),
      ...(nowait === true ? { rw_flags } : {}),
    };
    if (ask !== undefined) {
      // It is the flags that are asked for later, when more has been decided.
      const name = nowait === true ? 'rw_flags' : 'signal';
      const answer = nowait === true ? rw_flags : given;
      Object.defineProperty(options, name, {
        configurable: true,
        enumerable: true,
        get: () => {
          ask();
          return answer;
        },
      });
    }
    return {
      options: changes === true ? changing(options) : options,
      on: real === undefined ? [] : [real],
      mayFail:
        nowait === true ||
        asked !== undefined ||
        signalLie !== undefined ||
        real?.aborted === true ||
        (real !== undefined && this.#lyingSignals.has(real)),
      mayBeShort: nowait === true,
    };
  }

  /** Where in the file, such that the file does not grow. */
  #position(page: number, bytes: number, write: boolean): number {
    const position = (page * PAGE_BYTES) % FILE_BYTES;
    return write ? Math.min(position, Math.floor((FILE_BYTES - bytes) / PAGE_BYTES) * PAGE_BYTES) : position;
  }

  #mayFail(resolved: Resolved, taken: readonly Taken[], write: boolean, context?: AioContext): boolean {
    if (resolved.mayFail || (write && !resolved.writable)) return true;
    if (context !== undefined && this.#isClosed(context)) return true;
    return taken.some(({ isHonest, isAligned }) => !isHonest || (resolved.direct && !isAligned));
  }

  #transfer(
    operation: 'read' | 'write',
    index: number,
    place: Place,
    shape: ViewShape,
    extras: Extras,
  ): void {
    const write = operation === 'write';
    const context = this.#contextOf(index);
    const resolved = this.#resolve(place, write);
    const taken = this.#view(shape);
    const { options, ...more } = this.#extras(extras);
    const parts = taken.part === undefined ? [] : [taken.part];
    const bytes = bytesOfParts(parts);
    const position = this.#position(place.page, bytes, write);
    this.#begin(
      {
        what: `${operation} of ${bytes} bytes at ${position} (${place.target})`,
        write,
        parts,
        position,
        expected: resolved.expected,
        mayFail: this.#mayFail(resolved, [taken], write, context) || more.mayFail,
        mayBeShort: more.mayBeShort || resolved.waits,
        waits: resolved.waits,
      },
      [...resolved.on, ...more.on, context],
      () => context[operation](resolved.fd as number, taken.view, position, options),
    );
  }

  #vectored({
    do: operation,
    context: index,
    place,
    views,
    lie,
    extras,
  }: Extract<Step, { do: 'readv' | 'writev' }>): void {
    const write = operation === 'writev';
    const context = this.#contextOf(index);
    const resolved = this.#resolve(place, write);
    const taken = views.map((shape) => this.#view(shape));
    const { options, ...more } = this.#extras(extras);
    const parts = taken.flatMap(({ part }) => part ?? []);
    const bytes = bytesOfParts(parts);
    const position = this.#position(place.page, bytes, write);
    this.#begin(
      {
        what: `${operation} of ${bytes} bytes at ${position} (${place.target})`,
        write,
        parts,
        position,
        expected: resolved.expected,
        mayFail: this.#mayFail(resolved, taken, write, context) || more.mayFail || lie !== undefined,
        mayBeShort: more.mayBeShort || resolved.waits || lie !== undefined,
        isMixed: lie !== undefined,
        waits: resolved.waits,
      },
      [...resolved.on, ...more.on, context],
      () =>
        context[operation](
          resolved.fd as number,
          makeVector(
            taken.map(({ view }) => view),
            lie,
          ),
          position,
          options,
        ),
    );
  }

  #submit({ context: index, requests, lie }: Extract<Step, { do: 'submit' }>): void {
    const context = this.#contextOf(index);
    const settlers: ((outcome: PromiseSettledResult<number> | undefined, refusal: unknown) => void)[] = [];
    const batch = requests.map(({ write, place, view, extras }) => {
      const resolved = this.#resolve(place, write);
      const taken = this.#view(view);
      const { options, ...more } = this.#extras(extras);
      const parts = taken.part === undefined ? [] : [taken.part];
      const bytes = bytesOfParts(parts);
      const position = this.#position(place.page, bytes, write);
      this.#begin(
        {
          what: `${write ? 'write' : 'read'} of ${bytes} bytes at ${position} (${place.target}) by submit()`,
          write,
          parts,
          position,
          expected: resolved.expected,
          mayFail: this.#mayFail(resolved, [taken], write, context) || more.mayFail || lie !== undefined,
          mayBeShort: more.mayBeShort || resolved.waits,
          isMixed: lie !== undefined,
          waits: resolved.waits,
        },
        [...resolved.on, ...more.on, context],
        () =>
          new Promise((resolve, reject) => {
            settlers.push((outcome, refusal) => {
              if (outcome === undefined) reject(refusal as Error);
              else if (outcome.status === 'fulfilled') resolve(outcome.value);
              else reject(outcome.reason as Error);
            });
          }),
      );
      const descriptors = Object.getOwnPropertyDescriptors(options);
      return Object.defineProperties(
        { operation: write ? 'write' : 'read', fd: resolved.fd, buffer: taken.view, position },
        descriptors,
      );
    });
    const vector = makeVector(batch, lie);
    this.#isSubmitting = true;
    const submitted = context.submit(vector as unknown as Parameters<AioContext['submit']>[0]).then(
      (outcomes) => {
        if (outcomes.length !== batch.length && lie === undefined)
          this.#complain(`submit() of ${batch.length} requests brought ${outcomes.length} outcomes`);
        for (const [at, settle] of settlers.entries())
          settle(outcomes[at], Object.assign(new Error('no outcome'), { code: 'NONE' }));
      },
      (error: unknown) => {
        for (const settle of settlers) settle(undefined, error);
        if (lie === undefined) this.#complain(`submit() failed: ${nameOf(error)}`);
      },
    );
    this.#isSubmitting = false;
    this.#track(submitted);
  }

  #poll(index: number, event: number, extras: Extras): void {
    const context = this.#contextOf(index);
    const { options, ...more } = this.#extras(extras);
    this.#begin(
      {
        what: `poll of event ${event}`,
        write: true,
        parts: [],
        position: 0,
        expected: { kind: 'unknown' },
        mayFail: more.mayFail || this.#isClosed(context),
        mayBeShort: true,
        waits: true,
      },
      [...more.on, context],
      () => context.poll(this.#world.events[event]!, POLLIN, options),
    );
  }

  // Files

  /** A file of the program's own, or one that all programs share. */
  #fileOf(index: number): OwnFile {
    const own = this.#files[index];
    if (own !== undefined) return own;
    const shared = this.#world.shared[index % this.#world.shared.length]!;
    this.#shared[index] ??= { ...shared, adopted: undefined, isFresh: false, moves: 0, isClosed: false };
    return this.#shared[index];
  }

  #isWritten({ opening, adopted }: OwnFile): boolean {
    return adopted === undefined ? opening.startsWith('written') : adopted.writable;
  }

  async #open(index: number, opening: Opening, context: number | undefined): Promise<void> {
    if (this.#files[index] !== undefined) return;
    try {
      const file = await this.#world.files.open(
        opening,
        context === undefined ? undefined : this.#contextOf(context),
      );
      if (this.#files[index] !== undefined || this.#isEnding) {
        await file.close();
        return;
      }
      this.#files[index] = { file, opening, adopted: undefined, isFresh: true, moves: 0, isClosed: false };
    } catch (error) {
      this.#complain(this.#faultOf(error));
    }
  }

  async #adopt(index: number, which: number): Promise<void> {
    const own = this.#own[which];
    if (own === undefined || this.#files[index] !== undefined) return;
    try {
      const file = await fromDescriptor(own.handle ?? own.fd, { direct: own.direct, unaligned: 'copy' });
      if (this.#files[index] !== undefined || this.#isEnding) {
        await file.close();
        return;
      }
      this.#files[index] = {
        file,
        opening: 'buffered',
        adopted: own,
        isFresh: false,
        moves: 0,
        isClosed: false,
      };
    } catch (error) {
      this.#complain(this.#faultOf(error));
    }
  }

  #closeFile(own: OwnFile): void {
    own.isClosed = true;
    own.isFresh = false;
    this.#track(tolerated(own.file.close()));
  }

  async #openOwn({
    own: index,
    writable,
    direct,
    handle,
  }: Extract<Step, { do: 'descriptor' }>): Promise<void> {
    if (this.#own[index] !== undefined) return;
    const { files } = this.#world;
    const isDirect = direct && files.noDirect === undefined;
    const flags = (writable ? O_RDWR : O_RDONLY) | (isDirect ? O_DIRECT! : 0);
    const path = writable ? files.written.path : files.read.path;
    if (!handle) {
      const fd = openSyncOrNot(path, flags);
      if (fd !== undefined) this.#own[index] = { fd, handle: undefined, writable, direct: isDirect };
      return;
    }
    const opened = await openHandle(path, flags);
    if (this.#own[index] !== undefined || this.#isEnding) await opened.close();
    else this.#own[index] = { fd: opened.fd, handle: opened, writable, direct: isDirect };
  }

  /** @returns When it is closed; `undefined` if there is none. */
  #closeOwn(index: number): Promise<unknown> | undefined {
    const own = this.#own[index];
    if (own === undefined) return undefined;
    this.#requests.taint(own);
    for (const file of this.#files) if (file?.adopted === own) file.isClosed = true;
    this.#own[index] = undefined;
    if (own.handle !== undefined) return own.handle.close();
    // From now on the number means whatever it will be given to.
    for (const request of this.#requests.live) if (request.on.has(own)) request.isMixed = true;
    closeSync(own.fd);
    return Promise.resolve();
  }

  /** Closes a descriptor, and has another file take its number. */
  #reuse(index: number): void {
    const own = this.#own[index];
    if (own === undefined) return;
    const { path } = this.#world.files.other;
    const take = (flags: number): void => {
      if (this.#isEnding) return;
      const fd = openSyncOrNot(path, flags);
      if (fd !== undefined) this.#undo.push(() => closeSync(fd));
    };
    const closed = this.#closeOwn(index)!;
    // A number alone is the program's to look after: what is still written to it is not to find a file that takes it.
    if (own.handle === undefined) take(O_RDONLY);
    else this.#track(closed.then(() => take(O_RDWR)));
  }

  #ofFile(own: OwnFile): Pick<Resolved, 'expected' | 'writable'> {
    const { files } = this.#world;
    // The descriptor of what was adopted may be another file's by now.
    if (own.adopted !== undefined && own.adopted.handle === undefined && own.isClosed)
      return { expected: { kind: 'unknown' }, writable: false };
    return this.#isWritten(own)
      ? { expected: { kind: 'written', file: files.written }, writable: true }
      : { expected: { kind: 'content', content: files.read.content }, writable: false };
  }

  #fileTransfer(
    step: Extract<Step, { do: 'file read' | 'file write' | 'file readFully' | 'file writeFully' }>,
  ): void {
    const own = this.#fileOf(step.file);
    const { file } = own;
    const method = step.do.slice('file '.length) as 'read' | 'write' | 'readFully' | 'writeFully';
    const write = method.startsWith('write');
    const taken = this.#view(step.view);
    const { options, ...more } = this.#extras(step.extras);
    const parts = taken.part === undefined ? [] : [taken.part];
    const bytes = bytesOfParts(parts);
    const position = this.#position(step.page, bytes, write);
    const atCursor = step.cursor === true && !write;
    if (atCursor) moveCursor(own);
    const { expected, writable } = this.#ofFile(own);
    const adds = file.direct && write && own.opening !== 'written direct';
    this.#begin(
      {
        what: `${step.do} of ${bytes} bytes at ${position} (${own.opening})`,
        write,
        parts,
        position,
        expected: atCursor ? { kind: 'unknown' } : expected,
        mayFail:
          !taken.isHonest ||
          more.mayFail ||
          own.isClosed ||
          (write && !writable) ||
          (adds && !taken.isAligned) ||
          (own.opening === 'direct' && !taken.isAligned) ||
          // The descriptor's own position may be anywhere, and nothing can be widened there.
          (atCursor && own.adopted?.direct === true) ||
          this.#isClosed(file.context),
        mayBeShort: atCursor,
        asksNode: isOdd(step.view),
        waits: false,
      },
      [own, own.adopted, ...more.on, file.context],
      () => {
        const given = Object.defineProperties(
          { position: atCursor ? null : position },
          Object.getOwnPropertyDescriptors(options),
        );
        if (step.extras.changes === true) changing(given);
        const { view } = taken;
        if (method === 'read') return file.read(view, given).then(({ bytesRead }) => bytesRead);
        if (method === 'readFully') return file.readFully(view, given).then(({ bytesRead }) => bytesRead);
        if (method === 'write') return file.write(view, given).then(({ bytesWritten }) => bytesWritten);
        return file.writeFully(view, given).then(({ bytesWritten }) => bytesWritten);
      },
    );
  }

  #fileVectored({
    do: name,
    file: index,
    page,
    views,
    lie,
  }: Extract<Step, { do: 'file readv' | 'file writev' }>): void {
    const own = this.#fileOf(index);
    const { file } = own;
    const write = name === 'file writev';
    const taken = views.map((shape) => this.#view(shape));
    const parts = taken.flatMap(({ part }) => part ?? []);
    const bytes = bytesOfParts(parts);
    const position = this.#position(page, bytes, write);
    const { expected, writable } = this.#ofFile(own);
    this.#begin(
      {
        what: `${name} of ${bytes} bytes at ${position} (${own.opening})`,
        write,
        parts,
        position,
        expected,
        mayFail:
          taken.some(({ isHonest, isAligned }) => !isHonest || (file.direct && !isAligned)) ||
          lie !== undefined ||
          views.length === 0 ||
          own.isClosed ||
          (write && !writable) ||
          this.#isClosed(file.context),
        mayBeShort: lie !== undefined,
        isMixed: lie !== undefined,
        asksNode: lie !== undefined || views.some(isOdd),
        waits: false,
      },
      [own, own.adopted, file.context],
      () => {
        const vector = makeVector(
          taken.map(({ view }) => view),
          lie,
        );
        return write
          ? file.writev(vector, position).then(({ bytesWritten }) => bytesWritten)
          : file.readv(vector, position).then(({ bytesRead }) => bytesRead);
      },
    );
  }

  #readFile(index: number): void {
    const own = this.#files[index];
    if (own === undefined) return;
    const isFresh = own.isFresh && !this.#isWritten(own);
    const moves = moveCursor(own);
    this.#track(
      tolerated(
        own.file.readFile().then((content) => {
          if (
            isFresh &&
            own.moves === moves &&
            !own.isClosed &&
            !content.equals(this.#world.files.read.content)
          )
            this.#complain(`readFile() brought ${content.length} bytes, and not the content of the file`);
        }),
      ),
    );
  }

  #stream(index: number, stream: Stream): void {
    const own = this.#files[index];
    if (own === undefined || own.isClosed) return;
    moveCursor(own);
    const isRead = !this.#isWritten(own);
    const { content } = this.#world.files.read;
    // Who destroys a stream closes its file, as with FileHandle.
    if (stream !== 'read' && stream !== 'write') own.isClosed = true;
    switch (stream) {
      case 'read': {
        const readable = own.file.createReadStream({ start: 0, end: 99_999, autoClose: false });
        const chunks: Buffer[] = [];
        readable.on('error', ignored);
        readable.on('data', (chunk) => chunks.push(chunk as Buffer));
        this.#track(
          tolerated(
            finished(readable).then(() => {
              const bytes = Buffer.concat(chunks);
              if (isRead && own.adopted === undefined && !bytes.equals(content.subarray(0, bytes.length)))
                this.#complain('a stream brought wrong bytes');
            }),
          ),
        );
        return;
      }
      case 'read, destroyed': {
        const readable = own.file.createReadStream({ start: 0, autoClose: false });
        readable.on('error', ignored);
        readable.once('data', () => readable.destroy());
        this.#track(tolerated(finished(readable)));
        return;
      }
      case 'write': {
        const writable = own.file.createWriteStream({ start: 0, autoClose: false });
        writable.on('error', ignored);
        const { written } = this.#world.files;
        const watch = this.#isWritten(own) ? written.beginWrite(0, 2 * PAGE_BYTES) : undefined;
        writable.write(Buffer.alloc(PAGE_BYTES, 1));
        writable.end(Buffer.alloc(PAGE_BYTES, 2));
        const end = (): void => {
          if (watch !== undefined) written.endWrite(watch, 0, undefined);
        };
        this.#track(tolerated(finished(writable).finally(end)));
        return;
      }
      case 'web':
      case 'web, cancelled': {
        if (own.file.fd < 0) return;
        this.#track(
          tolerated(
            (async () => {
              let chunks = 0;
              for await (const _ of own.file.readableWebStream())
                if (stream === 'web, cancelled' && ++chunks > 1) break;
            })(),
          ),
        );
        return;
      }
      case 'lines, left':
        this.#hasLeftLines = true;
        this.#track(
          tolerated(
            (async () => {
              const lines = own.file.readLines({ start: 0, autoClose: false });
              // It hands on the error of its input, which who has left its lines hears nowhere else; as with FileHandle.
              (lines as unknown as { input: Readable }).input.on('error', ignored);
              lines.on('error', ignored);
              for await (const _ of lines) break;
            })(),
          ),
        );
    }
  }

  async #exhaust(leave: number, body: Body): Promise<void> {
    const held: number[] = [];
    for (;;) {
      const fd = openSyncOrNot('/dev/null', O_RDONLY);
      if (fd === undefined) break;
      held.push(fd);
    }
    for (const fd of held.splice(0, leave)) closeSync(fd);
    try {
      await Promise.allSettled(body.map((step) => this.#step(step)));
    } finally {
      for (const fd of held) closeSync(fd);
    }
  }

  // Files of the program's own

  #install(index: number, answer: Answer, body: Body): void {
    const { emulated } = this.#world;
    if (emulated === undefined) return;
    const before = this.#installed[index];
    if (before !== undefined) emulated.close(before.fd);
    const putOff: (() => void)[] = [];
    const run = once(() => this.#body(body));
    const operate = (request: FileRequest): number | 'retry' | undefined | Promise<number> => {
      run();
      const { operation, position, length } = request;
      const isRead = operation === 'read';
      const isSync = operation === 'fsync' || operation === 'fdatasync';
      const fill = (): number => {
        if (isSync) return 0;
        const { bytes } = request;
        if (isRead) for (let at = 0; at < bytes.length; at++) bytes[at] = computedByte(position + at);
        return bytes.length;
      };
      if (this.#isEnding) return fill();
      switch (answer) {
        case 'now':
          return fill();
        case 'later':
          putOff.push(() => request.complete(request.isOver ? 0 : fill()));
          return undefined;
        case 'promise':
          return Promise.resolve().then(fill);
        case 'retry':
          putOff.push(() => request.kick());
          return 'retry';
        case 'advance':
          if (isSync || length < 2) return fill();
          fill();
          request.advance(length >> 1);
          putOff.push(() => request.kick());
          return 'retry';
        case 'too many':
          fill();
          return length + 1;
        case 'nonsense':
          return Number.NaN;
        case 'throws':
          throw Object.assign(new Error('on purpose'), { code: 'ENOSPC' });
        case 'rejects':
          return Promise.reject(Object.assign(new Error('on purpose'), { code: 'ENOSPC' }));
        case 'twice':
          request.complete(fill());
          request.complete(0);
          return undefined;
      }
    };
    const installed: Installed = {
      fd: emulated.install({
        read: operate,
        write: operate,
        fsync: operate,
        ...(answer === 'later' ? { cancel: () => undefined } : {}),
      }),
      putOff,
    };
    this.#installed[index] = installed;
    this.#everInstalled.push(installed);
  }

  #feedPipe(bytes: number): void {
    const { emulated } = this.#world;
    if (emulated === undefined || this.#pipe === undefined) return;
    this.#track(emulated.write(this.#pipe[1], new Uint8Array(bytes)));
  }

  // Who listens

  #subscribe(channel: string, body: Body): void {
    const run = once(() => this.#body(body));
    subscribe(channel, run);
    this.#undo.push(() => unsubscribe(channel, run));
  }

  #hook(after: number, body: Body): void {
    let count = 0;
    const run = once(() => this.#body(body));
    const stop = promiseHooks.onSettled(() => {
      if (count++ === after) run();
    }) as () => void;
    this.#undo.push(stop);
  }

  async #wait(how: Extract<Step, { do: 'wait' }>['how']): Promise<void> {
    switch (how) {
      case 'microtask':
        return;
      case 'tick':
        await new Promise<void>((resolve) => process.nextTick(resolve));
        return;
      case 'immediate':
        await new Promise((resolve) => setImmediate(resolve));
        return;
      case 'millisecond':
        await new Promise((resolve) => setTimeout(resolve, 1));
        return;
      case 'settled': {
        const until = Date.now() + SETTLED_MS;
        while (Date.now() < until && [...this.#requests.live].some(({ waits }) => !waits))
          await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  // The end

  async #end(): Promise<void> {
    const { kernel, emulated, events } = this.#world;
    this.#isEnding = true;
    for (const undo of this.#undo.splice(0)) undo();
    // What was aborted ends although nobody wakes it.
    this.#where = 'at the end, waiting for polls that were aborted';
    while (this.#wrong === undefined && [...this.#requests.live].some((request) => this.#wasAborted(request)))
      await new Promise((resolve) => setImmediate(resolve));
    this.#where = 'at the end, with everything answered and woken';
    for (const event of events) kernel.eventfd_write(event, 1n);
    for (const { putOff } of this.#everInstalled) for (const answer of putOff.splice(0)) answer();
    if (this.#pipe !== undefined) for (const fd of this.#pipe) emulated?.close(fd);
    await this.#allSettled();
    for (const own of this.#files) if (own !== undefined) this.#closeFile(own);
    await this.#allSettled();
    for (const [index] of this.#own.entries()) await this.#closeOwn(index);
    for (const installed of this.#installed) if (installed !== undefined) emulated?.close(installed.fd);
    if (this.#context !== undefined && !this.#contextIsClosed) this.#closeContext(this.#context);
    // What nobody holds any more can be collected, and is then given back.
    this.#context = undefined;
    this.#files.length = 0;
    for (const event of events) kernel.eventfd_read(event);
    if (this.#sharedContexts.size > 0) await this.#world.renew();
    for (const memory of this.#made) this.#complain(memory.check());
    // The stream of lines that were left fills its buffer; of a dropped file, nobody waits for that.
    for (const until = Date.now() + READ_AHEAD_MS; this.#hasLeftLines && Date.now() < until; ) {
      if (this.#world.checkSoon() === undefined) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#complain(this.#world.checkSoon() ?? this.#world.remember(this.#made));
  }

  #wasAborted({ what, on, waits }: Request): boolean {
    if (!waits || !what.startsWith('poll')) return false;
    for (const one of on)
      if (one instanceof AbortSignal && one.aborted && !this.#lyingSignals.has(one)) return true;
    return false;
  }

  async #allSettled(): Promise<void> {
    while (this.#pending.size > 0 && this.#wrong === undefined) await Promise.race([...this.#pending]);
  }
}

/** What a stream that nobody waits for any more says of its end. */
function ignored(): void {}

/** The same object, whose properties are something else from the second question on. */
function changing<T extends object>(object: T): T {
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

function bytesOfParts(parts: readonly Part[]): number {
  return bytesOf({ parts } as Request);
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}

/** @returns How often it was moved by then. */
function moveCursor(own: OwnFile): number {
  own.isFresh = false;
  return ++own.moves;
}

/** What looks like no view at all. */
function isOdd({ lie }: ViewShape): boolean {
  return lie === 'proxy' || lie === 'no prototype' || lie === "another's prototype";
}

function openSyncOrNot(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch {
    return undefined;
  }
}

/** Errors of Node's form have a code. */
function faultOf(error: unknown): string | undefined {
  if (error instanceof Error && typeof (error as { code?: unknown }).code === 'string') return undefined;
  return `an error without a code: ${nameOf(error)}`;
}

/** A promise whose rejection is all right, if it is an error with a code. */
async function tolerated(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (faultOf(error) !== undefined) throw error;
  }
}

/** @returns What is wrong, unless it throws an error that has a code, or, from the engine, need not have one. */
function throwsNot(act: () => unknown, wrong: string, byTheEngine = false): string | undefined {
  try {
    return act() === undefined && byTheEngine ? undefined : wrong;
  } catch (error) {
    return byTheEngine ? undefined : faultOf(error);
  }
}
