/**
 * A second reading of the kernel of 2007: its rules once more, with lists, counters and flags, to hold the emulation against.
 *
 * It shares no code with `src/emulated`, and is written for being compared with the text, not for speed. Names are the
 * kernel's. Whatever a thread of one process cannot see is missing.
 */
import type { Asked, ModelFile } from './actor.ts';

const EIO = 5;
const EBADF = 9;
const EAGAIN = 11;
const EFAULT = 14;
const EINTR = 4;
const EINVAL = 22;
/** A call that would never return: what the emulation answers instead. */
const EDEADLK = 35;

const PAGE = 4096;
const TASK_SIZE = 0x7ffffffff000n;
const KICK_DELAY_MS = 100;
const QUEUED = Symbol('queued');
const RETRY = Symbol('retry');
type Ran = number | typeof QUEUED | typeof RETRY;

interface Region {
  readonly base: number;
  readonly bytes: Uint8Array;
  readonly may: 'read-write' | 'read' | 'none';
}

/** User memory, by address. */
export class ModelMemory {
  readonly regions: Region[] = [];

  map(base: number, bytes: number, may: Region['may']): Region {
    const region = { base, bytes: new Uint8Array(bytes), may };
    this.regions.push(region);
    return region;
  }

  unmap(base: number): void {
    const at = this.regions.findIndex((region) => region.base === base);
    this.regions.splice(at, 1);
  }

  /** How many of `bytes` bytes can be accessed before the first that cannot. */
  accessible(address: number, bytes: number, writing: boolean): number {
    for (const {
      base,
      bytes: { length },
      may,
    } of this.regions) {
      if (address < base || address >= base + length) continue;
      if (may === 'none' || (writing && may === 'read')) return 0;
      return Math.min(bytes, base + length - address);
    }
    return 0;
  }

  read(address: number, bytes: number): Uint8Array | undefined {
    if (this.accessible(address, bytes, false) < bytes) return undefined;
    const { base, bytes: all } = this.#at(address);
    return all.slice(address - base, address - base + bytes);
  }

  write(address: number, bytes: Uint8Array): boolean {
    if (this.accessible(address, bytes.length, true) < bytes.length) return false;
    const { base, bytes: all } = this.#at(address);
    all.set(bytes, address - base);
    return true;
  }

  #at(address: number): Region {
    return this.regions.find(({ base, bytes }) => address >= base && address < base + bytes.length)!;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const access_ok = (address: bigint, bytes: bigint): boolean => address + bytes <= TASK_SIZE;

interface OpenFile {
  readonly file: ModelFile;
  count: number;
}

interface Segment {
  base: number;
  length: number;
}

/** `kiocb`. */
class Request implements Asked {
  readonly kernel: SeedModel;
  readonly ctx: Context;
  readonly filp: OpenFile;
  readonly user: number;
  readonly data: bigint;
  readonly opcode: number;
  users = 2;
  pos = 0;
  nbytes = 0;
  left = 0;
  segments: Segment[] = [];
  /** `ki_cancel` is set, by the first run. */
  hasCancel = false;
  kicked = false;
  cancelled = false;
  /** A kick may put it on the run list. */
  queueable = false;
  done = false;
  result = 0;

  // What its file has of it.
  state: 'idle' | 'called' | 'awaited' = 'idle';
  early: number | undefined;
  bounce: Uint8Array | undefined;
  beingCancelled = false;
  refused = false;
  cut = false;

  constructor(kernel: SeedModel, ctx: Context, filp: OpenFile, user: number, data: bigint, opcode: number) {
    this.kernel = kernel;
    this.ctx = ctx;
    this.filp = filp;
    this.user = user;
    this.data = data;
    this.opcode = opcode;
  }

  get operation(): 'read' | 'write' | 'fsync' | 'fdatasync' {
    if (this.opcode === 0 || this.opcode === 7) return 'read';
    if (this.opcode === 1 || this.opcode === 8) return 'write';
    return this.opcode === 2 ? 'fsync' : 'fdatasync';
  }

  get position(): number {
    return this.pos;
  }

  get length(): number {
    return this.left;
  }

  /** Memory of the file's for one run. */
  get bytes(): Uint8Array {
    if (this.bounce === undefined) {
      const { memory } = this.kernel;
      const reading = this.operation === 'read';
      const parts: number[] = [];
      for (const { base, length } of this.segments) {
        const there = memory.accessible(base, length, reading);
        if (!reading && there > 0) parts.push(...memory.read(base, there)!);
        else for (let i = 0; i < there; i++) parts.push(0);
        if (there < length) break;
      }
      this.bounce = Uint8Array.from(parts);
    }
    return this.bounce;
  }

  /** Nobody waits for its file any more. */
  get withdrawn(): boolean {
    return !this.beingCancelled && (this.cut || (this.cancelled && !this.refused));
  }

  get isOver(): boolean {
    return this.withdrawn || this.done;
  }

  advance(count: number): void {
    if (count === 0 || this.isOver) return;
    const moved = this.handOut(count);
    if (moved <= 0) return;
    this.bounce = this.bytes.subarray(moved);
    this.aio_advance_iovec(moved);
  }

  kick(): void {
    if (!this.isOver) this.kernel.kick_iocb(this);
  }

  complete(answer: number): void {
    if (this.state === 'called') this.early ??= this.checked(answer);
    else if (this.state === 'awaited') {
      this.state = 'idle';
      if (this.withdrawn) this.kernel.aio_complete(this, -EINTR);
      else this.kernel.aio_complete(this, this.taken(this.checked(answer)));
    }
  }

  /** What a file says, as the kernel takes it. */
  checked(answer: number): number {
    const transfers = this.operation === 'read' || this.operation === 'write';
    return answer > (transfers ? this.bytes.length : 0) ? -EIO : answer;
  }

  taken(answer: number): number {
    return answer > 0 ? this.handOut(answer) : answer;
  }

  /** Copies what was read to the user. */
  handOut(count: number): number {
    if (this.operation !== 'read') return count;
    const bytes = this.bytes.subarray(0, count);
    let copied = 0;
    for (const { base, length } of this.segments) {
      const wanted = Math.min(length, bytes.length - copied);
      const there = this.kernel.memory.accessible(base, wanted, true);
      if (there > 0) this.kernel.memory.write(base, bytes.subarray(copied, copied + there));
      copied += there;
      if (there < wanted) break;
    }
    return copied === 0 ? -EFAULT : copied;
  }

  aio_advance_iovec(bytes: number): void {
    this.left -= bytes;
    if (!this.filp.file.stream) this.pos += bytes;
    for (let left = bytes; left > 0; ) {
      const [first] = this.segments;
      const part = Math.min(first!.length, left);
      first!.base += part;
      first!.length -= part;
      left -= part;
      if (first!.length === 0) this.segments.shift();
    }
  }
}

/** `kioctx`, with its ring. */
class Context {
  readonly user_id: number;
  readonly max_reqs: number;
  readonly cells: number;
  readonly header: Uint32Array;
  readonly ring: DataView;
  /** The trusted tail. */
  tail = 0;
  reqs_active = 0;
  dead = false;
  /** Newest first. */
  active_reqs: Request[] = [];
  run_list: Request[] = [];
  /** When the work item comes round, and which of all it is. */
  due: number | undefined;
  ticket = 0;

  constructor(memory: ModelMemory, user_id: number, max_reqs: number) {
    const pages = Math.ceil((32 + 32 * (max_reqs + 2)) / PAGE);
    const { bytes } = memory.map(user_id, pages * PAGE, 'read-write');
    this.user_id = user_id;
    this.max_reqs = max_reqs;
    this.cells = Math.floor((pages * PAGE - 32) / 32);
    this.header = new Uint32Array(bytes.buffer, 0, 8);
    this.ring = viewOf(bytes);
    this.header.set([user_id % 2 ** 32, this.cells, 0, 0, 0xa10a10a1, 1, 0, 32]);
  }

  /** `aio_ring_avail`: from what lies in user memory. */
  get available(): number {
    return ((this.header[2]! + this.cells - 1 - this.header[3]!) >>> 0) % this.cells;
  }
}

export class SeedModel {
  readonly memory = new ModelMemory();
  readonly files = new Map<number, OpenFile>();
  contexts: Context[] = [];
  aio_nr = 0;
  aio_max_nr: number;
  fput_head: (() => void)[] = [];
  nowMs = 0;
  private tickets = 0;

  constructor(aio_max_nr: number) {
    this.aio_max_nr = aio_max_nr;
  }

  // The calls

  /** @param mapped - Where the ring comes to lie, which is the environment's to say. */
  io_setup(nr_events: bigint, ctxp: number, mapped: () => number): number {
    const handle = this.memory.read(ctxp, 8);
    if (handle === undefined) return -EFAULT;
    const nr = Number(BigInt.asUintN(32, nr_events));
    if (viewOf(handle).getBigUint64(0, true) !== 0n || nr === 0) return -EINVAL;
    if (nr > 0x10000000 / 32 || nr > Math.floor(0x10000000 / 232)) return -EINVAL;
    if (nr > this.aio_max_nr) return -EAGAIN;
    if (this.aio_nr + nr > this.aio_max_nr) return -EAGAIN;
    if (this.memory.accessible(ctxp, 8, true) < 8) return -EFAULT;
    const ctx = new Context(this.memory, mapped(), nr);
    this.aio_nr += nr;
    this.contexts.unshift(ctx);
    viewOf(handle).setBigUint64(0, BigInt(ctx.user_id), true);
    this.memory.write(ctxp, handle);
    return 0;
  }

  io_destroy(ctx_id: number): number {
    const ctx = this.lookup_ioctx(ctx_id);
    if (ctx === undefined) return -EINVAL;
    ctx.dead = true;
    ctx.due = undefined;
    this.contexts = this.contexts.filter((one) => one !== ctx);
    this.memory.unmap(ctx.user_id);
    const all = ctx.active_reqs;
    // aio_cancel_all
    for (let req = all.shift(); req !== undefined; req = all.shift()) {
      if (req.done) continue;
      // Neither memory nor ring shows the mark of one that can only be waited for.
      if (!req.hasCancel && req.state === 'awaited') {
        req.cut = true;
        continue;
      }
      req.cancelled = true;
      req.refused = false;
      if (req.hasCancel) this.cancel(req);
      if (req.done) continue;
      // wait_for_all_aios would wait: who is not awaited ends by a kick or never, who is has nobody left to wait.
      if (req.state === 'idle') this.aio_complete(req, -EINTR);
      else req.cut = true;
    }
    this.aio_fput_routine();
    this.aio_nr -= ctx.max_reqs;
    return 0;
  }

  io_submit(ctx_id: number, nr: bigint, iocbpp: number): number {
    if (nr < 0n) return -EINVAL;
    if (!access_ok(BigInt(iocbpp), BigInt.asUintN(64, nr * 8n))) return -EFAULT;
    const ctx = this.lookup_ioctx(ctx_id);
    if (ctx === undefined) return -EINVAL;
    let ret = 0;
    let i = 0;
    for (; i < nr; i++) {
      ret = this.submitPointer(ctx, iocbpp + 8 * i);
      if (ret !== 0) break;
    }
    return i > 0 ? i : ret;
  }

  io_getevents(ctx_id: number, min_nr: bigint, nr: bigint, events: number, timeout: number): number {
    const ctx = this.lookup_ioctx(ctx_id);
    if (ctx === undefined) return -EINVAL;
    if (min_nr < 0n || min_nr > nr) return -EINVAL;
    let taken = 0;
    /** @returns Whether the call is decided. */
    const pass = (): boolean => {
      while (taken < nr) {
        const event = this.aio_read_evt(ctx);
        if (event === undefined) break;
        if (!this.memory.write(events + 32 * taken, event)) {
          if (taken === 0) taken = -EFAULT;
          return true;
        }
        taken++;
      }
      return taken >= min_nr;
    };
    if (pass()) return taken;
    if (ctx.run_list.length > 0) {
      this.aio_run_all_iocbs(ctx);
      if (pass()) return taken;
    }
    if (timeout === 0) return taken > 0 ? taken : -EDEADLK;
    const timespec = this.memory.read(timeout, 16);
    if (timespec === undefined) return taken > 0 ? taken : -EFAULT;
    // Only ever asked with no time at all.
    return taken;
  }

  io_cancel(ctx_id: number, iocb: number, result: number): number {
    const key = this.memory.read(iocb + 8, 4);
    if (key === undefined) return -EFAULT;
    const ctx = this.lookup_ioctx(ctx_id);
    if (ctx === undefined) return -EINVAL;
    const wanted = viewOf(key).getUint32(0, true);
    const req = ctx.active_reqs.find(({ user }) => user === iocb && wanted === 0);
    if (req === undefined || !req.hasCancel) return -EINVAL;
    req.users++;
    req.cancelled = true;
    req.refused = false;
    const ret = this.cancel(req);
    if (ret !== 0) req.refused = true;
    const event = new Uint8Array(32);
    viewOf(event).setBigUint64(0, req.data, true);
    viewOf(event).setBigUint64(8, BigInt(req.user), true);
    viewOf(event).setBigInt64(16, BigInt(req.result), true);
    this.aio_put_req(req);
    if (ret !== 0) return ret;
    return this.memory.write(result, event) ? 0 : -EFAULT;
  }

  // Files and time

  install(fd: number, file: ModelFile): void {
    this.files.set(fd, { file, count: 1 });
  }

  close(fd: number): number {
    const filp = this.files.get(fd);
    if (filp === undefined) return -EBADF;
    this.files.delete(fd);
    if (--filp.count === 0) this.fput_head.push(() => filp.file.release());
    this.aio_fput_routine();
    return 0;
  }

  /** Lets time pass, and the work queue come round. */
  tick(ms: number): void {
    const until = this.nowMs + ms;
    for (;;) {
      const ctx = this.contexts.reduce<Context | undefined>(
        (first, one) =>
          one.due !== undefined &&
          (first?.due === undefined ||
            one.due < first.due ||
            (one.due === first.due && one.ticket < first.ticket))
            ? one
            : first,
        undefined,
      );
      if (ctx?.due === undefined || ctx.due > until) break;
      this.nowMs = ctx.due;
      // aio_kick_handler
      ctx.due = undefined;
      if (this.__aio_run_iocbs(ctx)) this.queueWork(ctx, 0);
    }
    this.nowMs = until;
  }

  // Inside

  private lookup_ioctx(ctx_id: number): Context | undefined {
    return this.contexts.find(({ user_id }) => user_id === ctx_id);
  }

  private submitPointer(ctx: Context, address: number): number {
    const pointer = this.memory.read(address, 8);
    if (pointer === undefined) return -EFAULT;
    const user = Number(viewOf(pointer).getBigUint64(0, true));
    const bytes = this.memory.read(user, 64);
    return bytes === undefined ? -EFAULT : this.io_submit_one(ctx, user, viewOf(bytes));
  }

  private io_submit_one(ctx: Context, user: number, iocb: DataView): number {
    const reserved = iocb.getUint32(12, true) !== 0 || iocb.getBigUint64(48, true) !== 0n;
    if (reserved || iocb.getBigUint64(56, true) !== 0n) return -EINVAL;
    if (iocb.getBigInt64(32, true) < 0n) return -EINVAL;
    const filp = this.files.get(iocb.getUint32(20, true));
    if (filp === undefined) return -EBADF;
    const req = this.aio_get_req(ctx, filp, user, iocb);
    if (req === undefined) return -EAGAIN;
    filp.count++;
    let ret = this.memory.write(user + 8, new Uint8Array(4)) ? 0 : -EFAULT;
    if (ret === 0) ret = this.aio_setup_iocb(req, iocb);
    if (ret !== 0) {
      filp.count--;
      ctx.active_reqs = ctx.active_reqs.filter((one) => one !== req);
      ctx.reqs_active--;
      return ret;
    }
    this.aio_run_iocb(req);
    this.aio_run_all_iocbs(ctx);
    this.aio_put_req(req);
    return 0;
  }

  private aio_get_req(ctx: Context, filp: OpenFile, user: number, iocb: DataView): Request | undefined {
    if (ctx.reqs_active >= ctx.available) this.aio_fput_routine();
    if (ctx.reqs_active >= ctx.available) return undefined;
    const req = new Request(this, ctx, filp, user, iocb.getBigUint64(0, true), iocb.getUint16(16, true));
    ctx.active_reqs.unshift(req);
    ctx.reqs_active++;
    return req;
  }

  private aio_setup_iocb(req: Request, iocb: DataView): number {
    const { file } = req.filp;
    const buffer = iocb.getBigUint64(24, true);
    const nbytes = iocb.getBigUint64(32, true);
    req.pos = Math.max(-1, Number(iocb.getBigInt64(40, true)));
    switch (req.opcode) {
      case 0:
      case 1: {
        if (!access_ok(buffer, nbytes)) return -EFAULT;
        req.segments = [{ base: Number(buffer), length: Number(nbytes) }];
        break;
      }
      case 7:
      case 8: {
        const ret = this.importVector(req, buffer, nbytes);
        if (ret !== 0) return ret;
        break;
      }
      case 2:
        return file.fsync === undefined ? -EINVAL : 0;
      case 3:
        return file.fsync === undefined ? -EINVAL : 0;
      default:
        return -EINVAL;
    }
    req.nbytes = req.segments.reduce((sum, { length }) => sum + length, 0);
    req.left = req.nbytes;
    return (req.operation === 'read' ? file.read : file.write) === undefined ? -EINVAL : 0;
  }

  private importVector(req: Request, array: bigint, count: bigint): number {
    if (count === 0n) return 0;
    if (count > 1024n) return -EINVAL;
    const bytes = access_ok(array, count * 16n)
      ? this.memory.read(Number(array), Number(count) * 16)
      : undefined;
    if (bytes === undefined) return -EFAULT;
    const all = Array.from({ length: Number(count) }, (_, i) => ({
      base: viewOf(bytes).getBigUint64(16 * i, true),
      length: viewOf(bytes).getBigUint64(16 * i + 8, true),
    }));
    if (all.some(({ length }) => length >= 2n ** 63n)) return -EINVAL;
    if (all.reduce((sum, { length }) => sum + length, 0n) >= 2n ** 63n) return -EINVAL;
    if (all.some(({ base, length }) => !access_ok(base, length))) return -EFAULT;
    req.segments = all.map(({ base, length }) => ({ base: Number(base), length: Number(length) }));
    return 0;
  }

  private aio_run_iocb(req: Request): void {
    req.kicked = false;
    req.queueable = false;
    if (req.cancelled) {
      this.aio_complete(req, -EINTR);
      return;
    }
    const transfers = req.operation === 'read' || req.operation === 'write';
    const ret = transfers ? this.aio_rw_vect_retry(req) : this.call(req);
    if (typeof ret === 'number') {
      this.aio_complete(req, ret);
      return;
    }
    if (ret === QUEUED) return;
    req.queueable = true;
    if (req.kicked) this.queue(req);
  }

  private aio_rw_vect_retry(req: Request): Ran {
    const again = req.operation === 'write' || !req.filp.file.stream;
    let ret: Ran;
    do {
      ret = this.callTransfer(req);
      if (typeof ret === 'number' && ret > 0) req.aio_advance_iovec(ret);
    } while (typeof ret === 'number' && ret > 0 && req.left > 0 && again);
    if (ret === QUEUED) return ret;
    if (ret === 0 || req.left === 0) return req.nbytes - req.left;
    return ret;
  }

  /** What every file here does before its method is asked. */
  private callTransfer(req: Request): Ran {
    if (req.pos < 0 && !req.filp.file.stream) return -EINVAL;
    if (req.left === 0) return 0;
    const { base, length } = req.segments.find((one) => one.length > 0)!;
    if (this.memory.accessible(base, length, req.operation === 'read') === 0) return -EFAULT;
    return this.call(req);
  }

  private call(req: Request): Ran {
    const { file } = req.filp;
    req.hasCancel ||= file.cancel !== undefined;
    req.bounce = undefined;
    req.early = undefined;
    req.state = 'called';
    const answer = file[req.operation === 'fdatasync' ? 'fsync' : req.operation]!(req);
    req.state = 'idle';
    if (req.early !== undefined) {
      this.aio_complete(req, req.taken(req.early));
      return QUEUED;
    }
    if (answer === 'retry') return RETRY;
    if (answer !== undefined) return req.taken(req.checked(answer));
    req.state = 'awaited';
    return QUEUED;
  }

  kick_iocb(req: Request): void {
    if (req.kicked) return;
    req.kicked = true;
    if (req.queueable) this.queue(req);
  }

  private queue(req: Request): void {
    req.queueable = false;
    req.ctx.run_list.push(req);
    // Work that is pending already stays as it is.
    if (req.ctx.due === undefined) this.queueWork(req.ctx, KICK_DELAY_MS);
  }

  private queueWork(ctx: Context, delayMs: number): void {
    ctx.due = this.nowMs + delayMs;
    ctx.ticket = this.tickets++;
  }

  private __aio_run_iocbs(ctx: Context): boolean {
    const taken = ctx.run_list;
    ctx.run_list = [];
    for (let req = taken.shift(); req !== undefined; req = taken.shift()) {
      req.users++;
      this.aio_run_iocb(req);
      this.aio_put_req(req);
    }
    return ctx.run_list.length > 0;
  }

  private aio_run_all_iocbs(ctx: Context): void {
    while (ctx.run_list.length > 0) this.__aio_run_iocbs(ctx);
  }

  aio_complete(req: Request, res: number): void {
    const { ctx } = req;
    req.done = true;
    req.queueable = false;
    ctx.run_list = ctx.run_list.filter((one) => one !== req);
    if (req.cancelled) req.result = res;
    else if (!ctx.dead) {
      const at = 32 + 32 * ctx.tail;
      ctx.ring.setBigUint64(at, req.data, true);
      ctx.ring.setBigUint64(at + 8, BigInt(req.user), true);
      ctx.ring.setBigInt64(at + 16, BigInt(res), true);
      ctx.ring.setBigInt64(at + 24, 0n, true);
      ctx.tail = (ctx.tail + 1) % ctx.cells;
      ctx.header[3] = ctx.tail;
    }
    this.aio_put_req(req);
  }

  private aio_put_req(req: Request): void {
    if (--req.users > 0) return;
    const { ctx, filp } = req;
    ctx.active_reqs = ctx.active_reqs.filter((one) => one !== req);
    if (--filp.count > 0) ctx.reqs_active--;
    else {
      this.fput_head.push(() => {
        filp.file.release();
        ctx.reqs_active--;
      });
    }
  }

  private aio_fput_routine(): void {
    for (let next = this.fput_head.shift(); next !== undefined; next = this.fput_head.shift()) next();
  }

  private aio_read_evt(ctx: Context): Uint8Array | undefined {
    const { header } = ctx;
    if (header[2] === header[3]) return undefined;
    const head = header[2]! % ctx.cells;
    if (head === header[3]) return undefined;
    const event = new Uint8Array(ctx.ring.buffer, 32 + 32 * head, 32).slice();
    header[2] = (head + 1) % ctx.cells;
    return event;
  }

  /** The cancel function of a file: 0 if the request ends. */
  private cancel(req: Request): number {
    req.beingCancelled = true;
    const lets = req.filp.file.cancel!(req);
    req.beingCancelled = false;
    if (!lets) return req.done ? 0 : -EAGAIN;
    if (!req.done && (req.state === 'awaited' || req.state === 'idle')) {
      req.state = 'idle';
      this.aio_complete(req, -EINTR);
    }
    return 0;
  }
}
