/** Where AioFile differs from FileHandle because it was decided so: each as data, with its reason and a program that shows it. */
import type { FileDifference, FileProgram, Run, Step, Value } from './program.ts';

export interface Decided {
  readonly name: string;
  readonly reason: string;
  /** The versions of Node.js where it shows. Default: all. */
  readonly on?: (major: number) => boolean;
  /** @param run - What FileHandle did. */
  readonly matches: (difference: FileDifference, program: FileProgram, run: Run) => boolean;
  /** Whether all that comes after it in a program may differ too. */
  readonly carries?: true;
  /** Shows it. One that does not any more turns the test red. */
  readonly program: FileProgram;
}

/** Options that a step gives, as a value of plain data. */
function optionOf(options: Value, name: string): Value {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) return undefined;
  return (options as Readonly<Record<string, Value>>)[name];
}

function stepOf({ step }: FileDifference, { steps }: FileProgram): Step | undefined {
  return step === 'end' ? undefined : steps[step];
}

/** A close of FileHandle that never answers, alone or as a part of another step. */
function hangs({ fileHandle }: FileDifference): boolean {
  return fileHandle === 'hangs';
}

/** A file, or a stream over one, that is closed where FileHandle's is not. */
function endsSooner({ what, fileHandle, other }: FileDifference): boolean {
  if (what.startsWith('the position of')) return other === 'closed';
  // Of a descriptor of -1.
  if (/^(throws|rejects) RangeError ERR_OUT_OF_RANGE$/.test(other)) return true;
  // The error of what is closed has no errno.
  if (/^rejects Error EBADF [a-zA-Z]+$/.test(other)) return true;
  // Functions of the host that take a file do not ask whether it is closed, and hand -1 to Linux.
  if (what === 'host' && /^rejects Error EBADF -9 [a-z]+$/.test(other)) return true;
  return /^(close|dispose) of/.test(what) && other === fileHandle.replaceAll('open', 'closed');
}

/** A close inside an event that FileHandle never answers. */
function neverCloses({ what, fileHandle }: FileDifference): boolean {
  return what.startsWith('close of') && fileHandle === 'nothing';
}

/** Whether FileHandle refused the options of a stream: it has lent itself to the stream all the same, and never gets itself back. */
function refusedStream({ items }: Run): boolean {
  return items.some(
    ({ what, value }) =>
      ['read-stream', 'write-stream', 'lines'].includes(what) &&
      /^(throws|rejects) (Type|Range)?Error ERR_/.test(value),
  );
}

const TEXT: Step = { op: 'open', slot: 0, place: 'text', flags: 'r+' };

export const DECIDED: readonly Decided[] = [
  {
    name: 'transfer-signal',
    reason: 'read and write take a signal; those of FileHandle ignore it',
    matches: ({ other }, { steps }) =>
      other.startsWith('rejects AbortError') &&
      steps.some(
        (step) =>
          step.op === 'call' &&
          (step.method === 'read' || step.method === 'write') &&
          step.args.some((value) => typeof optionOf(value, 'signal') === 'object'),
      ),
    carries: true,
    program: {
      steps: [
        TEXT,
        {
          op: 'call',
          slot: 0,
          method: 'read',
          args: [
            { $: 'bytes', length: 5 },
            { position: 0, signal: { $: 'signal', state: 'aborted' } },
          ],
        },
      ],
    },
  },
  {
    name: 'write-stream-without-auto-close',
    reason:
      'close() ends write streams that have ended or failed with autoClose: false; FileHandle waits for them for ever',
    matches: (difference, { steps }) =>
      (hangs(difference) || endsSooner(difference)) &&
      steps.some(
        (step) =>
          step.op === 'write-stream' &&
          optionOf(step.options, 'autoClose') !== undefined &&
          optionOf(step.options, 'autoClose') !== true,
      ),
    carries: true,
    program: {
      steps: [
        TEXT,
        {
          op: 'write-stream',
          slot: 0,
          stream: 0,
          options: { autoClose: false },
          plan: { chunks: ['x'], last: 'end' },
        },
        { op: 'close', slot: 0 },
      ],
    },
  },
  {
    name: 'lines-of-a-closed-file',
    reason:
      'lines of a file that is closed end, or are refused, and hold no file that nobody reads on; those of FileHandle never come, or keep it open',
    matches: (difference, program) =>
      (hangs(difference) && stepOf(difference, program)?.op === 'lines') ||
      (neverCloses(difference) && program.steps.some(({ op }) => op === 'lines')),
    carries: true,
    program: { steps: [TEXT, { op: 'lines', slot: 0, most: 1 }, { op: 'lines', slot: 0 }] },
  },
  {
    name: 'refused-stream',
    reason:
      'a file closes although it refused the options of a stream; close() of FileHandle throws a TypeError then, and waits for ever when it is called again',
    matches: (difference, _program, run) => {
      const { fileHandle, what } = difference;
      if (!refusedStream(run)) return false;
      return (
        hangs(difference) ||
        endsSooner(difference) ||
        neverCloses(difference) ||
        (/^((close|dispose) of|host|lines)/.test(what) && /^(throws|rejects) TypeError\b/.test(fileHandle))
      );
    },
    carries: true,
    program: {
      steps: [
        TEXT,
        {
          op: 'read-stream',
          slot: 0,
          stream: 0,
          options: { start: 20, end: 5 },
          plan: { by: 'data' },
        },
        { op: 'close', slot: 0 },
      ],
    },
  },
  {
    name: 'web-stream-that-failed',
    reason:
      'a file closes although its web stream failed; FileHandle waits for the stream for ever, and leaves a rejection that nobody can handle',
    matches: (difference, _program, { items }) => {
      const failed = items.some(({ what, value }) => what === 'web-stream' && value.includes(' rejects '));
      const isUnhandled = items.some(
        ({ what, value }) => what === 'caught by nobody' && value.startsWith('unhandled'),
      );
      if (isUnhandled && (hangs(difference) || difference.fileHandle.startsWith('unhandled')))
        return items.some(({ what }) => what === 'web-stream');
      return failed && endsSooner(difference);
    },
    carries: true,
    program: {
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'a' },
        {
          op: 'web-stream',
          slot: 0,
          options: { type: 'bytes' },
          reader: 'default',
          reads: 1,
          last: 'nothing',
        },
        { op: 'close', slot: 0 },
      ],
    },
  },
];
