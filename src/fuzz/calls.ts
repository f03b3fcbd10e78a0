/** The operations of a program, done on both sides. */
import type { AioLimits } from '../common/kernel/aio-kernel.ts';
import type { Contexts } from './contexts.ts';
import { EnvironmentBroken, messageOf } from './environment.ts';
import { type Events, UNSEEN } from './events.ts';
import {
  type Cancel,
  CONTEXT_SLOTS,
  type ContextRef,
  type ContextSlot,
  type Destroy,
  type Fill,
  type GetEvents,
  type IocbPlace,
  isWrite,
  type Operation,
  type Request,
  type RingWord,
  requestsOf,
  type Setup,
  type Submit,
  type Timeout,
} from './program.ts';
import { fakeTail, type Side, wordIndex } from './side.ts';

/** What a side answered, comparable with `===`. */
export type Answer = number | bigint | string;

/** Longest wait that a program really waits, in nanoseconds. */
const MOST_WAIT_NS = 5_000_000n;
const NSEC_PER_SEC = 1_000_000_000n;
/** Seconds from which on a time is for ever (GET-07). */
const KTIME_SEC_MAX = 9_223_372_036n;
/** Looks at `aio-nr` that tell whether it is at rest. */
const LOOKS = 10;
const LOOK_MS = 1;
const ID = 0;
/** Larger contexts are asked for to be refused. */
const MOST_ASKED = 64;
const HEAD = 2;
const TAIL = 3;

/** A request as the kernel found it: what was written last into its iocb. */
export interface Submitted {
  readonly request: Request;
  readonly serial: number;
  readonly at: IocbPlace;
}

export class Calls {
  /** The requests of the last submission, in the order of the array. */
  submitted: readonly Submitted[] = [];
  readonly #sides: readonly [Side, Side];
  readonly #contexts: Contexts;
  readonly #events: Events;
  readonly #serials = new Map<IocbPlace, number[]>();
  #serial = 1;

  constructor(sides: readonly [Side, Side], contexts: Contexts, events: Events) {
    this.#sides = sides;
    this.#contexts = contexts;
    this.#events = events;
  }

  reset(): void {
    this.submitted = [];
    this.#serials.clear();
    this.#serial = 1;
  }

  /** The serials that were ever written into an iocb. */
  serialsAt(place: IocbPlace): readonly number[] {
    return this.#serials.get(place) ?? [];
  }

  perform(operation: Operation): [Answer, Answer] {
    switch (operation.op) {
      case 'submit':
        return this.#submit(operation);
      case 'fill':
        return this.#fill(operation);
      case 'getevents':
        return this.#both((side, index) => this.#getevents(side, index, operation));
      case 'cancel':
        return this.#both((side) => cancel(side, operation));
      case 'setup':
        return this.#setup(operation);
      case 'destroy':
        return this.#both((side) => destroy(side, operation));
      case 'reap':
        return this.#both((side, index) => this.#reap(side, index, operation.context, operation.max));
      case 'ring':
        return this.#both((side) => this.#alter(side, operation.context, operation));
      default:
        return this.#both((side) => around(side, operation));
    }
  }

  /** The emulation must not throw, whatever it is asked. */
  #both(call: (side: Side, index: 0 | 1) => Answer): [Answer, Answer] {
    const native = call(this.#sides[0], 0);
    try {
      return [native, call(this.#sides[1], 1)];
    } catch (error) {
      return [native, `threw ${error instanceof Error ? error.stack : messageOf(error)}`];
    }
  }

  #submit({ context, entries, nr = entries.length, array = 'start' }: Submit): [Answer, Answer] {
    const requests = requestsOf(entries);
    const places = requests.map((request) => request?.at ?? 'null');
    const first = this.#serial;
    this.#serial += entries.length;
    const written = new Map<IocbPlace, Submitted>();
    entries.forEach((entry, at) => {
      if ('again' in entry) return;
      const serial = first + at;
      written.set(entry.at, { request: entry, serial, at: entry.at });
      this.#remember(entry, serial);
    });
    this.submitted = places.flatMap((place) => written.get(place) ?? []);
    return this.#both((side) => {
      side.structures.begin();
      entries.forEach((entry, at) => {
        if (!('again' in entry)) side.structures.writeIocb(entry, first + at);
      });
      return side.kernel.io_submit(side.handle(context), nr, side.structures.pointers(places, array));
    });
  }

  #fill({ context, request, count }: Fill): [Answer, Answer] {
    const serial = this.#serial++;
    this.#remember(request, serial);
    const places = Array.from({ length: count }, () => request.at);
    this.submitted = places.map((at) => ({ request, serial, at }));
    return this.#both((side) => {
      side.structures.begin();
      side.structures.writeIocb(request, serial);
      return side.kernel.io_submit(side.handle(context), count, side.structures.pointers(places, 'start'));
    });
  }

  #remember({ at, opcode, file, offset = 0 }: Request, serial: number): void {
    const serials = this.#serials.get(at);
    if (serials === undefined) this.#serials.set(at, [serial]);
    else serials.push(serial);
    if (isWrite(opcode)) for (const { files } of this.#sides) files.written(file, Number(offset));
  }

  #getevents(side: Side, index: 0 | 1, operation: GetEvents): Answer {
    const { context, min_nr, nr, events = 'start', room = 4, sigset } = operation;
    const { kernel, structures } = side;
    // Nothing in a program ends a wait.
    const waits = min_nr > ready(side, context) && waitNs(operation.timeout) > MOST_WAIT_NS;
    const timeout = structures.timeout(waits ? { sec: 0, nsec: 0 } : operation.timeout);
    const handle = side.handle(context);
    const at = structures.events(events, room);
    const answer =
      sigset === undefined
        ? kernel.io_getevents(handle, min_nr, nr, at, timeout)
        : kernel.io_pgetevents(handle, min_nr, nr, at, timeout, structures.sigset(sigset));
    for (let got = 0; got < answer; got++) this.#events.take(index, side.seen(events, room, got));
    return answer;
  }

  #setup({ into, nr, ctxp = 'start' }: Setup): [Answer, Answer] {
    if (this.#sides.some(({ contexts }) => contexts[into] !== undefined))
      return ['there is one', 'there is one'];
    // Another process may make a context at the same moment; whoever calls runs a program again before believing it.
    const counts = this.#contexts.isQuiet;
    const answers = this.#both((side) => {
      const { limits } = side.kernel;
      const before = counts ? limits.aio_nr() : 0;
      const { answer, handle } = side.setup(nr, ctxp);
      const made = answer === 0 && handle !== 0;
      // Of the register, the lower half counts (SETUP-05).
      const expected = counts && made ? Number(BigInt.asUintN(32, BigInt(nr))) : 0;
      const after = counts ? limits.aio_nr() : 0;
      // Where others make contexts all the time, the number says nothing about this one.
      const charged = after - before === expected || isMoving(limits, after) ? expected : after - before;
      if (made) side.contexts[into] = side.context(handle);
      if (made && charged === expected) return 'made';
      return `${answer}, ${made ? 'a handle' : 'no handle'}, aio-nr + ${charged}`;
    });
    if (answers[0] !== answers[1]) this.#checkBudget(Number(nr));
    return answers;
  }

  /** The budget of requests belongs to the whole machine. @throws EnvironmentBroken if others have taken it all. */
  #checkBudget(nr: number): void {
    const { limits } = this.#sides[0].kernel;
    if (nr > 0 && nr <= MOST_ASKED && limits.aio_nr() + nr > limits.aio_max_nr())
      throw new EnvironmentBroken(
        `aio-nr is ${limits.aio_nr()} of aio-max-nr ${limits.aio_max_nr()}: others use kernel AIO up`,
      );
  }

  #reap(side: Side, index: 0 | 1, slot: ContextSlot, max: number): Answer {
    const context = side.contexts[slot];
    if (context === undefined) return 'there is none';
    return context.ring.reap(max, (serial, dataHigh, res) => {
      this.#events.take(index, { serial, dataHigh, obj: UNSEEN, res, res2: 0 });
    });
  }

  #alter(
    side: Side,
    slot: ContextSlot,
    { word, delta }: { readonly word: RingWord; readonly delta: number },
  ): Answer {
    // The shared ones must stay what they are.
    const context = slot < 2 ? undefined : side.contexts[slot];
    if (context === undefined) return 'there is none';
    const at = wordIndex(word);
    const before = context.words[at]!;
    // The kernel's own tail is always below the number of cells, so this is one that it could have written.
    if (at === TAIL) fakeTail(context, (before + delta) % context.cells);
    else context.words[at] = (before + delta) >>> 0;
    return 0;
  }

  /** Makes contexts whose id was altered usable again. */
  restoreIds(): void {
    for (const { contexts } of this.#sides)
      for (const context of contexts)
        if (context !== undefined && context.words[ID] !== context.id) context.words[ID] = context.id;
  }
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Whether other processes change `aio-nr` at the moment. */
function isMoving(limits: AioLimits, last: number): boolean {
  for (let look = 0; look < LOOKS; look++) {
    Atomics.wait(nobody, 0, 0, LOOK_MS);
    if (limits.aio_nr() !== last) return true;
  }
  return false;
}

/** What happens around the system calls. */
function around(side: Side, operation: Operation): Answer {
  switch (operation.op) {
    case 'eventfd_write':
      return side.kernel.eventfd_write(side.eventfd(operation.eventfd), operation.value);
    case 'eventfd_read':
      return side.kernel.eventfd_read(side.eventfd(operation.eventfd));
    case 'eventfd_close':
      return side.closeEventfd(operation.eventfd);
    case 'stream_close':
      return side.closeStream(operation.stream);
    case 'shutdown':
      return side.shutdown(operation.socket, operation.how);
    case 'close':
      side.unhold(operation.file);
      side.files.close(operation.file);
      return 0;
    case 'dup':
      side.unhold(operation.onto);
      side.files.dup(operation.file, operation.onto);
      return 0;
    case 'truncate':
      side.files.truncate(operation.file, operation.length);
      return 0;
    case 'hold':
      side.hold(operation.file);
      return 0;
    case 'poke':
      side.structures.poke(operation.at, operation.length, operation.byte);
      return 0;
    default:
      throw new Error(`${operation.op} is no operation that a program can have here`);
  }
}

function cancel(side: Side, { context, iocb, key }: Cancel): Answer {
  const { structures, kernel } = side;
  if (key !== undefined) structures.writeKey(iocb, key);
  return kernel.io_cancel(side.handle(context), structures.iocb(iocb), 0);
}

function destroy(side: Side, { context }: Destroy): Answer {
  // The shared contexts are for the programs after this one, too.
  if (context === 0 || context === 1) return 'not this one';
  if (typeof context !== 'number') return side.kernel.io_destroy(side.handle(context));
  const known = side.contexts[context];
  if (known === undefined) return 'there is none';
  const answer = side.kernel.io_destroy(known.handle);
  if (answer === 0) {
    side.forget(context);
    side.destroyed(known.handle);
  }
  return answer;
}

/** Events that a call of `io_getevents` would find. */
function ready(side: Side, ref: ContextRef): number {
  const context = CONTEXT_SLOTS.includes(ref as ContextSlot) ? side.contexts[ref as ContextSlot] : undefined;
  if (context === undefined) return 0;
  const { words, cells } = context;
  return ((words[TAIL]! % cells) - (words[HEAD]! % cells) + cells) % cells;
}

/** Nanoseconds, as the kernel makes them out of a timespec (GET-07). */
function waitNs(timeout: Timeout | undefined): bigint {
  const forever = 2n ** 64n;
  if (timeout === undefined) return forever;
  if (typeof timeout === 'string') return 0n;
  const sec = BigInt.asIntN(64, BigInt(timeout.sec));
  if (sec >= KTIME_SEC_MAX) return forever;
  const ns = BigInt.asIntN(64, sec * NSEC_PER_SEC + BigInt.asIntN(64, BigInt(timeout.nsec)));
  return ns < 0n ? forever : ns;
}
