/** What all processes of a machine share of its disk: what is under way, and how the drive does at the moment. */
import type { InFlightWrite } from './fates.ts';
import { LockTable } from './lock-table.ts';
import type { Operation, Watch } from './operation.ts';

/** How the drive does at the moment. It outlives the machine's crashes. */
export interface Drive {
  /** Room for the content of files. */
  capacityBytes: number;
  /** How many times as long everything takes. */
  slowdown: number;
}

/** An operation that has begun and not ended. */
export interface InFlight {
  readonly operation: Operation;
  /** The process that has asked for it. */
  readonly owner: object;
  /** When it ends; Infinity while it is stuck. */
  at: number;
  readonly cancel: () => void;
  readonly end: () => void;
  /** Tells whoever asked that there is no machine any more. */
  readonly gone: () => void;
  readonly write: (() => InFlightWrite) | undefined;
}

/** What makes operations stick. */
export interface Stuck {
  readonly sticks: (operation: Operation) => boolean;
  readonly waiting: (() => void)[];
}

export class Station {
  readonly drive: Drive;
  readonly inFlight = new Map<number, InFlight>();
  readonly stuck = new Set<Stuck>();
  readonly locks = new LockTable();
  nextId: number;
  /** Operations that have ended. */
  events = 0;
  watch: Watch | undefined;
  /** Whether the power was lost. */
  isOff = false;

  constructor(drive: Drive, nextId: number) {
    this.drive = drive;
    this.nextId = nextId;
  }
}
