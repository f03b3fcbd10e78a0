/** Every way in which a program can give memory away, and what becomes of it. */
import { MessageChannel, Worker } from 'node:worker_threads';

/** `copied`: no error, and the memory is whole all the same. `absent`: this Node.js has no such way. */
export type Outcome = 'moved' | 'refused' | 'copied' | 'absent';

interface Way {
  readonly title: string;
  /** @throws What the way throws; a promise that rejects is one too. */
  give(memory: ArrayBuffer): unknown;
}

/** ES2024, from Node.js 22 on. */
type Transferable = ArrayBuffer & {
  transfer?(bytes?: number): ArrayBuffer;
  transferToFixedLength?(): ArrayBuffer;
};

const ABSENT = Symbol('absent');
/** A read of a stream that never brings anything was not refused by then. */
const PATIENCE_MS = 20;

export const WAYS: readonly Way[] = [
  { title: '`structuredClone()`', give: (memory) => structuredClone(memory, { transfer: [memory] }) },
  {
    title: '`structuredClone()` of several',
    give(memory) {
      const other = new ArrayBuffer(8);
      return structuredClone([other, memory], { transfer: [other, memory] });
    },
  },
  {
    title: '`port.postMessage()`',
    give(memory) {
      const { port1, port2 } = new MessageChannel();
      try {
        port1.postMessage(memory, [memory]);
      } finally {
        port1.close();
        port2.close();
      }
    },
  },
  {
    title: '`new Worker()` with `transferList`',
    give: (memory) => new Worker('', { eval: true, workerData: memory, transferList: [memory] }).terminate(),
  },
  { title: '`transfer()`', give: (memory: Transferable) => memory.transfer?.() ?? ABSENT },
  { title: '`transfer(1)`', give: (memory: Transferable) => memory.transfer?.(1) ?? ABSENT },
  {
    title: '`transferToFixedLength()`',
    give: (memory: Transferable) => memory.transferToFixedLength?.() ?? ABSENT,
  },
  {
    title: '`controller.enqueue()` of a byte stream',
    give(memory) {
      new ReadableStream({
        type: 'bytes',
        start: (controller) => controller.enqueue(new Uint8Array(memory)),
      });
    },
  },
  {
    title: '`reader.read(view)` of a byte stream',
    give(memory) {
      const reader = new ReadableStream({ type: 'bytes' }).getReader({ mode: 'byob' });
      const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
      return Promise.race([reader.read(new Uint8Array(memory)), patience]);
    },
  },
];

/** Tries one way. A buffer that is moved is lost. */
export async function outcomeOf({ give }: Way, memory: ArrayBuffer): Promise<Outcome> {
  let outcome: Outcome = 'copied';
  try {
    if ((await give(memory)) === ABSENT) return 'absent';
  } catch {
    outcome = 'refused';
  }
  return memory.byteLength === 0 ? 'moved' : outcome;
}
