/** Making a program small that two kernels run differently. */
import type { Entry, Operation, Program, Request } from './program.ts';
import { smallestOf } from './smallest.ts';

/**
 * The smallest program that still shows a difference, as far as leaving out and simplifying go.
 *
 * @param most - Programs to try at most.
 */
export function shrink(
  program: Program,
  shows: (program: Program) => Promise<boolean>,
  most = 1000,
): Promise<Program> {
  return smallestOf(program, candidates, shows, most);
}

/** Programs that are a little smaller than this one, those that are much smaller first. */
export function* candidates(program: Program): Generator<Program> {
  const { operations } = program;
  if (program.executor === 'threadpool') yield { ...program, executor: 'submit' };
  for (let size = operations.length; size >= 1; size = Math.floor(size / 2))
    for (let at = 0; at < operations.length; at += size)
      if (operations.length > size)
        yield { ...program, operations: [...operations.slice(0, at), ...operations.slice(at + size)] };
  for (let at = 0; at < operations.length; at++)
    for (const simpler of simplerOperations(operations[at]!))
      yield { ...program, operations: operations.with(at, simpler) };
}

function* simplerOperations(operation: Operation): Generator<Operation> {
  if (operation.op === 'submit') {
    const { entries } = operation;
    for (let at = 0; at < entries.length; at++)
      yield { ...operation, entries: [...entries.slice(0, at), ...entries.slice(at + 1)] };
    for (let at = 0; at < entries.length; at++)
      for (const simpler of simplerEntries(entries[at]!))
        yield { ...operation, entries: entries.with(at, simpler) };
  }
  if (operation.op === 'fill')
    for (const request of simplerRequests(operation.request)) yield { ...operation, request };
  yield* simplerFields(operation, OPERATION_DEFAULTS);
}

function* simplerEntries(entry: Entry): Generator<Entry> {
  if ('again' in entry) {
    if (entry.again > 0) yield { again: 0 };
  } else yield* simplerRequests(entry);
}

function* simplerRequests(request: Request): Generator<Request> {
  const { segments, buffer } = request;
  if (segments !== undefined)
    for (let at = 0; at < segments.length; at++) {
      yield { ...request, segments: [...segments.slice(0, at), ...segments.slice(at + 1)] };
      const { base, length } = segments[at]!;
      if (base.in !== 'data' || base.at !== 0)
        yield { ...request, segments: segments.with(at, { base: { in: 'data', at: 0 }, length }) };
      for (const smaller of smallerNumbers(length))
        yield { ...request, segments: segments.with(at, { base, length: smaller }) };
    }
  if (buffer !== undefined && (buffer.in !== 'data' || buffer.at !== 0))
    yield { ...request, buffer: { in: 'data', at: 0 } };
  yield* simplerFields(request, REQUEST_DEFAULTS);
}

/** Fields that can be left out, and what others become at their simplest. */
interface Defaults {
  readonly optional: readonly string[];
  readonly simplest: Readonly<Record<string, unknown>>;
}

const OPERATION_DEFAULTS: Defaults = {
  optional: ['nr', 'array', 'events', 'room', 'timeout', 'sigset', 'key', 'ctxp'],
  simplest: { context: 0, iocb: 0, eventfd: 'eventfd-0', min_nr: 0 },
};
const REQUEST_DEFAULTS: Defaults = {
  optional: ['array', 'rw_flags', 'flags', 'resfd', 'reqprio', 'reserved2', 'key', 'offset', 'nbytes'],
  simplest: { at: 0, file: 'regular', opcode: 0 },
};
/** The number of requests in `io_getevents` cannot be left out. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = { getevents: ['nr'], setup: ['nr'] };

function* simplerFields<T extends object>(value: T, { optional, simplest }: Defaults): Generator<T> {
  const fields = value as Readonly<Record<string, unknown>>;
  const required = REQUIRED[String(fields.op)] ?? [];
  for (const name of Object.keys(fields)) {
    if (optional.includes(name) && !required.includes(name)) {
      const { [name]: _, ...rest } = fields;
      yield rest as T;
    } else if (name in simplest && fields[name] !== simplest[name]) {
      yield { ...fields, [name]: simplest[name] } as T;
    }
    // The counter of an eventfd is a bigint at the waist.
    if (name === 'value' && fields[name] !== 1n) yield { ...fields, value: 1n } as T;
    else if (name !== 'value')
      for (const smaller of smallerNumbers(fields[name])) yield { ...fields, [name]: smaller } as T;
  }
}

/** Numbers that are simpler. */
function* smallerNumbers(value: unknown): Generator<number> {
  if (typeof value === 'bigint') {
    if (value >= 0n && value < 2n ** 31n) yield Number(value);
    return;
  }
  if (typeof value !== 'number' || value <= 0) return;
  const tried = new Set<number>();
  for (const smaller of [0, 1, 2 ** 12, Math.floor(value / 2), value - 1])
    if (smaller < value && !tried.has(smaller)) {
      tried.add(smaller);
      yield smaller;
    }
}
