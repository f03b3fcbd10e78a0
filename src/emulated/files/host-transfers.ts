/**
 * Plain reads and writes of the host's files: to the thread pool and back.
 *
 * Descriptors that nobody holds are looked at once when the reads of a stretch begin and once when they are handed out, for
 * between those looks and what follows runs no code but ours. So results are gathered for a turn of the event loop.
 */
import * as fs from 'node:fs';
import { IOCB_CMD_PREAD, IOCB_CMD_PWRITE } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import type { PlainTransfer, PlainTransfers, TransferSink } from '../../common/kernel/plain-transfers.ts';
import { type Bounce, bouncePool } from '../../common/memory/bounce-pool.ts';
import { bytesOf, isGone } from '../../common/memory/extent.ts';
import { isPageAligned } from '../../common/memory/page-aligned.ts';
import { linuxErrno } from '../errno-translation.ts';
import { PAGE_SIZE } from '../memory/mm.ts';
import type { WorkQueue } from '../workqueue/aio-wq.ts';
import { RunList } from '../workqueue/run-list.ts';
import type { FileTable } from './file-table.ts';
import { HostFile } from './host-file.ts';
import { HostHandles, type Lent } from './host-handles.ts';
import { type Identity, identify, isSameFile } from './identity.ts';

/** More than this is not copied: a huge length would cost huge memory. */
const MOST_COPIED = 1 << 18;
/** More than this is left to those who cut it as Linux does. */
const MOST_BYTES = 1 << 30;

/** A transfer under way. They are used again, and their callbacks with them. */
class Flight {
  transfer!: PlainTransfer;
  sink!: TransferSink<PlainTransfer>;
  file!: HostFile;
  lent: Lent | undefined;
  /** What the host uses: the caller's memory, or a copy. */
  bytes!: Uint8Array;
  at = 0;
  chunk: Bounce | undefined;
  writes = false;
  result = 0;
  /** Next in the queue. */
  ki_next: Flight | undefined;
  readonly callback: (error: NodeJS.ErrnoException | null, count: number) => void;

  constructor(ended: (flight: Flight) => void) {
    this.callback = (error, count) => {
      this.result = error === null || error === undefined ? count : linuxErrno(error);
      ended(this);
    };
  }
}

export class HostTransfers implements PlainTransfers {
  readonly #files: FileTable;
  readonly #work: WorkQueue;
  readonly #handles: HostHandles;
  readonly #free: Flight[] = [];
  /** Begun, and with no place on the thread pool yet. */
  readonly #queue = new RunList<Flight>();
  /** Whether the next place goes to what waits here, and not to what waits in contexts: they take turns. */
  #isNext = false;
  #underWay = 0;
  /** Ended, and not handed out. */
  #ended: Flight[] = [];
  #scheduled = false;
  #whenIdle: (() => void)[] = [];

  constructor(files: FileTable, work: WorkQueue) {
    this.#files = files;
    this.#work = work;
    this.#handles = new HostHandles(files);
    work.onRoom = () => this.#beginQueued();
  }

  beginStretch(): void {
    this.#files.endBatch();
  }

  start<T extends PlainTransfer>(transfer: T, stays: boolean, sink: TransferSink<T>): boolean {
    const { opcode, fd, carrier, nbytes, position, extent } = transfer;
    const writes = opcode === IOCB_CMD_PWRITE;
    if ((!writes && opcode !== IOCB_CMD_PREAD) || extent === undefined) return false;
    if (nbytes > MOST_BYTES || position > Number.MAX_SAFE_INTEGER - nbytes) return false;
    // What was promised of a descriptor goes before what is known of its owner.
    const isOwned = carrier !== undefined && !this.#files.holds(fd);
    const lent = isOwned ? this.#handles.lend(carrier, fd) : undefined;
    const file = lent === undefined ? this.#files.fget(fd) : lent.file;
    let flight: Flight | undefined;
    if (file instanceof HostFile) {
      const asIs = stays && file.held && (!file.judgesMemory || isPageAligned(extent.memory));
      if (this.#takes(file, writes, asIs, nbytes)) flight = this.#flightOf(transfer, file, writes, asIs);
    }
    if (flight === undefined) {
      if (lent !== undefined) this.#handles.giveBack(lent);
      return false;
    }
    flight.sink = sink as unknown as TransferSink<PlainTransfer>;
    flight.lent = lent;
    this.#underWay++;
    if (writes) flight.file.barrier.writeBegan(flight);
    if (this.#queue.isEmpty && this.#work.hasPlace && this.#work.takePlace(flight)) this.#begin(flight);
    else this.#queue.push(flight);
    return true;
  }

  /** Resolves when nothing is under way. */
  settled(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #takes(file: HostFile, writes: boolean, asIs: boolean, nbytes: number): boolean {
    if (!file.isPlain || (writes ? file.mayWrite() : file.mayRead()) !== 0) return false;
    // When a thread gets to a write, a descriptor that nobody holds may mean another file.
    return file.held ? asIs || nbytes <= MOST_COPIED : !writes && nbytes <= MOST_COPIED;
  }

  /** @param asIs - The host uses the caller's memory. @returns `undefined` if there is no memory. */
  #flightOf(transfer: PlainTransfer, file: HostFile, writes: boolean, asIs: boolean): Flight | undefined {
    const flight = this.#free.pop() ?? new Flight((ended) => this.#landed(ended));
    flight.transfer = transfer;
    flight.file = file;
    flight.writes = writes;
    if (asIs) {
      flight.bytes = bytesOf(transfer.extent!);
      flight.at = 0;
      return flight;
    }
    return copied(flight) ? flight : undefined;
  }

  #begin(flight: Flight): void {
    const { file, transfer, bytes, at, callback } = flight;
    const { nbytes, position } = transfer;
    try {
      if (flight.writes) fs.write(file.fd, bytes, at, nbytes, position, callback);
      else fs.read(file.fd, bytes, at, nbytes, position, callback);
    } catch (error) {
      // Nothing ends inside of its begin.
      setImmediate(callback, error as NodeJS.ErrnoException, 0);
    }
  }

  /** The host has done. */
  #landed(flight: Flight): void {
    if (flight.result === -ERRNO.EINVAL && mayMindMemory(flight) && copied(flight)) {
      flight.file.judgesMemory = true;
      this.#begin(flight);
      return;
    }
    this.#work.leavePlace(flight, Math.max(0, flight.result));
    this.#isNext = !this.#isNext;
    if (this.#isNext) this.#beginFirst(undefined);
    this.#work.goOn();
    this.#ended.push(flight);
    this.#underWay--;
    if (this.#underWay === 0) this.#handOut();
    else this.#handOutSoon();
  }

  #handOutSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#handOutLater);
  }

  #beginQueued(): void {
    while (this.#beginFirst(undefined));
  }

  /**
   * @param looks - Those of this stretch. Without them, what has to be looked at stays in the queue: it holds up others for a turn of
   * the event loop.
   * @returns Whether there was one, and a place for it.
   */
  #beginFirst(looks: Looks | undefined): boolean {
    const flight = this.#queue.first;
    if (flight === undefined) return false;
    const { file } = flight;
    if (!file.held && looks === undefined) {
      this.#handOutSoon();
      return false;
    }
    const isGone = !file.held && !looks!.stillMeans(file.fd, file.identity);
    if (!isGone && !this.#work.takePlace(flight)) return false;
    this.#queue.shift();
    if (!isGone) this.#begin(flight);
    else {
      flight.result = -ERRNO.EBADF;
      this.#underWay--;
      this.#ended.push(flight);
    }
    return true;
  }

  readonly #handOutLater = (): void => {
    this.#scheduled = false;
    this.#handOut();
  };

  #handOut(): void {
    const looks = new Looks();
    while (this.#beginFirst(looks));
    const ended = this.#ended;
    this.#ended = [];
    const sinks: TransferSink<PlainTransfer>[] = [];
    for (const flight of ended) {
      const { transfer, sink, file } = flight;
      const result = this.#delivered(flight, looks);
      const ready = flight.writes ? file.barrier.writeEnded(flight) : undefined;
      this.#release(flight);
      sink.ended(transfer, result);
      if (ready !== undefined) for (const start of ready) start();
      if (!sinks.includes(sink)) sinks.push(sink);
    }
    if (this.#underWay === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
    tell(sinks);
  }

  /** Hands out what was read. @returns What became of it. */
  #delivered({ file, transfer, result, writes, chunk, bytes, at }: Flight, looks: Looks): number {
    if (writes || result <= 0) return result;
    // The pool thread may have read after the descriptor was closed and opened anew: then this is not the user's data.
    if (!file.held && !looks.stillMeans(file.fd, file.identity)) return -ERRNO.EBADF;
    if (chunk === undefined) return result;
    const extent = transfer.extent!;
    if (isGone(extent)) return -ERRNO.EFAULT;
    bytesOf(extent).set(bytes.subarray(at, at + result));
    return result;
  }

  #release(flight: Flight): void {
    const { chunk, lent } = flight;
    if (chunk !== undefined) bouncePool.give(chunk);
    if (lent !== undefined) this.#handles.giveBack(lent);
    flight.chunk = undefined;
    flight.lent = undefined;
    // Nothing of anybody's is held by one that waits for its next use.
    flight.bytes = NOTHING;
    flight.transfer = NO_TRANSFER;
    flight.sink = NO_SINK;
    this.#free.push(flight);
  }
}

/**
 * Whether the host may have refused the place of the caller's memory. With O_DIRECT it does; the addresses that the caller has aligned it
 * by are made up, and true only of memory that begins with a page.
 */
function mayMindMemory({ chunk, transfer }: Flight): boolean {
  return chunk === undefined && !isPageAligned(transfer.extent!.memory);
}

/** Gives a flight memory of ours. It lies in its page as the caller's does by its address. @returns Whether there is any. */
function copied(flight: Flight): boolean {
  const { buf, nbytes, extent } = flight.transfer;
  const at = buf % PAGE_SIZE;
  try {
    flight.chunk = bouncePool.take(at + nbytes);
  } catch {
    return false;
  }
  flight.at = at;
  flight.bytes = flight.chunk.bytes;
  if (flight.writes) flight.bytes.set(bytesOf(extent!), at);
  return true;
}

const NOTHING = new Uint8Array(0);
const NO_TRANSFER: PlainTransfer = {
  opcode: -1,
  fd: -1,
  carrier: undefined,
  buf: 0,
  nbytes: 0,
  position: 0,
  extent: undefined,
};

const NO_SINK: TransferSink<PlainTransfer> = { ended() {}, told() {} };

/** What descriptors mean, asked once each. */
class Looks {
  readonly #seen = new Map<number, Identity | undefined>();

  stillMeans(fd: number, identity: Identity): boolean {
    if (!this.#seen.has(fd)) this.#seen.set(fd, identify(fd));
    const now = this.#seen.get(fd);
    return now !== undefined && isSameFile(now, identity);
  }
}

/** Each alone, and what one throws is thrown when all have been told. */
function tell(sinks: readonly TransferSink<PlainTransfer>[]): void {
  let thrown: { readonly error: unknown } | undefined;
  for (const sink of sinks) {
    try {
      sink.told();
    } catch (error) {
      thrown ??= { error };
    }
  }
  if (thrown !== undefined) throw thrown.error;
}
