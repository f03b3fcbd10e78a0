/**
 * Loaded before a program by `kaio trace`, into each of its threads and Node.js children: writes what kaio's diagnostics channels tell, one
 * event of the Trace Event Format a line. It loads no kaio, and so traces the one that the program has.
 */
import { subscribe } from 'node:diagnostics_channel';
import { appendFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { threadId } from 'node:worker_threads';

/** What of the messages is used: `DiagnosticsMessages` says what they are. */
interface Message {
  readonly context: object;
  readonly kernel: { readonly name: string; readonly release: string };
  readonly queueDepth: number;
  readonly requests: number;
  readonly accepted: number;
  readonly syscall: string;
  readonly fd: number;
  readonly res: number;
  readonly operation: string;
  readonly reason: string;
}

const US_PER_MS = 1000;
const NS_PER_MS = 1e6;
const SAMPLE_MS = 100;
const RESOLUTION_MS = 10;
const MOST_LINES = 1000;
const { pid } = process;
/** Linux numbers a process's first thread like the process; thread 0 is the idle one to those who show traces. */
const tid = pid + threadId;

const directory = process.env.KAIO_TRACE_DIRECTORY;
let lines: string[] = [];

function flush(): void {
  if (lines.length === 0 || directory === undefined) return;
  const text = `${lines.join('\n')}\n`;
  lines = [];
  try {
    appendFileSync(join(directory, `${pid}-${threadId}.jsonl`), text);
  } catch {
    // The folder is gone with whoever traced, or the disk is full: the program goes on as without a trace.
  }
}

function write(event: object): void {
  const ts = (performance.timeOrigin + performance.now()) * US_PER_MS;
  lines.push(JSON.stringify({ pid, tid, ts, cat: 'kaio', ...event }));
  if (lines.length >= MOST_LINES) flush();
}

const instant = (name: string, args: object): void => write({ name, ph: 'i', s: 't', args });
const counter = (name: string, args: object): void => write({ name, ph: 'C', args });

const inFlight: Record<string, number> = {};
const contexts = new WeakMap<object, string>();
/** What has not been closed. */
const unclosed = new Set<string>();
let opened = 0;

/** A completion may be told before the batch that its request went in with: never less than none are shown. */
function count({ name }: Message['kernel'], change: number): void {
  inFlight[name] = (inFlight[name] ?? 0) + change;
  const shown = Object.entries(inFlight).map(([kernel, requests]) => [kernel, Math.max(0, requests)]);
  counter(`requests in flight (thread ${threadId})`, Object.fromEntries(shown));
}

function closed(id: string): void {
  unclosed.delete(id);
  write({ name: 'context', ph: 'e', id });
}

const HANDLERS: Readonly<Record<string, (message: Message) => void>> = {
  'kaio:context:open': ({ context, kernel, queueDepth }) => {
    const id = `${pid}-${threadId}-${++opened}`;
    contexts.set(context, id);
    unclosed.add(id);
    write({
      name: 'context',
      ph: 'b',
      id,
      args: { kernel: kernel.name, release: kernel.release, queueDepth },
    });
  },
  'kaio:context:close': ({ context }) => {
    const id = contexts.get(context);
    if (id !== undefined) closed(id);
  },
  'kaio:submit': ({ kernel, requests, accepted }) => {
    instant('io_submit', { kernel: kernel.name, requests, accepted });
    if (accepted > 0) count(kernel, accepted);
  },
  'kaio:complete': ({ kernel, syscall, fd, res }) => {
    if (res < 0) instant(`${syscall} failed`, { fd, res });
    count(kernel, -1);
  },
  'kaio:threadpool': ({ fd, operation, reason }) => instant(`thread pool: ${operation}`, { fd, reason }),
};

function begin(): void {
  write({ name: 'process_name', ph: 'M', args: { name: basename(process.argv[1] ?? process.argv0) } });
  write({ name: 'thread_name', ph: 'M', args: { name: threadId === 0 ? 'main' : `worker ${threadId}` } });
  for (const [name, handler] of Object.entries(HANDLERS))
    subscribe(name, (message) => handler(message as Message));
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const sample = (): void => {
    const ms = (value: number): number => Math.max(0, value / NS_PER_MS - RESOLUTION_MS);
    if (delay.max > 0)
      counter(`loop delay, ms (thread ${threadId})`, { max: ms(delay.max), mean: ms(delay.mean) });
    delay.reset();
    flush();
  };
  setInterval(sample, SAMPLE_MS).unref();
  process.on('exit', () => {
    // A thread's own context is open until its end.
    for (const id of unclosed) closed(id);
    sample();
  });
}

if (directory !== undefined) begin();
