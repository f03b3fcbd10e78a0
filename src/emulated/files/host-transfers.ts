/**
 * Plain reads and writes of the host's files: to the thread pool, or to a thread for short ones, and back.
 *
 * Descriptors that nobody holds are looked at once when reads of them are named and once when they are handed out, for between that look
 * and what follows runs no code but ours. So results are gathered for a turn of the event loop.
 */
import * as fs from 'node:fs';
import { IOCB_CMD_PREAD, IOCB_CMD_PWRITE } from '../../common/abi/constants.ts';
import { ERRNO } from '../../common/abi/errno.ts';
import { copyBytes } from '../../common/intrinsics.ts';
import type { PlainTransfer, PlainTransfers, TransferSink } from '../../common/kernel/plain-transfers.ts';
import { bytesOf, isGone } from '../../common/memory/extent.ts';
import { isPageAligned } from '../../common/memory/page-aligned.ts';
import type { WorkQueue } from '../workqueue/aio-wq.ts';
import { eachAlone } from '../workqueue/each-alone.ts';
import { RunList } from '../workqueue/run-list.ts';
import { transferThread } from '../workqueue/shared-transfer-thread.ts';
import type { TransferOwner } from '../workqueue/transfer-thread.ts';
import type { File } from './file.ts';
import { FIRST_OWN_FD, type FileTable } from './file-table.ts';
import { Flight } from './flight.ts';
import { HostFile } from './host-file.ts';
import { HostHandles } from './host-handles.ts';
import { type Identity, identify, isSameFile } from './identity.ts';

/** More than this is not copied: a huge length would cost huge memory. */
const MOST_COPIED = 1 << 18;
/** Fewer at once are served sooner by the pool, whose threads wake beside each other, unless the thread is looked for. */
const FEW = 4;
/** Of files that somebody holds, which nobody has to look at: the pool's threads shall not run out of work, and fall asleep, meanwhile. */
const MOST_GATHERED = 4;
/** More than this is left to those who cut it as Linux does. */
const MOST_BYTES = 1 << 30;

export class HostTransfers implements PlainTransfers, TransferOwner<Flight> {
  readonly #files: FileTable;
  readonly #work: WorkQueue;
  readonly #handles: HostHandles;
  readonly #free: Flight[] = [];
  /** Begun, and with no place on the thread pool yet. */
  readonly #queue = new RunList<Flight>();
  /** Whether the next place goes to what waits here, and not to what waits in contexts: they take turns. */
  #isNext = false;
  #underWay = 0;
  /** Whether there were many at once, the last time that there were any. */
  #areMany = false;
  #mostUnderWay = 0;
  readonly #hasThread: boolean;
  /** Ended, and not handed out. */
  #ended: Flight[] = [];
  #scheduled = false;
  #whenIdle: (() => void)[] = [];

  /** @param hasThread - Whether short transfers may have a thread of their own. */
  constructor(files: FileTable, work: WorkQueue, hasThread: boolean) {
    this.#hasThread = hasThread;
    this.#files = files;
    this.#work = work;
    this.#handles = new HostHandles(files);
    const onRoom = (): void => this.#beginQueued();
    work.onRoom = onRoom;
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
    const file = lent?.file ?? this.#fileOf(transfer, writes);
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
    if (this.#underWay > this.#mostUnderWay) this.#mostUnderWay = this.#underWay;
    if (this.#underWay === FEW) this.#areMany = true;
    if (writes) flight.file.barrier.writeBegan(flight);
    if (flight.thread !== undefined) {
      flight.thread.post(flight.berth, this, flight, writes, flight.file.fd, flight.at, nbytes, position);
      return true;
    }
    if (this.#queue.isEmpty && this.#work.hasPlace && this.#work.takePlace(flight)) this.#begin(flight);
    else this.#queue.push(flight);
    return true;
  }

  /** Of a read it is enough that its descriptor means the same when it was named and when it is told. */
  #fileOf({ fd, meaning }: PlainTransfer, writes: boolean): File | undefined {
    const isLookedAt = writes || meaning === undefined || fd >= FIRST_OWN_FD || this.#files.holds(fd);
    return isLookedAt ? this.#files.fget(fd) : this.#files.fgetNamed(fd, meaning as Identity);
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
    if (this.#hasThread && file.isShort(transfer.nbytes)) {
      const thread = transferThread(!this.#areMany);
      if (thread !== undefined && flight.board(thread, !this.#areMany)) return flight;
    }
    if (asIs) {
      flight.useAsIs();
      return flight;
    }
    if (flight.copy()) return flight;
    flight.clear();
    return undefined;
  }

  /** The thread has done. */
  landed(flight: Flight, result: number): void {
    flight.result = result;
    this.#hasEnded(flight);
  }

  /** The thread is not to do it: the pool is. */
  returned(flight: Flight): void {
    this.#queue.push(flight);
    this.#beginQueued();
  }

  drained(): void {
    this.#handOut();
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
    const { file } = flight;
    if (flight.result === -ERRNO.EINVAL && flight.mayMindMemory && flight.copy()) {
      file.judgesMemory = true;
      this.#begin(flight);
      return;
    }
    this.#work.leavePlace(flight, Math.max(0, flight.result));
    this.#isNext = !this.#isNext;
    if (this.#isNext) this.#beginFirst(undefined);
    this.#work.goOn();
    this.#hasEnded(flight);
    if (this.#underWay === 0 || (file.held && this.#ended.length >= MOST_GATHERED)) this.#handOut();
    else this.#handOutSoon();
  }

  #hasEnded(flight: Flight): void {
    this.#ended.push(flight);
    this.#underWay--;
    if (this.#underWay > 0) return;
    this.#areMany = this.#mostUnderWay >= FEW;
    this.#mostUnderWay = 0;
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
      this.#hasEnded(flight);
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
    eachAlone(sinks, (sink) => sink.told());
  }

  /** Hands out what was read. @returns What became of it. */
  #delivered({ file, transfer, result, writes, isAsIs, bytes, at }: Flight, looks: Looks): number {
    if (writes || result <= 0) return result;
    // Another thread may have read after the descriptor was closed and opened anew: then this is not the user's data.
    if (!file.held && !looks.stillMeans(file.fd, file.identity)) return -ERRNO.EBADF;
    if (isAsIs) return result;
    const extent = transfer.extent!;
    if (isGone(extent)) return -ERRNO.EFAULT;
    copyBytes(bytes, at, at + result, bytesOf(extent), 0);
    return result;
  }

  #release(flight: Flight): void {
    const { lent } = flight;
    flight.clear();
    if (lent !== undefined) this.#handles.giveBack(lent);
    this.#free.push(flight);
  }
}

/** What descriptors mean, asked once each. */
class Looks {
  /** Made for the first: most descriptors are held by somebody, and need no look. */
  #seen: Map<number, Identity | undefined> | undefined;

  stillMeans(fd: number, identity: Identity): boolean {
    this.#seen ??= new Map();
    if (!this.#seen.has(fd)) this.#seen.set(fd, identify(fd));
    const now = this.#seen.get(fd);
    return now !== undefined && isSameFile(now, identity);
  }
}
