/** How programs are made up. */
import { IOCB_CMD_POLL } from '../common/abi/constants.ts';
import {
  type ContextRef,
  type ContextSlot,
  type Entry,
  EVENTFDS,
  type FileName,
  isDirect,
  isEventfd,
  isOwnStream,
  isTransfer,
  type Operation,
  OWN_STREAMS,
  type Program,
  type ProgramExecutor,
  type Request,
  RING_WORDS,
  type Sigset,
  type Timeout,
  type Value,
} from './program.ts';
import { Random } from './random.ts';
import { Requests, type Scope } from './requests.ts';

const MOST_OPERATIONS = 24;
const MOST_ENTRIES = 4;
/** More than the slots of the smaller ring. */
const FILL = 140;

// One program in so many.
const ON_THREAD_POOL = 40;
const WITH_RING_WORDS = 60;
const DESTROYING = 1000;
const ON_STREAMS = 25;

/** Descriptors that may come to mean each other: for these the same must be kept in mind when requests are made up. */
const INTERCHANGEABLE: readonly FileName[] = [
  'regular',
  'read-only',
  'write-only',
  'directory',
  'null',
  'zero',
];
const CLOSED: readonly FileName[] = [...INTERCHANGEABLE, 'empty', 'pipe-reader', 'socket'];

/** The `index`th program of `seed`: always the same one in the same scope. */
export function generate(
  seed: number,
  index: number,
  scopes: Readonly<Record<ProgramExecutor, Scope>>,
): Program {
  const random = new Random(seed, index);
  const executor = random.once(ON_THREAD_POOL) ? 'threadpool' : 'submit';
  return { executor, operations: new Generator(random, scopes[executor]).operations() };
}

class Generator {
  readonly #random: Random;
  readonly #requests: Requests;
  readonly #runsInSubmit: boolean;

  constructor(random: Random, scope: Scope) {
    this.#random = random;
    this.#requests = new Requests(random, scope);
    this.#runsInSubmit = scope.runsInSubmit;
  }

  operations(): readonly Operation[] {
    const random = this.#random;
    const length = 1 + random.below(MOST_OPERATIONS);
    if (random.once(WITH_RING_WORDS)) return this.#ringProgram(length);
    if (random.once(DESTROYING)) return this.#destroyProgram(length);
    if (random.once(ON_STREAMS)) return Array.from({ length }, () => this.#streamOperation());
    return Array.from({ length }, () => this.#operation());
  }

  /** Words of a ring are altered: in a context of its own, and only with events that come in one order. */
  #ringProgram(length: number): Operation[] {
    const random = this.#random;
    const context = 2;
    const operations = Array.from({ length }, (): Operation => {
      switch (random.below(5)) {
        case 0:
        case 1: {
          const opcode = random.pick([0, 1, 7, 8]);
          const entries = Array.from({ length: 1 + random.below(MOST_ENTRIES) }, () =>
            this.#requests.transfer(opcode, random.pick(['regular', 'zero', 'null'] as const)),
          );
          return { op: 'submit', context, entries };
        }
        case 2:
          return this.#getevents(context);
        case 3:
          return { op: 'reap', context, max: random.below(4) };
        default: {
          const word = random.pick([...RING_WORDS, 'head', 'head', 'tail'] as const);
          const delta =
            word === 'tail' ? 1 + random.below(126) : random.pick([1, 2, -1, 127, -3, 0x7fff_ffff]);
          return { op: 'ring', context, word, delta };
        }
      }
    });
    return [{ op: 'setup', into: context, nr: random.pick([1, 8, 64]) }, ...operations];
  }

  /** Pipe and sockets are filled, emptied, polled and closed, with memory that ends inside a transfer now and then. */
  #streamOperation(context: ContextSlot = 0): Operation {
    const random = this.#random;
    const stream = random.pick(OWN_STREAMS);
    switch (random.below(16)) {
      case 0:
        return { op: 'stream_close', stream };
      case 1:
        return {
          op: 'shutdown',
          socket: random.pick(['own-socket', 'own-socket-peer'] as const),
          how: random.below(4),
        };
      case 2: {
        // Pages that are full, and some that have room.
        const nbytes = random.pick([4096, 4096, 4095, 1000, 12_288]);
        const buffer = { in: 'data', at: 0 } as const;
        const request: Request = { at: 0, opcode: 1, file: 'own-pipe-writer', buffer, nbytes };
        return { op: 'fill', context, request, count: random.pick([5, 15, 16, 17]) };
      }
      case 3:
        return this.#getevents(context);
      case 4:
        return { op: 'cancel', context, iocb: this.#requests.iocbPlace() };
      default: {
        const entries = Array.from({ length: 1 + random.below(2) }, () => {
          const file = random.pick(OWN_STREAMS);
          if (random.once(3)) return this.#requests.poll(file);
          const opcode = random.pick([0, 0, 1, 7, 8]);
          return random.once(4) ? this.#requests.fault(opcode, file) : this.#requests.transfer(opcode, file);
        });
        return { op: 'submit', context, entries };
      }
    }
  }

  /** A context is destroyed with whatever is in flight, and then used. */
  #destroyProgram(length: number): Operation[] {
    const context = 2;
    // Of a pipe or socket, the other end is looked at from another context.
    const onStreams = this.#random.once(2);
    const operations = Array.from({ length }, () =>
      onStreams ? this.#streamOperation(this.#random.pick([0, context])) : this.#operation(context),
    );
    operations.splice(this.#random.below(length), 0, { op: 'destroy', context });
    return [{ op: 'setup', into: context, nr: 8 }, ...operations];
  }

  #operation(slot?: ContextSlot): Operation {
    const random = this.#random;
    const at = random.below(1000);
    if (at < 480) return this.#submit(slot);
    if (at < 700) return this.#getevents(slot ?? this.#context());
    if (at < 780) {
      const key = random.once(8) ? { key: random.pick([0, 1, 0xffff_ffff]) } : {};
      return { op: 'cancel', context: slot ?? this.#context(), iocb: this.#requests.iocbPlace(), ...key };
    }
    if (at < 860) return { op: 'eventfd_write', eventfd: random.pick(EVENTFDS), value: this.#count() };
    if (at < 880) return { op: 'eventfd_read', eventfd: random.pick(EVENTFDS) };
    if (at < 884) return { op: 'stream_close', stream: random.pick(OWN_STREAMS) };
    if (at < 888)
      return {
        op: 'shutdown',
        socket: random.pick(['own-socket', 'own-socket-peer'] as const),
        how: random.below(4),
      };
    if (at < 892) return { op: 'eventfd_close', eventfd: random.pick(EVENTFDS) };
    if (at < 900) return { op: 'close', file: random.pick(CLOSED) };
    if (at < 915)
      return { op: 'dup', file: random.pick(INTERCHANGEABLE), onto: random.pick(INTERCHANGEABLE) };
    if (at < 930)
      return {
        op: 'truncate',
        file: random.pick(['regular', 'empty', 'append'] as const),
        length: random.pick([0, 100, 9999, 70_000]),
      };
    if (at < 945) return { op: 'hold', file: random.pick(CLOSED) };
    if (at < 970)
      return { op: 'poke', at: random.below(0x4000), length: random.below(500), byte: random.below(128) };
    if (at < 980) return { op: 'reap', context: slot ?? random.pick([0, 1]), max: random.below(4) };
    if (at < 988) return this.#fill();
    if (at < 994) return { op: 'destroy', context: this.#noContext() };
    return this.#setup();
  }

  #submit(slot: ContextSlot | undefined): Operation {
    const random = this.#random;
    const entries: Entry[] = Array.from({ length: this.#entryCount() }, () =>
      random.once(30) ? { again: random.below(MOST_ENTRIES) } : this.#requests.any(),
    );
    // Direct I/O may end on another CPU, and leave slots there (CAP-04): not where slots are counted.
    const direct = entries.some((entry) => 'file' in entry && isDirect(entry.file));
    const context = slot ?? (direct ? 1 : this.#context());
    return {
      op: 'submit',
      context,
      entries: inOneOrder(entries, this.#runsInSubmit),
      ...(random.once(20) ? { nr: random.pick([0, 1, 5, -1, 2n ** 63n, 2n ** 63n - 1n] as const) } : {}),
      ...(random.once(12) ? { array: this.#requests.spot() } : {}),
    };
  }

  #entryCount(): number {
    return this.#random.once(30) ? 0 : 1 + this.#random.below(MOST_ENTRIES);
  }

  #getevents(context: ContextRef): Operation {
    const random = this.#random;
    const [min_nr, nr] = [this.#counter(), this.#counter()];
    return {
      op: 'getevents',
      context,
      min_nr: random.once(3) ? min_nr : 0,
      nr,
      events: this.#requests.spot(),
      room: random.pick([0, 1, 4]),
      ...this.#timeout(),
      ...(random.once(8) ? { sigset: this.#sigset() } : {}),
    };
  }

  #counter(): Value {
    return this.#random.mostly([0, 1, 2, 4, 16], 20, [
      -1,
      0x7fff_ffff,
      0x8000_0000,
      2n ** 63n,
      2n ** 63n - 1n,
    ]);
  }

  #timeout(): { timeout?: Timeout } {
    const random = this.#random;
    if (random.once(4)) return {};
    if (!random.once(10)) return { timeout: { sec: 0, nsec: 0 } };
    return {
      timeout: random.pick<Timeout>([
        { sec: 0, nsec: 1000 },
        { sec: -1, nsec: 0 },
        { sec: 0, nsec: -1 },
        { sec: -1, nsec: 1_000_050_000 },
        { sec: -(2n ** 63n), nsec: 0 },
        { sec: 2n ** 63n - 1n, nsec: 0 },
        'nowhere',
        'kernel',
      ]),
    };
  }

  #sigset(): Sigset {
    const random = this.#random;
    return random.once(2)
      ? random.pick(['null', 'nowhere', 'kernel'] as const)
      : { mask: random.pick(['valid', 'null', 'nowhere'] as const), size: random.pick([8, 8, 0, 16, -1]) };
  }

  #fill(): Operation {
    const random = this.#random;
    const common = { at: random.below(8) };
    const request: Request = random.once(2)
      ? { ...common, opcode: 5, file: 'eventfd-0', mask: 1 }
      : { ...common, opcode: 0, file: 'zero', buffer: { in: 'data', at: 0 }, nbytes: 1 };
    return { op: 'fill', context: 0, request, count: random.pick([FILL, 60, 119, 120, 121]) };
  }

  #setup(): Operation {
    const random = this.#random;
    const ctxp = random.once(3)
      ? {
          ctxp: random.pick([
            'odd',
            'straddle',
            'readonly',
            'nowhere',
            'null',
            'kernel',
            'occupied',
          ] as const),
        }
      : {};
    const nr = random.once(2)
      ? random.pick([1, 8, 64])
      : random.pick([0, -1, 0x1000_0000, 0x40_0001, 0x8000_0001, 2n ** 32n, 2 ** 32 + 1]);
    return { op: 'setup', into: random.pick([2, 3]), nr, ...ctxp };
  }

  #context(): ContextRef {
    const random = this.#random;
    return random.once(20) ? this.#noContext() : random.pick([0, 0, 1, 2, 3] as const);
  }

  #noContext(): ContextRef {
    return this.#random.pick(['null', 'minus-one', 'inside', 'destroyed']);
  }

  #count(): bigint {
    return this.#random.mostly([1n, 2n], 8, [0n, 2n ** 64n - 2n, 2n ** 64n - 1n]);
  }
}

const signals = ({ flags = 0, resfd }: Request): boolean =>
  (flags & 1) !== 0 && resfd !== undefined && isEventfd(resfd);

/**
 * Takes out of a batch what Linux itself does in no particular order: direct I/O with anything beside it, and looks at
 * eventfds that other requests of the batch signal, some of them from other threads.
 *
 * And what shows whether transfers have run when the next iocb is looked at (SUBMIT-06), unless both kernels do that.
 */
function inOneOrder(entries: readonly Entry[], runsInSubmit: boolean): readonly Entry[] {
  const requests = entries.filter((entry): entry is Request => 'file' in entry);
  const direct = requests.find(({ file }) => isDirect(file));
  if (direct !== undefined) return [direct];
  const transfers = requests.filter(({ opcode }) => isTransfer(opcode));
  const signalled = requests.some(signals);
  const kept =
    !runsInSubmit && transfers.some(signals)
      ? entries.filter((entry) => !('file' in entry) || entry.opcode !== IOCB_CMD_POLL)
      : entries;
  const crowded = !runsInSubmit && transfers.length > 1;
  // A write to a pipe may wake a poll that signals an eventfd from another thread.
  const wakes = transfers.some(({ file }) => isOwnStream(file));
  if (!signalled && !crowded && !wakes) return kept;
  return kept.map((entry) =>
    'file' in entry && (isEventfd(entry.file) || (crowded && isOwnStream(entry.file)))
      ? { ...entry, file: entry.opcode === IOCB_CMD_POLL ? ('regular' as const) : ('zero' as const) }
      : entry,
  );
}
