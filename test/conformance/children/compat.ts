/** Scenarios of a 32-bit program: the calls by `int 0x80`, everything at low addresses. */
import { IOCB_CMD_POLL, IOCB_CMD_PREAD, IOCB_CMD_PREADV, POLLIN } from '../../../src/common/abi/constants.ts';
import { dataView, encodeIocb } from '../../../src/common/abi/structs.ts';
import { SYSNO } from '../../../src/native/sysno.ts';
import type { Fixture, IocbFields } from '../fixture.ts';
import { syscall32 } from '../machine-code.ts';
import { run } from './scenario.ts';

const PAGE = 4096;
const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS_32BIT = 0x62;
const numbers = SYSNO.ia32!;
const IO_PGETEVENTS_TIME64 = 416;
const GETPID = 20;

/** Memory below 2 GiB, and the calls over it. */
class Program {
  readonly #f: Fixture;
  readonly #page: number;
  #used = 0;

  constructor(f: Fixture) {
    this.#f = f;
    this.#page = f.host.call('mmap', 0, 16 * PAGE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_32BIT, -1, 0);
    f.succeeds(this.#page, 'mmap');
  }

  /** Puts bytes somewhere low. */
  place(bytes: Uint8Array): number {
    const at = this.#page + this.#used;
    this.#used += Math.ceil(bytes.byteLength / 16) * 16;
    this.#f.poke(at, bytes);
    return at;
  }

  words(...words: number[]): number {
    return this.place(new Uint8Array(Uint32Array.from(words, (word) => word >>> 0).buffer));
  }

  word(at: number): number {
    return dataView(this.#f.peek(at, 4)).getUint32(0, true);
  }

  call(number: number, ...args: number[]): number {
    const at = this.words(number, ...args, ...Array<number>(6 - args.length).fill(0));
    syscall32(this.#f, at);
    return this.word(at + 24) | 0;
  }

  iocb(fields: IocbFields): number {
    const bytes = new Uint8Array(64);
    encodeIocb(fields, dataView(bytes));
    return this.place(bytes);
  }

  submit(ctx: number, fields: IocbFields): number {
    return this.call(numbers.io_submit, ctx, 1, this.words(this.iocb(fields)));
  }

  /** @returns The result of one event. */
  reap(ctx: number): number {
    const events = this.place(new Uint8Array(32));
    const got = this.call(numbers.io_getevents, ctx, 1, 1, events, this.words(10, 0));
    if (got !== 1) throw new Error(`io_getevents answered ${got}`);
    return Number(dataView(this.#f.peek(events + 16, 8)).getBigInt64(0, true));
  }

  setup(): number {
    const ctxp = this.words(0, 0xabababab);
    const answer = this.call(numbers.io_setup, 8, ctxp);
    if (answer !== 0) throw new Error(`io_setup answered ${answer}`);
    return ctxp;
  }
}

/**
 * Whether `int 0x80` reaches 32-bit system calls. On a kernel without them it is a SIGSEGV, or, under User Mode Linux, a 64-bit call
 * of that number.
 */
function has32BitCalls(f: Fixture): boolean {
  return new Program(f).call(GETPID) === process.pid;
}

/** A submission's refusal, or the result of its event. */
function outcome(program: Program, ctx: number, fields: IocbFields): [string, number] {
  const answer = program.submit(ctx, fields);
  return answer === 1 ? ['event', program.reap(ctx)] : ['submit', answer];
}

await run({
  probe: has32BitCalls,
  handle(f) {
    const program = new Program(f);
    const ctxp = program.setup();
    const ctx = program.word(ctxp);
    const after = program.word(ctxp + 4);
    const poll = { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN };
    return {
      after,
      poll: outcome(program, ctx, poll),
      destroy: [program.call(numbers.io_destroy, ctx), program.call(numbers.io_destroy, ctx)],
    };
  },
  transfers(f) {
    const program = new Program(f);
    const ctx = program.word(program.setup());
    const { fd } = f.file('0123456789');
    const buffer = program.place(new Uint8Array(64));
    const read = (aio_buf: number | bigint, aio_nbytes: number | bigint): [string, number] =>
      outcome(program, ctx, { aio_lio_opcode: IOCB_CMD_PREAD, aio_fildes: fd, aio_buf, aio_nbytes });
    const readv = (length: number): [string, number] =>
      outcome(program, ctx, {
        aio_lio_opcode: IOCB_CMD_PREADV,
        aio_fildes: fd,
        aio_buf: program.words(buffer, length),
        aio_nbytes: 1,
      });
    return {
      large: [read(buffer, 2 ** 31), read(buffer, 2 ** 32 + 4)],
      bit32: read(BigInt(buffer) | (1n << 32n), 10),
      bit63: read(BigInt(buffer) | (1n << 63n), 10),
      iovec: [readv(2 ** 31), readv(10)],
    };
  },
  arguments(f) {
    const program = new Program(f);
    const ctx = program.word(program.setup());
    const ready = { aio_lio_opcode: IOCB_CMD_POLL, aio_fildes: f.eventfd(1), aio_buf: POLLIN };
    const events = program.place(new Uint8Array(64));
    const getevents = (min_nr: number, nr: number, timeout: number): number =>
      program.call(numbers.io_getevents, ctx, min_nr, nr, events, timeout);
    const negative = [program.call(numbers.io_submit, ctx, -1, 0), getevents(-1, 1, 0), getevents(0, -1, 0)];
    program.submit(ctx, ready);
    // Forever, were there nothing ready.
    const forever = getevents(1, 1, program.words(-1, 0));
    // The upper half of the nanoseconds is ignored: this is no time at all.
    const time64 = program.call(IO_PGETEVENTS_TIME64, ctx, 1, 1, events, program.words(0, 0, 0, 0xffffffff));
    return { negative, forever, time64 };
  },
});
