/**
 * What `scripts/stress/fault-injection.ts` runs under strace: a scenario by name, its outcome printed as JSON.
 *
 * A file of random bytes is written and read back, block by block, and everything that came is compared: whatever fault is injected,
 * each operation either brings the right bytes or its own error, and the program ends by itself.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { open as openHost } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf } from '../../src/common/errors.ts';
import { AioContext, type AioKernel, abi, alignedBuffer, open, selectKernel } from '../../src/index.ts';

const BLOCKS = 64;
const BLOCK_BYTES = 4096;
const NOT_OPEN = 1_000_000;

/** How an operation ended: the number of bytes, or the code and the call of its error. */
type End = number | string;

function told(error: unknown): string {
  const { syscall } = error as { syscall?: string };
  return `${codeOf(error)}${syscall === undefined ? '' : ` ${syscall}`}`;
}

/** How operations ended, equal ends counted. */
async function ends(operations: readonly Promise<End>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const result of await Promise.allSettled(operations)) {
    const end = result.status === 'fulfilled' ? String(result.value) : told(result.reason);
    counts[end] = (counts[end] ?? 0) + 1;
  }
  return counts;
}

async function withFile(use: (path: string, content: Buffer) => Promise<unknown>): Promise<unknown> {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-faults-'));
  try {
    return await use(join(directory, 'data'), randomBytes(BLOCKS * BLOCK_BYTES));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A kernel whose ring JavaScript cannot see, as on Electron: events are fetched by calls. */
function withoutMappedRing(kernel: AioKernel): AioKernel {
  return new Proxy(kernel, {
    get(target, property) {
      if (property === 'mapRing') return () => undefined;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Writes and reads each block in two batches, over a context of few requests. */
async function blocks(
  kernel: AioKernel,
  queueDepth: number,
  submitThread: boolean,
  before: (context: AioContext) => void = () => {},
): Promise<unknown> {
  return withFile(async (path, content) => {
    const file = await openHost(path, 'w+');
    const context = new AioContext({ kernel, queueDepth, submitThread });
    try {
      before(context);
      const at = Array.from({ length: BLOCKS }, (_, index) => index * BLOCK_BYTES);
      const writes = await ends(
        at.map((position) =>
          context.write(file, content.subarray(position, position + BLOCK_BYTES), position),
        ),
      );
      await file.writeFile(content);
      const reads = await ends(
        at.map(async (position) => {
          const block = new Uint8Array(BLOCK_BYTES);
          const got = await context.read(file, block, position);
          const right = content.subarray(position, position + got).equals(block.subarray(0, got));
          return right ? got : 'wrong bytes';
        }),
      );
      const { eagains } = context.stats;
      return { writes, reads, eagains: eagains > 0, left: context.inFlight + context.queued };
    } finally {
      await context.close();
      await file.close();
    }
  });
}

/** Requests that wait for good: each takes a slot of the context. */
class IdlePolls {
  readonly #kernel: AioKernel;
  readonly #ctx: number;
  readonly #eventfd: number;
  readonly #iocbs: Uint8Array[] = [];

  constructor(kernel: AioKernel, ctx: number) {
    this.#kernel = kernel;
    this.#ctx = ctx;
    this.#eventfd = kernel.eventfd(0, 0);
  }

  /** Submits one. @returns The answer. */
  add(): number {
    const { memory } = this.#kernel;
    const iocb = new Uint8Array(abi.IOCB_BYTES);
    const view = new DataView(iocb.buffer);
    abi.encodeIocb({ aio_lio_opcode: abi.IOCB_CMD_POLL, aio_fildes: this.#eventfd, aio_buf: 1 }, view);
    const pointer = new BigUint64Array([BigInt(memory.addressOf(iocb))]);
    const answer = this.#kernel.io_submit(this.#ctx, 1, memory.addressOf(pointer));
    if (answer === 1) this.#iocbs.push(iocb);
    return answer;
  }

  /** Takes some back, and their events out of the ring. */
  remove(count: number): void {
    const { memory } = this.#kernel;
    for (const iocb of this.#iocbs.splice(-count))
      this.#kernel.io_cancel(this.#ctx, memory.addressOf(iocb), 0);
    const events = new Uint8Array(count * abi.IO_EVENT_BYTES);
    const got = this.#kernel.io_getevents(this.#ctx, count, count, memory.addressOf(events), 0);
    if (got !== count) throw new Error(`${got} of ${count} cancelled polls came`);
  }
}

/** A kernel that shows the handle of the context that it makes last. */
function showingContexts(kernel: AioKernel): { kernel: AioKernel; last(): number } {
  let ctxpAt = 0;
  const watched = new Proxy(kernel, {
    get(target, property) {
      if (property === 'io_setup')
        return (nr: number, ctxp: number) => {
          const answer = kernel.io_setup(nr, ctxp);
          ctxpAt = Number(new DataView(kernel.memory.read(ctxp, 8)!.buffer).getBigUint64(0, true));
          return answer;
        };
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { kernel: watched, last: () => ctxpAt };
}

const SCENARIOS: Readonly<Record<string, () => Promise<unknown>>> = {
  /** Which kernel is chosen, and what is said about it. */
  async choice() {
    try {
      const { backend, reason } = selectKernel();
      return { backend, reason };
    } catch (error) {
      return {
        code: codeOf(error),
        message: (error as Error).message,
        cause: codeOf((error as Error).cause),
      };
    }
  },
  /** What the kernel is said to be able to. */
  async supports() {
    const { kernel, backend } = selectKernel();
    const { features, rw_flags } = kernel.supports;
    return {
      backend,
      ring: features['mapped-ring'],
      nowait: (rw_flags & abi.RWF_NOWAIT) !== 0,
      cuts: features['cuts-one-segment'],
    };
  },
  context: () => blocks(selectKernel().kernel, 8, false),
  'context-calling': () => blocks(withoutMappedRing(selectKernel().kernel), 8, false),
  'context-submit-thread': () => blocks(selectKernel().kernel, 8, true),
  /** The ring is full but for three slots, of requests that never end: the kernel takes three of a batch, then none. */
  'full-ring'() {
    const { kernel, last } = showingContexts(selectKernel().kernel);
    return blocks(kernel, 8, false, () => {
      const polls = new IdlePolls(kernel, last());
      let taken = 0;
      while (polls.add() === 1) taken++;
      if (taken < 8) throw new Error(`only ${taken} requests fill the ring`);
      polls.remove(3);
    });
  },
  /** One request of the context's own waits for somebody outside, while others are refused. */
  'context-while-polling': () =>
    withFile(async (path, content) => {
      const { kernel } = selectKernel();
      const file = await openHost(path, 'w+');
      const context = new AioContext({ kernel, queueDepth: 8 });
      const done = new AbortController();
      const eventfd = kernel.eventfd(0, 0);
      const poll = ends([context.poll(eventfd, 1, { signal: done.signal })]);
      try {
        await file.writeFile(content);
        const reads = await ends(
          Array.from({ length: BLOCKS }, () => context.read(file, new Uint8Array(BLOCK_BYTES), 0)),
        );
        return { reads, eagains: context.stats.eagains > 0 };
      } finally {
        done.abort();
        await poll;
        await context.close();
        kernel.close(eventfd);
        await file.close();
      }
    }),
  /** A descriptor that is not open in the middle of a batch: a short count of io_submit. */
  'short-submit': () =>
    withFile(async (path, content) => {
      const file = await openHost(path, 'w+');
      const context = new AioContext({ kernel: selectKernel().kernel, queueDepth: BLOCKS });
      try {
        await file.writeFile(content);
        return await ends(
          Array.from({ length: BLOCKS }, async (_, index) => {
            const block = new Uint8Array(BLOCK_BYTES);
            const position = index * BLOCK_BYTES;
            const got = await context.read(index === 31 ? NOT_OPEN : file, block, position);
            return content.subarray(position, position + got).equals(block.subarray(0, got))
              ? got
              : 'wrong bytes';
          }),
        );
      } finally {
        await context.close();
        await file.close();
      }
    }),
  /** A context after the choice was made. */
  async 'context-made'() {
    const { kernel } = selectKernel();
    try {
      const context = new AioContext({ kernel, queueDepth: 8 });
      await context.close();
      return 'made and closed';
    } catch (error) {
      return { told: told(error), message: (error as Error).message };
    }
  },
  /** An AioFile, buffered or direct, through the shared context. */
  file: () =>
    withFile(async (path, content) => {
      try {
        const file = await open(path, 'w+', 0o600, { direct: 'prefer' });
        try {
          const buffer = alignedBuffer(content.length);
          buffer.set(content);
          const { bytesWritten } = await file.write(buffer, { position: 0 });
          const block = alignedBuffer(BLOCK_BYTES);
          const { bytesRead } = await file.read(block, { position: BLOCK_BYTES });
          const right = content
            .subarray(BLOCK_BYTES, BLOCK_BYTES + bytesRead)
            .equals(block.subarray(0, bytesRead));
          return { backend: file.backend, bytesWritten, bytesRead, right };
        } finally {
          await file.close();
        }
      } catch (error) {
        return { told: told(error), message: (error as Error).message };
      }
    }),
  /** As before, without O_DIRECT: reads ask with RWF_NOWAIT first. */
  'buffered-file': () =>
    withFile(async (path, content) => {
      const file = await open(path, 'w+');
      try {
        const { bytesWritten } = await file.write(content, { position: 0 });
        const reads = await ends(
          Array.from({ length: BLOCKS }, async (_, index) => {
            const position = index * BLOCK_BYTES;
            const block = Buffer.alloc(BLOCK_BYTES);
            const { bytesRead } = await file.read(block, { position });
            return content.subarray(position, position + bytesRead).equals(block.subarray(0, bytesRead))
              ? bytesRead
              : 'wrong bytes';
          }),
        );
        return { backend: file.backend, bytesWritten, reads };
      } finally {
        await file.close();
      }
    }),
};

const scenario = SCENARIOS[process.argv[2]!];
if (scenario === undefined) throw new Error(`there is no scenario '${process.argv[2]}'`);
console.log(JSON.stringify(await scenario()));
