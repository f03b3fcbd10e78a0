/** Two kernels that run the same program, step by step, and what they did differently. */
import { setImmediate } from 'node:timers/promises';
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_FLAG_RESFD,
} from '../common/abi/constants.ts';
import { ERRNO } from '../common/abi/errno.ts';
import type { EmulatedKernel } from '../emulated/index.ts';
import type { NativeKernel } from '../native/index.ts';
import { type Answer, Calls, type Submitted } from './calls.ts';
import { Contexts } from './contexts.ts';
import { Events } from './events.ts';
import { type FileSet, firstDifference } from './files.ts';
import {
  CONTEXT_SLOTS,
  type ContextSlot,
  type Difference,
  EVENTFDS,
  type FileRef,
  type IocbPlace,
  isDirect,
  isEventfd,
  isOwnStream,
  type Operation,
  type Program,
} from './program.ts';
import { HEADER_WORDS, Side, serialIn, tailOf } from './side.ts';
import type { Structures } from './structures.ts';

const TAIL = 3;
const DEADLINE_MS = 2000;
/** Turns in which a kernel thread on this CPU gets its chance, before what it did is looked at. */
const YIELDS = 4;
/** Looks at the rings before a wait for Linux becomes one for a device. */
const QUICK_WAITS = 30;
const WAIT_US = 50;
/** Two ticks of the slowest usual clock, and more. */
const RELEASE_US = 25_000;
/** Of what is left in a pipe, what is looked at. */
const LEFT_BYTES = 5000;
/** Programs that share contexts. */
const CONTEXT_LIFE = 256;

export class Machine {
  readonly #sides: readonly [Side, Side];
  readonly #contexts: Contexts;
  readonly #events: Events;
  readonly #calls: Calls;
  readonly #yieldCpu: () => number;
  readonly #sleep: (us: number) => number;
  /** Contexts that the program has submitted to. */
  readonly #active = new Set<ContextSlot>();
  /** Requests of each context that end by themselves, and how many of those the emulation has ended. */
  readonly #certain = [0, 0, 0, 0];
  readonly #ended = [0, 0, 0, 0];
  /** Events that came into each ring, by side. */
  readonly #produced: readonly [number[], number[]] = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  readonly #tails: readonly [number[], number[]] = [
    [0, 0, 0, 0],
    [0, 0, 0, 0],
  ];
  /** Iocbs of accepted polls, by context. */
  readonly #polls: readonly Set<IocbPlace>[] = CONTEXT_SLOTS.map(() => new Set());
  /** What each accepted poll looks at, and where, by serial. */
  readonly #pollSerials = new Map<number, { readonly file: FileRef; readonly context: ContextSlot }>();
  readonly #lateEventfds = new Set<FileRef>();
  /** Something that ends on another thread signals an eventfd, which it does after it moved the tail. */
  #signalsLate = false;
  /** An end of a pipe or socket was closed that a poll may hold: when Linux lets go of it, the other end is told. */
  #orphans = false;
  #programs = 0;

  constructor(native: NativeKernel, emulated: EmulatedKernel, files: readonly [FileSet, FileSet]) {
    this.#sides = [new Side(native, files[0]), new Side(emulated, files[1])];
    this.#yieldCpu = native.libc.bind('sched_yield', 'int', 0);
    this.#sleep = native.libc.bind('usleep', 'int', 1);
    this.#contexts = new Contexts(this.#sides);
    this.#events = new Events(emulated.supports.features['runs-in-submit'] === true);
    this.#calls = new Calls(this.#sides, this.#contexts, this.#events);
  }

  /** Runs a program from the same beginning on both kernels. */
  async run(program: Program): Promise<Difference | undefined> {
    await this.#contexts.keepUp();
    this.#reset();
    const steps = this.#steps(program);
    let difference: Difference | undefined;
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) {
        difference = step.value;
        break;
      }
      await setImmediate();
    }
    this.#programs++;
    this.#calls.restoreIds();
    for (const side of this.#sides) for (const slot of [2, 3] as const) this.#contexts.retire(side, slot);
    if (difference !== undefined || this.#programs % CONTEXT_LIFE === 0) this.#contexts.renew();
    // What is still under way could reach into the next program.
    if (difference !== undefined) await this.#contexts.settled();
    return difference;
  }

  #reset(): void {
    for (const side of this.#sides) side.reset();
    this.#events.reset();
    this.#calls.reset();
    this.#active.clear();
    this.#certain.fill(0);
    this.#ended.fill(0);
    this.#pollSerials.clear();
    this.#lateEventfds.clear();
    for (const polls of this.#polls) polls.clear();
    this.#signalsLate = false;
    this.#orphans = false;
    this.#sides.forEach((side, index) => {
      for (const slot of CONTEXT_SLOTS) {
        this.#produced[index]![slot] = 0;
        this.#tails[index]![slot] = side.contexts[slot]?.words[TAIL] ?? 0;
      }
    });
  }

  /** The program, then its end. Yields where the event loop must have its turn. */
  *#steps({ operations, executor }: Program): Generator<void, Difference | undefined> {
    const atOnce = executor === 'submit';
    for (let step = 0; step < operations.length; step++) {
      const operation = operations[step]!;
      let difference = this.#apply(operation, step);
      // Polls are looked at again on a kernel thread.
      if (operation.op === 'stream_close' || operation.op === 'shutdown')
        for (let turn = 0; turn < YIELDS; turn++) this.#yieldCpu();
      difference ??= yield* this.#settle(step, atOnce);
      if (difference !== undefined) return difference;
    }
    return yield* this.#finish(operations.length, atOnce);
  }

  /** Does one thing on both sides and compares the answers. */
  #apply(operation: Operation, step: number): Difference | undefined {
    const [native, emulated] = this.#calls.perform(operation);
    if (native !== emulated)
      return { step, what: operation.op, native: String(native), emulated: String(emulated) };
    this.#note(operation, native);
    this.#letGo(operation, native);
    return operation.op === 'submit' || operation.op === 'fill' ? this.#compareIocbs(step) : undefined;
  }

  /** What Linux drops on a kernel thread is released by a work item, a tick of the clock later. */
  #letGo(operation: Operation, answer: Answer): void {
    if (operation.op === 'stream_close') this.#orphans ||= this.#isPolled(operation.stream);
    if (!this.#orphans) return;
    this.#classifyStreamPolls();
    const ends =
      operation.op === 'stream_close' ||
      operation.op === 'shutdown' ||
      (operation.op === 'cancel' && answer === -ERRNO.EINPROGRESS) ||
      (operation.op === 'destroy' && answer === 0);
    if (ends) this.#sleep(RELEASE_US);
  }

  /** The waker tells no bits, so Linux looks again on another thread. */
  #classifyStreamPolls(): void {
    for (const [serial, { file, context }] of this.#pollSerials)
      if (isOwnStream(file)) this.#events.classify(serial, 'none', context);
  }

  #isPolled(stream: FileRef): boolean {
    return [...this.#pollSerials.values()].some(({ file }) => file === stream);
  }

  /** Remembers what is under way after an operation. */
  #note(operation: Operation, answer: Answer): void {
    switch (operation.op) {
      case 'submit':
      case 'fill': {
        const { context } = operation;
        if (typeof context !== 'number' || this.#sides[0].contexts[context] === undefined) return;
        this.#active.add(context);
        const accepted = typeof answer === 'number' ? answer : 0;
        for (const one of this.#calls.submitted.slice(0, Math.max(0, accepted))) this.#accept(context, one);
        return;
      }
      case 'cancel':
        if (answer === -ERRNO.EINPROGRESS) this.#cancelled(operation.context as ContextSlot, operation.iocb);
        return;
      case 'stream_close':
      case 'shutdown':
        this.#classifyStreamPolls();
        return;
      case 'setup':
        if (answer === 'made') {
          this.#certain[operation.into] = this.#ended[operation.into] = 0;
          for (const index of [0, 1] as const)
            this.#produced[index][operation.into] = this.#tails[index][operation.into] = 0;
        }
        return;
      case 'destroy':
        if (answer === 0) {
          this.#active.delete(operation.context as ContextSlot);
          this.#polls[operation.context as ContextSlot]!.clear();
          this.#events.destroyed(operation.context as ContextSlot);
        }
        return;
    }
  }

  #accept(context: ContextSlot, { request, serial, at }: Submitted): void {
    const { opcode, file, flags = 0, resfd } = request;
    const signals = (flags & IOCB_FLAG_RESFD) !== 0;
    if (opcode === IOCB_CMD_POLL) {
      this.#polls[context]!.add(at);
      this.#pollSerials.set(serial, { file, context });
      if (signals) this.#signalledLate(resfd!);
      const inOrder = !signals && !this.#lateEventfds.has(file);
      this.#events.classify(serial, inOrder ? 'own' : 'none', context);
      return;
    }
    this.#certain[context]!++;
    const isLate = opcode === IOCB_CMD_FSYNC || opcode === IOCB_CMD_FDSYNC || isDirect(file);
    if (isLate && signals) this.#signalledLate(resfd!);
    this.#events.classify(
      serial,
      isLate ? 'none' : isEventfd(file) || isOwnStream(file) ? 'own' : 'transfer',
      context,
    );
  }

  /** Polls of this eventfd may be woken by another thread. */
  #signalledLate(eventfd: FileRef): void {
    this.#signalsLate = true;
    this.#lateEventfds.add(eventfd);
    for (const [serial, { file, context }] of this.#pollSerials)
      if (file === eventfd) this.#events.classify(serial, 'none', context);
  }

  #cancelled(context: ContextSlot, iocb: IocbPlace): void {
    // Which of several requests it was is known to the kernels alone.
    for (const serial of this.#calls.serialsAt(iocb)) this.#events.classify(serial, 'none', context);
  }

  #compareIocbs(step: number): Difference | undefined {
    const [native, emulated] = this.#sides.map(({ structures }) => structures) as [Structures, Structures];
    if (!native.hasKeysOf(emulated))
      return { step, what: 'aio_key', native: String(native.keys), emulated: String(emulated.keys) };
    const [one, two] = [native.iocbsAreAltered, emulated.iocbsAreAltered];
    return one || two
      ? { step, what: 'fields of an iocb altered', native: String(one), emulated: String(two) }
      : undefined;
  }

  /** Lets both come to rest: whatever ends by itself has ended. Then compares the rings. */
  *#settle(step: number, atOnce: boolean): Generator<void, Difference | undefined> {
    if (this.#active.size === 0) return undefined;
    let until = 0;
    let waits = 0;
    let came = 0;
    for (;;) {
      came += this.#look(0, false);
      this.#look(1, !atOnce);
      const [native, emulated] = this.#produced;
      let rested = true;
      let hopeless = false;
      for (const slot of this.#active) {
        const [one, two] = [native[slot]!, emulated[slot]!];
        rested &&= one === two && (atOnce || this.#ended[slot]! >= this.#certain[slot]!);
        // Nothing goes on in the emulation, and Linux takes no event back.
        hopeless ||= atOnce && one > two;
      }
      if (rested) break;
      until ||= Date.now() + DEADLINE_MS;
      if (hopeless || Date.now() > until)
        return { step, what: 'events in the rings', native: String(native), emulated: String(emulated) };
      if (waits++ < QUICK_WAITS) this.#yieldCpu();
      else this.#sleep(WAIT_US);
      if (!atOnce) yield;
    }
    // Only once for an event that came; a poll that is still pending signals when it comes.
    if (this.#signalsLate && waits + came > 0) for (let turn = 0; turn < YIELDS; turn++) this.#yieldCpu();
    return this.#compareHeaders(step);
  }

  /** Counts what came into the rings of a side. @param reads - Looks at the events, too. @returns How much it was. */
  #look(index: 0 | 1, reads: boolean): number {
    const side = this.#sides[index];
    let all = 0;
    for (const slot of this.#active) {
      const context = side.contexts[slot];
      if (context === undefined) continue;
      const tail = tailOf(context);
      const before = this.#tails[index][slot]!;
      const came = (tail - before + context.cells) % context.cells;
      all += came;
      this.#produced[index][slot]! += came;
      this.#tails[index][slot] = tail;
      for (let cell = 0; reads && cell < came; cell++)
        if (!this.#pollSerials.has(serialIn(context, (before + cell) % context.cells))) this.#ended[slot]!++;
    }
    return all;
  }

  #compareHeaders(step: number): Difference | undefined {
    for (const slot of CONTEXT_SLOTS) {
      const [native, emulated] = this.#sides.map(({ contexts }) => contexts[slot]);
      if (native === undefined || emulated === undefined) continue;
      const [one, two] = [native.words, emulated.words];
      // The ids of a process count all its contexts.
      let same = (one[0]! - native.id) >>> 0 === (two[0]! - emulated.id) >>> 0;
      for (let word = 1; word < HEADER_WORDS; word++) same &&= one[word] === two[word];
      if (!same)
        return {
          step,
          what: `ring header of context ${slot}`,
          native: headerOf(one),
          emulated: headerOf(two),
        };
    }
    return undefined;
  }

  /** Ends the polls, takes all events, and compares what is left. */
  *#finish(step: number, atOnce: boolean): Generator<void, Difference | undefined> {
    this.#calls.restoreIds();
    let difference = this.#emptyStreams(step) ?? (yield* this.#settle(step, atOnce));
    if (this.#polls.some((polls) => polls.size > 0)) {
      for (const eventfd of EVENTFDS)
        difference ??= this.#apply({ op: 'eventfd_write', eventfd, value: 1n }, step);
      difference ??= yield* this.#settle(step, atOnce);
      for (const context of CONTEXT_SLOTS)
        for (const iocb of this.#polls[context]!) difference ??= this.#cancelAll(context, iocb, step);
      difference ??= yield* this.#settle(step, atOnce);
    }
    difference ??= yield* this.#settle(step, atOnce);
    for (const eventfd of EVENTFDS)
      if (this.#sides[0].named.has(eventfd))
        difference ??= this.#apply({ op: 'eventfd_read', eventfd }, step);
    for (const slot of this.#active) difference ??= this.#takeAll(slot, step);
    if (difference !== undefined) return difference;
    const events = this.#events.differs();
    if (events !== undefined) return { step, ...events };
    return this.#compareMemory(step) ?? this.#compareFiles(step);
  }

  /** Reads what is left in the kernel's own pipe and sockets. */
  #emptyStreams(step: number): Difference | undefined {
    if (!this.#sides[0].namedStreams) return undefined;
    const entries = (['own-pipe-reader', 'own-socket', 'own-socket-peer'] as const).map((file, at) => ({
      at,
      opcode: IOCB_CMD_PREAD,
      file,
      buffer: { in: 'data', at: at * LEFT_BYTES } as const,
      nbytes: LEFT_BYTES,
    }));
    return this.#apply({ op: 'submit', context: 1, entries }, step);
  }

  #cancelAll(context: ContextSlot, iocb: IocbPlace, step: number): Difference | undefined {
    for (;;) {
      // The program may have left another key there.
      const [native, emulated] = this.#calls.perform({ op: 'cancel', context, iocb, key: 0 });
      if (native !== emulated)
        return { step, what: 'cancel', native: String(native), emulated: String(emulated) };
      if (native !== -ERRNO.EINPROGRESS) return undefined;
      this.#cancelled(context, iocb);
      // Other polls may be woken when its file goes.
      if (this.#orphans) this.#sleep(RELEASE_US);
    }
  }

  #takeAll(context: ContextSlot, step: number): Difference | undefined {
    for (;;) {
      const [native, emulated] = this.#calls.perform({ op: 'getevents', context, min_nr: 0, nr: 256 });
      if (native !== emulated)
        return { step, what: 'events left', native: String(native), emulated: String(emulated) };
      if (!(Number(native) > 0)) return undefined;
    }
  }

  #compareMemory(step: number): Difference | undefined {
    const [one, two] = this.#sides.map(({ structures }) => structures.arena.regions.data.bytes);
    if (Buffer.compare(one!, two!) === 0) return undefined;
    const { mine, others } = firstDifference(one!, two!);
    return { step, what: 'memory', native: mine, emulated: others };
  }

  #compareFiles(step: number): Difference | undefined {
    const found = this.#sides[0].files.differs(this.#sides[1].files);
    return found === undefined
      ? undefined
      : { step, what: found.what, native: found.mine, emulated: found.others };
  }

  /** Gives everything back. */
  async close(): Promise<void> {
    await this.#contexts.close();
    for (const side of this.#sides) side.dispose();
  }
}

function headerOf(words: Uint32Array): string {
  return String(words.subarray(0, HEADER_WORDS));
}
