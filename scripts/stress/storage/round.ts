/** Carries out a plan on one file, and keeps what was done and seen. */
import { constants, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import { type AioFile, alignedBuffer, open } from '../../../src/index.ts';
import type { Append, Change, Finding, History, Look, Truncate, Write } from './history.ts';
import { canRead, isDirect, type Opening, type Operation, type Plan } from './plan.ts';
import { stamp } from './stamps.ts';

const PAGE_BYTES = 4096;
/** Appends of one handle at once. */
const APPENDS_AT_ONCE = 3;

type File = AioFile | FileHandle;

/** What is told of operations as they begin and end, by their number in the plan. */
export interface Witness {
  began(operation: number): void;
  ended(operation: number, failed: boolean): void;
}

/** The operations of a plan, each with its number. */
export function numbered(plan: Plan): { handle: number; operation: Operation }[] {
  return plan.lanes.flatMap(({ handle, operations }) =>
    operations.map((operation) => ({ handle, operation })),
  );
}

export function describeOpening({ backend, kind }: Opening): string {
  return kind === 'plain' ? "Node.js's own FileHandle" : `${backend} ${kind}`;
}

/** A change that has not begun. */
export function changeOf(plan: Plan, handle: number, operation: Operation): Change | undefined {
  const by = `handle ${handle} (${describeOpening(plan.openings[handle]!)}) ${operation.do}`;
  const times = { begin: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };
  switch (operation.do) {
    case 'write':
    case 'writev':
    case 'writeFully': {
      const { id, from, length, odd } = operation;
      const told = odd % 512 === 0 ? by : `${by} (address ${odd} off)`;
      return { kind: 'write', id, from, to: from + length, by: told, ...times };
    }
    case 'append':
    case 'appendv': {
      const { id, length } = operation;
      return { kind: 'append', id, length, by, ...times };
    }
    case 'truncate':
      return { kind: 'truncate', size: operation.size, by, ...times };
    default:
      return undefined;
  }
}

/** Makes the file that a plan begins with. */
export function makeFile(path: string, plan: Plan): void {
  const bytes = new Uint8Array(plan.initialSize);
  stamp(bytes, 0, 0);
  writeFileSync(path, bytes);
}

export class Round {
  readonly #path: string;
  readonly #plan: Plan;
  readonly #witness: Witness | undefined;
  readonly #files: File[] = [];
  readonly #changes: Change[] = [];
  readonly #looks: Look[] = [];
  readonly #refused: Finding[] = [];
  readonly #underWay = new Set<string>();
  #now = 0;

  constructor(path: string, plan: Plan, witness?: Witness) {
    this.#path = path;
    this.#plan = plan;
    this.#witness = witness;
  }

  /** What has begun and not ended. */
  get underWay(): readonly string[] {
    return [...this.#underWay];
  }

  get refused(): readonly Finding[] {
    return this.#refused;
  }

  get history(): History {
    return { initialSize: this.#plan.initialSize, changes: this.#changes, looks: this.#looks };
  }

  async open(): Promise<void> {
    for (const opening of this.#plan.openings) this.#files.push(await openAs(this.#path, opening));
  }

  /** All lanes at once, to their ends. */
  async run(): Promise<void> {
    let first = 0;
    const lanes = this.#plan.lanes.map((lane) => {
      const start = first;
      first += lane.operations.length;
      return this.#lane(lane.handle, lane.operations, start);
    });
    await Promise.all(lanes);
  }

  /** Everybody who can looks at the whole file, and Node.js after they have closed it. */
  async finish(): Promise<void> {
    const { size } = statSync(this.#path);
    const length = up(size + 1, PAGE_BYTES);
    for (const [handle, { kind }] of this.#plan.openings.entries()) {
      await this.#step(handle, { do: 'stat' });
      if (canRead(kind)) await this.#step(handle, { do: 'readFully', from: 0, length, odd: 0 });
    }
    await this.close();
    this.lookFromOutside();
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.splice(0).map((file) => file.close()));
  }

  /** As whoever comes later finds the file. */
  lookFromOutside(): void {
    const begin = this.#now++;
    const bytes = readFileSync(this.#path);
    const { size } = statSync(this.#path);
    const at = { begin, end: this.#now++ };
    this.#looks.push({
      ...at,
      by: 'fs.statSync at the end',
      from: 0,
      bytes: new Uint8Array(0),
      extent: 'some',
      size,
    });
    this.#looks.push({ ...at, by: 'fs.readFileSync at the end', from: 0, bytes, extent: 'to the end' });
  }

  async #lane(handle: number, operations: readonly Operation[], first: number): Promise<void> {
    const { kind } = this.#plan.openings[handle]!;
    const going = new Set<Promise<void>>();
    let before: number | undefined;
    for (const [index, operation] of operations.entries()) {
      const step = this.#step(handle, operation, first + index, before);
      if ('id' in operation) before = operation.id;
      if (!kind.endsWith('-a')) {
        await step;
        continue;
      }
      const one: Promise<void> = step.then(() => void going.delete(one));
      going.add(one);
      if (going.size >= APPENDS_AT_ONCE || operation.do !== 'append') await Promise.race(going);
    }
    await Promise.all(going);
  }

  async #step(handle: number, operation: Operation, number = -1, before?: number): Promise<void> {
    const file = this.#files[handle]!;
    const planned = changeOf(this.#plan, handle, operation);
    const { kind } = this.#plan.openings[handle]!;
    const begin = this.#now++;
    const what = `[${begin}..] ${planned?.by ?? `handle ${handle} ${operation.do}`} ${JSON.stringify(operation)}`;
    const change =
      planned === undefined
        ? undefined
        : { ...planned, begin, ...(planned.kind === 'append' ? { after: before } : {}) };
    if (change !== undefined) this.#changes.push(change as Change);
    const prepared = prepare(operation, kind === 'aligned');
    this.#underWay.add(what);
    if (number >= 0) this.#witness?.began(number);
    try {
      const { bytes, size } = await carryOut(file, operation, prepared);
      const end = this.#now++;
      if (number >= 0) this.#witness?.ended(number, false);
      if (change !== undefined) this.#ended(change as Writable<Change>, bytes, end);
      else this.#saw(handle, operation, prepared, begin, end, bytes, size);
    } catch (error) {
      this.#now++;
      if (number >= 0) this.#witness?.ended(number, true);
      const { code, message } = error as { code?: string; message: string };
      const involved = change === undefined ? [] : [change as Change];
      const by =
        planned?.by ?? `handle ${handle} (${describeOpening(this.#plan.openings[handle]!)}) ${operation.do}`;
      this.#refused.push({
        kind: 'refused',
        what: `${by} ${JSON.stringify(operation)} was rejected: ${code ?? ''} ${message}`,
        look: undefined,
        from: 0,
        to: 0,
        involved,
      });
    } finally {
      this.#underWay.delete(what);
    }
  }

  #ended(change: Writable<Change>, count: number, end: number): void {
    change.end = end;
    const length =
      change.kind === 'append' ? change.length : change.kind === 'write' ? change.to - change.from : 0;
    if (count === length) return;
    // A short write: what is left of it may be there or not.
    if (change.kind === 'append') change.end = Number.POSITIVE_INFINITY;
    if (change.kind === 'write') {
      this.#changes.push({ ...change, from: change.from + count, end: Number.POSITIVE_INFINITY });
      change.to = change.from + count;
    }
  }

  #saw(
    handle: number,
    operation: Operation,
    { whole }: Prepared,
    begin: number,
    end: number,
    count: number,
    size: number | undefined,
  ): void {
    const by = `handle ${handle} (${describeOpening(this.#plan.openings[handle]!)}) ${operation.do}`;
    if (operation.do === 'stat')
      this.#looks.push({ begin, end, by, from: 0, bytes: new Uint8Array(0), extent: 'some', size });
    if (operation.do !== 'read' && operation.do !== 'readv' && operation.do !== 'readFully') return;
    const { from, length } = operation;
    const short = operation.do === 'readFully' ? 'to the end' : 'some';
    const extent = count === length ? 'all' : short;
    this.#looks.push({ begin, end, by, from, bytes: whole.subarray(0, count), extent });
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] } & (
  | { -readonly [K in keyof Write]: Write[K] }
  | { -readonly [K in keyof Append]: Append[K] }
  | { -readonly [K in keyof Truncate]: Truncate[K] }
);

interface Prepared {
  readonly whole: Buffer;
  readonly parts: readonly Buffer[];
}

function prepare(operation: Operation, inPages: boolean): Prepared {
  if (!('length' in operation)) return { whole: Buffer.alloc(0), parts: [] };
  const { length, odd } = operation;
  const whole = alignedBuffer(up(length + odd, PAGE_BYTES)).subarray(odd, odd + length);
  if ('id' in operation) stamp(whole, operation.id, 'from' in operation ? operation.from : 0);
  // What nobody writes, so that what a read does not fill is seen.
  else whole.fill(0xee);
  const cuts = inPages
    ? [up(Math.floor(length / 2), PAGE_BYTES)]
    : [Math.floor(length / 7), Math.floor(length / 2), Math.floor(length / 2) + 1];
  const edges = [0, ...cuts.filter((cut) => cut < length), length];
  const parts = edges.slice(1).map((edge, index) => whole.subarray(edges[index]!, edge));
  return { whole, parts };
}

async function carryOut(
  file: File,
  operation: Operation,
  { whole, parts }: Prepared,
): Promise<{ bytes: number; size?: number }> {
  switch (operation.do) {
    case 'write':
      return { bytes: (await file.write(whole, 0, whole.length, operation.from)).bytesWritten };
    case 'writeFully':
      if (!('writeFully' in file))
        return { bytes: (await file.write(whole, 0, whole.length, operation.from)).bytesWritten };
      return { bytes: (await file.writeFully(whole, { position: operation.from })).bytesWritten };
    case 'writev':
      return { bytes: (await file.writev(parts, operation.from)).bytesWritten };
    case 'append':
      return { bytes: (await file.write(whole)).bytesWritten };
    case 'appendv':
      return { bytes: (await file.writev(parts)).bytesWritten };
    case 'truncate':
      await file.truncate(operation.size);
      return { bytes: 0 };
    case 'read':
      return { bytes: (await file.read(whole, 0, whole.length, operation.from)).bytesRead };
    case 'readv':
      return { bytes: (await file.readv(parts, operation.from)).bytesRead };
    case 'readFully': {
      if ('readFully' in file)
        return { bytes: (await file.readFully(whole, { position: operation.from })).bytesRead };
      let done = 0;
      for (let count = -1; count !== 0 && done < whole.length; done += count)
        count = (await file.read(whole, done, whole.length - done, operation.from + done)).bytesRead;
      return { bytes: done };
    }
    case 'stat':
      return { bytes: 0, size: (await file.stat()).size };
    case 'sync':
    case 'datasync':
      await file[operation.do]();
      return { bytes: 0 };
  }
}

async function openAs(path: string, { backend, kind }: Opening): Promise<File> {
  if (kind === 'plain') return openHandle(path, 'r+');
  const flags = kind.endsWith('-w')
    ? constants.O_WRONLY
    : kind.endsWith('-a')
      ? 'a'
      : kind.endsWith('-r')
        ? 'r'
        : 'r+';
  if (!isDirect(kind)) return open(path, flags, 0o600, { backend });
  const direct = kind === 'direct' ? 'prefer' : 'require';
  const unaligned = kind === 'aligned' ? 'error' : 'read-modify-write';
  return open(path, flags, 0o600, { backend, direct, unaligned });
}

function up(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
