/** A user-space program in miniature: a kernel, a context, and memory to put things into. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  dataView,
  decodeIoEvent,
  encodeIocb,
  encodeIovec,
  encodeTimespec,
  type Iocb,
  type IoEvent,
} from '../../src/common/abi/structs.ts';
import { type EmulatedKernelOptions, emulatedKernel } from '../../src/emulated/index.ts';

type Fields = { [Key in keyof Iocb]?: number | bigint };

const GIVE_UP_MS = 30_000;

/** Buffers that the kernel was told of and that a test wants to stay. */
const kept = new Set<ArrayBufferLike>();

export function user(
  options: EmulatedKernelOptions = {},
  kernel = emulatedKernel({ possibleCpus: 2, debug: true, ...options }),
) {
  const { memory } = kernel;

  const keep = <T extends ArrayBufferView>(view: T): T => {
    kept.add(view.buffer);
    return view;
  };
  const addressOf = (view: ArrayBufferView): number => memory.addressOf(keep(view));

  const setup = (nr: number | bigint = 1): number => {
    const word = new BigUint64Array(1);
    const answer = kernel.io_setup(nr, addressOf(word));
    return answer < 0 ? answer : Number(word[0]!);
  };
  /** Writes an iocb and says where it is. */
  const iocb = (fields: Fields): number => {
    const bytes = new Uint8Array(64);
    encodeIocb(fields, dataView(bytes));
    return addressOf(bytes);
  };
  const pointers = (addresses: readonly number[]): number =>
    addressOf(BigUint64Array.from(addresses.map((address) => BigInt(address))));
  const submit = (ctx: number, ...iocbs: (Fields | number)[]): number =>
    kernel.io_submit(
      ctx,
      iocbs.length,
      iocbs.length === 0
        ? 0
        : pointers(iocbs.map((entry) => (typeof entry === 'number' ? entry : iocb(entry)))),
    );
  const timespec = (sec: number | bigint, nsec: number | bigint): number => {
    const bytes = new Uint8Array(16);
    encodeTimespec({ tv_sec: sec, tv_nsec: nsec }, dataView(bytes));
    return addressOf(bytes);
  };
  const iovec = (...segments: [base: number | bigint, length: number | bigint][]): number => {
    const bytes = new Uint8Array(segments.length * 16);
    segments.forEach(([base, length], i) => {
      encodeIovec({ iov_base: base, iov_len: length }, dataView(bytes), i * 16);
    });
    return addressOf(bytes);
  };
  /** What is there without waiting; throws on an error. */
  const events = (ctx: number, max = 1024): IoEvent[] => {
    const bytes = new Uint8Array(max * 32);
    const answer = kernel.io_getevents(ctx, 0, max, addressOf(bytes), 0);
    kept.delete(bytes.buffer);
    if (answer < 0) throw new Error(`io_getevents: ${answer}`);
    return Array.from({ length: answer }, (_, i) => decodeIoEvent(dataView(bytes), i * 32));
  };
  const results = (ctx: number, max = 1024): number[] => events(ctx, max).map(({ res }) => Number(res));
  /**
   * Lets the event loop, and with it the thread pool, do the work, without draining; then looks into the ring. It gives up before the test
   * is ended, so that what has come is told: turns of the loop say nothing of how far the pool is.
   */
  const completed = async (ctx: number, count: number): Promise<number[]> => {
    const ring = kernel.mapRing(ctx);
    const found: number[] = [];
    const end = performance.now() + GIVE_UP_MS;
    while (found.length < count && performance.now() < end) {
      await new Promise((resolve) => setImmediate(resolve));
      ring?.reap(count - found.length, (_low, _high, res) => found.push(res));
    }
    return found;
  };
  return {
    kernel,
    memory,
    keep,
    addressOf,
    setup,
    iocb,
    pointers,
    submit,
    timespec,
    iovec,
    events,
    results,
    completed,
  };
}

export type User = ReturnType<typeof user>;

/** A file with content, in a directory of its own. */
export function temporaryFile(content: Uint8Array | string = '', flags = 'r+') {
  const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-emulated-'));
  const path = join(directory, 'file');
  fs.writeFileSync(path, content);
  const fd = fs.openSync(path, flags);
  let open = true;
  const close = (): void => {
    if (open) fs.closeSync(fd);
    open = false;
  };
  const remove = (): void => {
    close();
    fs.rmSync(directory, { recursive: true });
  };
  return { directory, path, fd, close, remove, content: () => fs.readFileSync(path, 'latin1') };
}
