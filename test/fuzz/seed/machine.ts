/** One program on both: the emulation in its profile of 2007, and the model. They are compared after every step. */
import type { Clock } from '../../../src/emulated/clock.ts';
import { EmulatedKernel } from '../../../src/emulated/emulated-kernel.ts';
import type { FileOperations, FileRequest } from '../../../src/emulated/index.ts';
import { inSubmit } from '../../../src/emulated/workqueue/inline.ts';
import { Actors, type Asked, type ModelFile } from './actor.ts';
import { SeedModel } from './model.ts';
import { CONTEXTS, type Place, type Program, type Script, type Step, type Transfer } from './program.ts';

const PAGE = 4096;
const MSEC = 1_000_000;
const UNMAPPED = 0x1000;
const KERNEL = 0xffff_8000_0000_0000;
const EVENTS = 128;
/** More of a ring than this is not compared at each step. */
const RING_BYTES = 4 * PAGE;

/** Time that only the program moves. */
class ManualClock implements Clock {
  readonly isVirtual = true;
  #ns = 0;
  #next = 0;
  readonly #timers = new Map<number, { readonly due: number; readonly callback: () => void }>();

  nowNs(): number {
    return this.#ns;
  }

  after(ns: number, callback: () => void): () => void {
    const id = this.#next++;
    this.#timers.set(id, { due: this.#ns + ns, callback });
    return () => void this.#timers.delete(id);
  }

  tick(ms: number): void {
    const until = this.#ns + ms * MSEC;
    for (;;) {
      const [first] = [...this.#timers].sort(([a, one], [b, other]) => one.due - other.due || a - b);
      if (first === undefined || first[1].due > until) break;
      this.#timers.delete(first[0]);
      this.#ns = first[1].due;
      first[1].callback();
    }
    this.#ns = until;
  }
}

/** What differed. */
export interface Difference {
  readonly step: number;
  readonly what: string;
  readonly model: string;
  readonly emulated: string;
}

/** A file of the emulation's that does what `file` says. */
function operationsOf(file: ModelFile): FileOperations {
  const asked = (request: FileRequest): Asked => request;
  return {
    stream: file.stream,
    ...(file.read === undefined ? {} : { read: (request: FileRequest) => file.read!(asked(request)) }),
    ...(file.write === undefined ? {} : { write: (request: FileRequest) => file.write!(asked(request)) }),
    ...(file.fsync === undefined ? {} : { fsync: (request: FileRequest) => file.fsync!(asked(request)) }),
    ...(file.cancel === undefined ? {} : { cancel: (request: FileRequest) => file.cancel!(asked(request)) }),
    release: () => file.release(),
  };
}

export class Machine {
  readonly #kernel: EmulatedKernel;
  readonly #model: SeedModel;
  readonly #clock = new ManualClock();
  readonly #ours = new Actors();
  readonly #theirs = new Actors();
  readonly #scripts: readonly Script[];
  readonly #fds: number[] = [];
  readonly #handles: number[] = Array.from({ length: CONTEXTS }, () => 0);
  readonly #base: number;
  readonly #bases: readonly number[];
  #opened = 0;

  constructor({ aio_max_nr, files }: Program) {
    this.#kernel = new EmulatedKernel(
      { profile: 'linux-2.6.20', possibleCpus: 2, aio_max_nr, debug: true },
      { clock: this.#clock, executor: inSubmit, concurrency: 1, hostFiles: false },
    );
    this.#model = new SeedModel(aio_max_nr);
    const map = (pages: number, may: 'read-write' | 'read' | 'none'): number => {
      const base = this.#kernel.memory.mmap(pages * PAGE, may);
      this.#model.memory.map(base, pages * PAGE, may);
      return base;
    };
    // iocbs and arrays; buffers; events and results; what can only be read.
    this.#base = map(4, 'read-write');
    const half = this.#kernel.memory.mmap(2 * PAGE, 'read-write');
    this.#kernel.memory.mprotect(half + PAGE, PAGE, 'none');
    this.#model.memory.map(half, PAGE, 'read-write');
    this.#bases = [half + PAGE, map(1, 'read')];
    this.#scripts = files;
    files.forEach((_script, index) => {
      this.#open(index);
    });
  }

  /** @returns What differs after the step, if anything does. */
  run(step: Step, index: number): Difference | undefined {
    const [emulated, model] = this.#both(step);
    const pairs: [what: string, model: unknown, emulated: unknown][] = [
      ['return value', model, emulated],
      ['calls of files', this.#theirs.log.join('\n'), this.#ours.log.join('\n')],
      ['aio-nr', this.#model.aio_nr, this.#kernel.limits.aio_nr()],
      ...this.#memory(),
      ...this.#over(),
    ];
    this.#theirs.log.length = 0;
    this.#ours.log.length = 0;
    const differing = pairs.find(([, one, other]) => one !== other);
    if (differing === undefined) return undefined;
    const [what, one, other] = differing;
    return { step: index, what, model: String(one), emulated: String(other) };
  }

  /** Ends everything. @returns What differs in that. */
  end(index: number): Difference | undefined {
    for (let ctx = 0; ctx < CONTEXTS; ctx++) {
      const difference = this.run({ do: 'destroy', ctx }, index);
      if (difference !== undefined) return difference;
    }
    for (let file = 0; file < this.#fds.length; file++) {
      const difference = this.run({ do: 'reopen', file, again: false }, index);
      if (difference !== undefined) return difference;
    }
    // What was cut off lets go of its file when the file answers it.
    for (let request = 0; request < this.#ours.seen.length; request++) {
      const difference = this.run({ do: 'complete', request, answer: 0 }, index);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }

  #open(index: number): void {
    const script = this.#scripts[index]!;
    const name = `file ${index}.${this.#opened++}`;
    const fd = this.#kernel.install(operationsOf(this.#ours.file(script, name)));
    this.#model.install(fd, this.#theirs.file(script, name));
    this.#fds[index] = fd;
  }

  #both(step: Step): [emulated: number, model: number] {
    const [kernel, model] = [this.#kernel, this.#model];
    const handle = 'ctx' in step ? this.#handles[step.ctx]! : 0;
    switch (step.do) {
      case 'setup': {
        const at = this.#place(step.ctxp, 8, 3 * PAGE - 64);
        this.#poke(at, BigUint64Array.of(step.dirty ? 1n : 0n));
        const emulated = kernel.io_setup(step.nr, at);
        const mapped = (): number =>
          Number(new DataView(kernel.memory.read(at, 8)!.buffer).getBigUint64(0, true));
        const answer = model.io_setup(step.nr, at, mapped);
        if (emulated === 0) {
          // Each place has one context: who loses it loses it on both sides.
          if (handle !== 0) this.#both({ do: 'destroy', ctx: step.ctx });
          this.#handles[step.ctx] = mapped();
        }
        return [emulated, answer];
      }
      case 'destroy':
        this.#handles[step.ctx] = 0;
        return [kernel.io_destroy(handle), model.io_destroy(handle)];
      case 'submit': {
        const pointers = step.transfers.map((one) => BigInt(this.#iocb(one)));
        const at = this.#place(step.array, 8 * pointers.length, PAGE);
        this.#poke(at, BigUint64Array.from(pointers));
        const nr = step.nr ?? BigInt(pointers.length);
        return [kernel.io_submit(handle, nr, at), model.io_submit(handle, nr, at)];
      }
      case 'getevents': {
        const at = this.#place(step.events, 32 * EVENTS, 2 * PAGE + PAGE);
        const timeout =
          step.timeout === 'null' ? 0 : step.timeout === 'unmapped' ? UNMAPPED : this.#base + PAGE - 16;
        const { min, nr } = step;
        return [
          kernel.io_getevents(handle, min, nr, at, timeout),
          model.io_getevents(handle, min, nr, at, timeout),
        ];
      }
      case 'cancel': {
        const iocb = this.#base + 64 * step.slot;
        if (step.key !== 0) this.#poke(iocb + 8, Uint32Array.of(step.key));
        const at = this.#place(step.result, 32, 3 * PAGE - 32);
        return [kernel.io_cancel(handle, iocb, at), model.io_cancel(handle, iocb, at)];
      }
      case 'kick':
        for (const { seen } of [this.#ours, this.#theirs]) seen[step.request % seen.length]?.kick();
        return [0, 0];
      case 'complete':
        for (const { seen } of [this.#ours, this.#theirs])
          seen[step.request % seen.length]?.complete(step.answer);
        return [0, 0];
      case 'poke': {
        const at = handle + (step.word === 'head' ? 8 : 12);
        const now = handle === 0 ? undefined : kernel.memory.read(at, 4);
        if (now === undefined) return [0, 0];
        const value = step.value === -1 ? new DataView(now.buffer).getUint32(0, true) + step.by : step.value;
        this.#poke(at, Uint32Array.of(value));
        return [0, 0];
      }
      case 'tick':
        this.#clock.tick(step.ms);
        model.tick(step.ms);
        return [0, 0];
      default: {
        const index = step.file % this.#fds.length;
        const fd = this.#fds[index]!;
        const answers: [number, number] = [kernel.close(fd), model.close(fd)];
        if (step.again) this.#open(index);
        return answers;
      }
    }
  }

  /** Writes an iocb down. @returns Where it lies. */
  #iocb(transfer: Transfer): number {
    const { slot, keep, opcode, at, segments, reserved } = transfer;
    if (at === 'unmapped') return UNMAPPED;
    const good = this.#base + 64 * slot;
    if (keep) return good;
    const bytes = new DataView(new ArrayBuffer(64));
    bytes.setBigUint64(0, BigInt(transfer.data), true);
    bytes.setUint32(8, 0xdead, true);
    bytes.setUint16(16, opcode, true);
    bytes.setUint32(20, transfer.file < 7 ? this.#fds[transfer.file % this.#fds.length]! : 0x7fff_0000, true);
    const vectored = opcode === 7 || opcode === 8;
    const buffer = vectored ? this.#vector(segments, slot) : this.#buffer(transfer);
    bytes.setBigUint64(24, BigInt(buffer), true);
    bytes.setBigUint64(32, vectored ? BigInt(segments.length) : transfer.nbytes, true);
    bytes.setBigInt64(40, transfer.offset, true);
    if (reserved !== undefined) bytes.setUint32(reserved, 1, true);
    // Pages that only the kernel cannot write have nothing in them but zeros: a read of descriptor 0.
    if (at === 'read-only') return this.#bases[1]!;
    this.#poke(good, new Uint8Array(bytes.buffer));
    return good;
  }

  /** Long transfers meet the end of the memory soon, or they would be looped over for ever. */
  #buffer({ buffer, nbytes, slot }: Transfer): number {
    if (nbytes < 512n) return this.#place(buffer, Number(nbytes), 2 * PAGE + 64 * slot);
    return this.#place(buffer === 'good' ? 'half' : buffer, 128, 0);
  }

  #vector(segments: Transfer['segments'], slot: number): number {
    const at = this.#base + PAGE + 2048 + 64 * slot;
    const words = segments
      .slice(0, 4)
      .flatMap(({ place, length }, i) => [
        BigInt(
          length < 512n
            ? this.#place(place, Number(length), 2 * PAGE + 1024 + 100 * slot + 24 * i)
            : this.#place(place === 'good' ? 'half' : place, 64, 0),
        ),
        length,
      ]);
    this.#poke(at, BigUint64Array.from(words));
    return at;
  }

  /** An address with room for `bytes` bytes, or for half of them, or for none. */
  #place(place: Place, bytes: number, good: number): number {
    switch (place) {
      case 'good':
        return this.#base + good;
      case 'half':
        return this.#bases[0]! - Math.ceil(bytes / 2);
      case 'read-only':
        return this.#bases[1]!;
      case 'unmapped':
        return UNMAPPED;
      default:
        return KERNEL;
    }
  }

  /** A program writes to its memory. */
  #poke(at: number, words: Uint8Array | Uint32Array | BigUint64Array): void {
    const bytes = new Uint8Array(words.buffer);
    if (bytes.length === 0) return;
    this.#kernel.memory.write(at, bytes);
    this.#model.memory.write(at, bytes);
  }

  /** All that a program can see of its memory, rings included. */
  *#memory(): Generator<[what: string, model: unknown, emulated: unknown]> {
    for (const { base, bytes, may } of this.#model.memory.regions) {
      if (may === 'none') continue;
      const length = Math.min(bytes.length, RING_BYTES);
      const other = this.#kernel.memory.read(base, length);
      const one = bytes.subarray(0, length);
      if (other !== undefined && Buffer.compare(one, other) === 0) continue;
      const at = other === undefined ? 0 : one.findIndex((byte, i) => byte !== other[i]);
      const words = (all: Uint8Array | undefined): string =>
        all === undefined ? 'not mapped' : Buffer.from(all.subarray(at & ~7, (at & ~7) + 32)).toString('hex');
      const context = this.#handles.indexOf(base);
      const where = context === -1 ? 'memory' : `ring of context ${context}`;
      yield [`${where} at ${at & ~7}`, words(one), words(other)];
    }
  }

  /** Which requests are over. */
  *#over(): Generator<[what: string, model: unknown, emulated: unknown]> {
    const over = ({ seen }: Actors): string => seen.map(({ isOver }) => (isOver ? 'o' : '.')).join('');
    yield ['requests that are over', over(this.#theirs), over(this.#ours)];
  }
}
