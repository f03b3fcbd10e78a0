/**
 * What `scripts/checks/pins.ts` runs under each Node.js: without arguments every case in a process of its own, because to abort is an
 * answer; with the name of a table and of a row, that case.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { markAsUntransferable } from 'node:worker_threads';
import { type nativePins, openNativeKernel, pinsState } from '../../src/native/index.ts';
import { outcomeOf, WAYS } from './transfers.ts';

/** Answers by the titles of rows, by the names of tables. */
export type Tables = Record<string, Record<string, string>>;

const BYTES = 3 * 65536;
const RLIMIT_AS = 9;
const ROOM_BYTES = 300 * 2 ** 20;

const MAKERS: readonly (() => ArrayBuffer)[] = [
  () => new ArrayBuffer(BYTES),
  () => new (ArrayBuffer as ResizableConstructor)(BYTES, { maxByteLength: 2 * BYTES }),
];
type ResizableConstructor = new (bytes: number, options: { maxByteLength: number }) => ArrayBuffer;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
const { Memory } = (
  globalThis as unknown as {
    WebAssembly: { Memory: new (limits: { initial: number; maximum?: number }) => WasmMemory };
  }
).WebAssembly;

function pins(): NonNullable<ReturnType<typeof nativePins>> {
  const state = pinsState();
  if (state.pins === undefined) throw new Error(state.reason);
  return state.pins;
}

async function collectGarbage(): Promise<void> {
  const { gc } = globalThis as { gc?: () => void };
  for (let time = 0; time < 6; time++) {
    gc!();
    await setTimeout(20);
  }
}

function isMapped(address: number): boolean {
  return readFileSync('/proc/self/maps', 'latin1')
    .split('\n')
    .map((line) => line.split(/[- ]/))
    .some(([start, end]) => Number.parseInt(start!, 16) <= address && address < Number.parseInt(end!, 16));
}

function yes(condition: boolean): string {
  return condition ? 'yes' : 'NO';
}

/** While it is pinned, and that it can be given away afterwards. */
async function pinned(title: string): Promise<string> {
  const way = WAYS.find((one) => one.title === title)!;
  const answers = new Set<string>();
  for (const make of MAKERS) {
    const memory = make();
    new Uint8Array(memory).fill(7);
    pins().pin(memory);
    pins().pin(memory);
    pins().unpin(memory);
    const outcome = await outcomeOf(way, memory);
    const whole = memory.byteLength === BYTES && new Uint8Array(memory).every((byte) => byte === 7);
    pins().unpin(memory);
    const afterwards = await outcomeOf(way, memory);
    const right = whole && (outcome === 'absent' ? afterwards === 'absent' : afterwards === 'moved');
    answers.add(right ? outcome : `WRONG: ${outcome}, afterwards ${afterwards}`);
  }
  return [...answers].join(' or ');
}

async function marked(title: string): Promise<string> {
  if (title === GROWING) {
    const memory = new Memory({ initial: 1, maximum: 4 });
    markAsUntransferable(memory.buffer);
    memory.grow(1);
    return 'grows';
  }
  const memory = new ArrayBuffer(BYTES);
  markAsUntransferable(memory);
  return outcomeOf(WAYS.find((one) => one.title === title)!, memory);
}

const GROWING = '`memory.grow()` of a WebAssembly memory';

const WASM: Readonly<Record<string, () => Promise<string>>> = {
  async 'it grows while it is held, and what is written to what is held arrives'() {
    const memory = new Memory({ initial: 1, maximum: 100 });
    const held = pins().hold(memory.buffer);
    memory.grow(3);
    new Uint8Array(held)[100] = 9;
    const arrived = new Uint8Array(memory.buffer)[100] === 9;
    return yes(arrived && !pins().isLost(held));
  },
  async 'it grows after it was pinned and held'() {
    const memory = new Memory({ initial: 1, maximum: 100 });
    const { buffer } = memory;
    pins().pin(buffer);
    pins().hold(buffer);
    pins().unpin(buffer);
    await collectGarbage();
    return yes(memory.grow(1) === 1 && memory.grow(1) === 2 && memory.buffer.byteLength === 3 * 65536);
  },
  async 'its bytes stay while they are held, though all else is gone, and are unmapped afterwards'() {
    const { memory: own } = openNativeKernel();
    let memory: WasmMemory | undefined = new Memory({ initial: 4 });
    let held: ArrayBufferLike | undefined = pins().hold(memory.buffer);
    const address = own.addressOf(memory.buffer);
    memory = undefined;
    await collectGarbage();
    const kept = isMapped(address) && pins().isLost(held);
    held = undefined;
    await collectGarbage();
    return yes(kept && !isMapped(address));
  },
  async 'one that had no room to grow in, and was moved, is told apart'() {
    const { libc, memory: own } = openNativeKernel();
    await setTimeout(300);
    const pages = Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[0]);
    const limit = new BigUint64Array(2).fill(BigInt(pages * own.pageBytes + ROOM_BYTES));
    if (libc.bind('setrlimit', 'int', 2)(RLIMIT_AS, own.addressOf(limit)) < 0) return 'NO: not limited';
    const memory = new Memory({ initial: 1 });
    const held = pins().hold(memory.buffer);
    const before = pins().isLost(held);
    memory.grow(100);
    new Uint8Array(held)[1] = 7;
    const moved = new Uint8Array(memory.buffer)[1] === 0;
    return yes(!before && moved && pins().isLost(held));
  },
};

const TABLES: Readonly<Record<string, { rows: readonly string[]; ask(row: string): Promise<string> }>> = {
  pinned: { rows: WAYS.map(({ title }) => title), ask: pinned },
  wasm: { rows: Object.keys(WASM), ask: (row) => WASM[row]!() },
  marked: { rows: [...WAYS.map(({ title }) => title), GROWING], ask: marked },
};

/** Without V8's guard pages a memory needs no more room than it has. */
const FLAGS = ['--expose-gc', '--no-warnings', '--disable-wasm-trap-handler'];

function askElsewhere(table: string, row: string): string {
  const self = fileURLToPath(import.meta.url);
  const { signal, stdout, stderr } = spawnSync(process.execPath, [...FLAGS, self, table, row], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (signal === 'SIGABRT' || signal === 'SIGTRAP') return 'aborts';
  return stdout.trim() || `WRONG: ${signal ?? ''} ${stderr.trim().split('\n').at(-1)}`;
}

const [table, row] = process.argv.slice(2);
if (table === undefined || row === undefined) {
  const answers: Tables = {};
  for (const [name, { rows }] of Object.entries(TABLES))
    answers[name] = Object.fromEntries(rows.map((title) => [title, askElsewhere(name, title)]));
  console.log(JSON.stringify(answers));
} else {
  console.log(await TABLES[table]!.ask(row));
  process.exit();
}
