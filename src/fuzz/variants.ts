/**
 * What Linux itself does differently from release to release and from machine to machine, asked by small programs: where this
 * kernel is not like the emulation, programs leave it out. Conformance cases hold these rules on each kernel.
 */
import { IOCB_CMD_POLL, IOCB_CMD_PREAD, IOCB_CMD_PREADV, IOCB_CMD_PWRITE } from '../common/abi/constants.ts';
import { DATA_BYTES } from './arena.ts';
import type { Operation } from './program.ts';

export type Variant = 'usualLimit' | 'cutsOneSegment' | 'wakesByPage' | 'cleanFaults';

interface Question {
  readonly variant: Variant;
  /** What is left out where the answer is no, for people. */
  readonly leftOut: string;
  readonly operations: readonly Operation[];
}

const PAGE = 4096;
const DATA = { in: 'data', at: 0 } as const;

export const QUESTIONS: readonly Question[] = [
  {
    variant: 'usualLimit',
    leftOut:
      'the first address above user space, which is not that of x86-64 with four levels of page tables',
    operations: [
      {
        op: 'submit',
        context: 1,
        entries: [{ at: 0, opcode: IOCB_CMD_PREAD, file: 'zero', buffer: { in: 'limit' }, nbytes: 0 }],
      },
    ],
  },
  {
    variant: 'cutsOneSegment',
    leftOut:
      'iovecs longer than one request may move: this kernel judges a single one before it cuts it (VEC-07)',
    operations: [
      {
        op: 'submit',
        context: 1,
        entries: [
          {
            at: 0,
            opcode: IOCB_CMD_PREADV,
            file: 'null',
            segments: [{ base: DATA, length: 2n ** 63n - 1n }],
          },
        ],
      },
    ],
  },
  {
    variant: 'cleanFaults',
    leftOut:
      'memory that ends inside a transfer of a pipe or socket: a write that can fetch nothing leaves an empty page in the pipe (FILE-15)',
    operations: [
      {
        op: 'submit',
        context: 1,
        entries: [
          {
            at: 0,
            opcode: IOCB_CMD_PWRITE,
            file: 'own-pipe-writer',
            buffer: { in: 'data', at: DATA_BYTES - 100 },
            nbytes: 101,
          },
        ],
      },
      {
        op: 'fill',
        context: 1,
        request: { at: 0, opcode: IOCB_CMD_PWRITE, file: 'own-pipe-writer', buffer: DATA, nbytes: PAGE },
        count: 16,
      },
    ],
  },
  {
    variant: 'wakesByPage',
    leftOut: 'polls for room in pipes: this kernel wakes them before a page is free (POLL-04)',
    operations: [
      {
        op: 'fill',
        context: 1,
        request: { at: 0, opcode: IOCB_CMD_PWRITE, file: 'own-pipe-writer', buffer: DATA, nbytes: PAGE },
        count: 16,
      },
      {
        op: 'submit',
        context: 1,
        entries: [{ at: 1, opcode: IOCB_CMD_POLL, file: 'own-pipe-writer', mask: 4 }],
      },
      {
        op: 'submit',
        context: 1,
        entries: [{ at: 2, opcode: IOCB_CMD_PREAD, file: 'own-pipe-reader', buffer: DATA, nbytes: 1 }],
      },
    ],
  },
];
