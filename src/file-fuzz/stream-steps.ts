/** Streams that programs begin: what they emit, and when they have come to rest. */
import type { EventEmitter } from 'node:events';
import type { ReadStream, WriteStream } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Act, ReadPlan, WritePlan } from './program.ts';
import { shown, shownError } from './shown.ts';

type FileStream = ReadStream | WriteStream;

const EVENTS = ['open', 'ready', 'end', 'finish', 'close', 'pause', 'resume'] as const;
/** What `read()` of a stream that is not flowing asks for. */
const READ_BYTES = 5;

/** A stream, and what it has shown so far. */
export interface StreamRecord {
  readonly stream: FileStream;
  /** The step that began it. */
  readonly step: number;
  readonly events: string[];
  /** It does nothing more until somebody acts on it. */
  rests: boolean;
}

const isReadable = (stream: FileStream): stream is ReadStream => 'readable' in stream;

function hasSettled({ stream, rests }: StreamRecord): boolean {
  if (stream.closed) return true;
  // One that is left alone writes what it has all the same.
  if (rests)
    return isReadable(stream) || stream.writableLength === 0 || stream.errored !== null || stream.destroyed;
  if ((stream as { autoClose?: boolean }).autoClose !== false) return false;
  const ended = isReadable(stream) ? stream.readableEnded : stream.writableFinished;
  return ended || stream.errored !== null || stream.destroyed;
}

/** Until a stream has ended, failed, closed, or been stopped by its plan. */
export async function rest(record: StreamRecord, isOver: () => boolean): Promise<void> {
  while (!hasSettled(record) && !isOver()) await setImmediate();
}

function watch(stream: FileStream, step: number): StreamRecord {
  const record: StreamRecord = { stream, step, events: [], rests: false };
  const emitter: EventEmitter = stream;
  for (const event of EVENTS) emitter.on(event, () => record.events.push(event));
  emitter.on('error', (error: unknown) => record.events.push(`error ${shownError(error)}`));
  return record;
}

export function beginReading(
  stream: ReadStream,
  step: number,
  { by, at, stop }: ReadPlan,
  closeFile: () => void,
): StreamRecord {
  const record = watch(stream, step);
  let chunks = 0;
  const took = (chunk: unknown): boolean => {
    record.events.push(`data ${shown(chunk)}`);
    chunks++;
    if (chunks !== at) return false;
    if (stop === 'pause') {
      record.rests = true;
      stream.pause();
    } else if (stop === 'destroy') stream.destroy();
    else if (stop === 'fail') stream.destroy(new RangeError('by the program'));
    else if (stop === 'close-file') closeFile();
    return true;
  };
  if (by === 'data') stream.on('data', took);
  else if (by === 'readable')
    stream.on('readable', () => {
      for (let chunk = stream.read(); chunk !== null; chunk = stream.read()) {
        if (took(chunk)) {
          // Whoever listens to 'readable' and reads no more has stopped.
          if (stop === 'pause' || stop === 'break') record.rests = true;
          break;
        }
      }
    });
  else if (by === 'iterate') void iterate(stream, record, took, stop === 'break');
  else record.rests = true;
  return record;
}

async function iterate(
  stream: ReadStream,
  record: StreamRecord,
  took: (chunk: unknown) => boolean,
  breaks: boolean,
): Promise<void> {
  try {
    for await (const chunk of stream) if (took(chunk) && breaks) break;
    record.events.push('iterated');
  } catch (error) {
    record.events.push(`iterating rejects ${shownError(error)}`);
  }
}

export function beginWriting(
  stream: WriteStream,
  step: number,
  { oneByOne = false, last }: WritePlan,
  chunks: readonly unknown[],
  closeFile: () => void,
): StreamRecord {
  const record = watch(stream, step);
  const wrote = (at: number, error: unknown): void => {
    record.events.push(error == null ? `wrote ${at}` : `write ${at} fails ${shownError(error)}`);
  };
  const write = (at: number, next: () => void): void => {
    try {
      stream.write(chunks[at], (error) => {
        wrote(at, error);
        next();
      });
    } catch (error) {
      record.events.push(`write ${at} throws ${shownError(error)}`);
      next();
    }
  };
  const finish = (): void => {
    if (last === 'end') stream.end();
    else if (last === 'destroy') stream.destroy();
    else if (last === 'fail') stream.destroy(new RangeError('by the program'));
    else if (last === 'close') stream.close();
    else if (last === 'close-file') closeFile();
    else record.rests = true;
  };
  const each = (at: number): void => {
    if (at === chunks.length) finish();
    else write(at, () => each(at + 1));
  };
  if (oneByOne) each(0);
  else {
    for (let at = 0; at < chunks.length; at++) write(at, () => {});
    finish();
  }
  return record;
}

/** @returns What it answers. */
export function act(record: StreamRecord, what: Act): unknown {
  const { stream } = record;
  if (isReadable(stream)) {
    if (what === 'resume') {
      record.rests = false;
      // Nothing flows from one that has listeners for 'readable'.
      if (stream.listenerCount('readable') > 0) record.rests = true;
      stream.resume();
      return undefined;
    }
    if (what === 'pause') {
      record.rests = true;
      stream.pause();
      return undefined;
    }
    if (what === 'read') return stream.read(READ_BYTES);
  } else {
    if (what === 'end') {
      record.rests = false;
      stream.end('the end');
      return undefined;
    }
    if (what === 'write') return stream.write('more\n');
  }
  if (what === 'destroy' || what === 'fail' || what === 'close') {
    record.rests = false;
    if (what === 'close') stream.close();
    else stream.destroy(what === 'fail' ? new RangeError('by the program') : undefined);
  }
  return undefined;
}
