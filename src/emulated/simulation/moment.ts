/** When the power is lost: at which operation, and on which side of it. */
import { invalidArgType, invalidArgValue, validateInteger } from '../../common/validate.ts';
import type { Operation, Watch } from '../simulated/operation.ts';

/**
 * On which side of an operation the power is lost. `'before'`: when it has begun and nothing of it was done; what else was in flight may
 * have been done. `'during'`: when it would have ended; of a write a part may have been done. `'after'`: when it has ended and whoever
 * asked for it was told; what the program has begun then, without time having passed, is in flight.
 */
export type Side = 'before' | 'during' | 'after';

const SIDES: readonly Side[] = ['before', 'during', 'after'];

/** When the power is lost, or what else happens. */
export interface CrashOptions {
  /** It is lost within so many operations on the disk, each as likely as the others. Default 100. */
  readonly withinEvents?: number;
  /** It is lost when this operation from now on would have ended, 1 being the next; chance has no part in when. */
  readonly atEvent?: number;
  /** It is lost at the first operation for which this answers `true`. It must not do anything to the simulation. */
  readonly when?: (operation: Operation) => boolean;
  /** On which side of that operation. Default `'during'`. */
  readonly side?: Side;
  /**
   * What becomes of what is not durable: 0 for nothing of it is kept, 1 for all of it, and with each larger number chance decides
   * anew. `everyCrash` tells this number. Default: chance decides, and goes on from crash to crash.
   */
  readonly outcome?: number;
  /** Whether only the process ends, by `simulation.kill()`, and the power stays on. Default false. */
  readonly kill?: boolean;
}

const WITHIN_EVENTS = 100;

/** @throws RangeError `ERR_OUT_OF_RANGE`, TypeError `ERR_INVALID_ARG_TYPE` or `ERR_INVALID_ARG_VALUE`. */
export function validateCrash({ withinEvents, atEvent, when, side, outcome }: CrashOptions): void {
  validateInteger('options.withinEvents', withinEvents ?? 1, 1, Number.MAX_SAFE_INTEGER);
  validateInteger('options.atEvent', atEvent ?? 1, 1, Number.MAX_SAFE_INTEGER);
  validateOutcome('options.outcome', outcome);
  if (when !== undefined && typeof when !== 'function')
    throw invalidArgType('options.when', 'of type function', when);
  if (when !== undefined && atEvent !== undefined) throw invalidArgValue('options.atEvent', atEvent);
  if (side !== undefined && !SIDES.includes(side)) throw invalidArgValue('options.side', side);
}

export function validateOutcome(name: string, outcome: unknown): void {
  validateInteger(name, outcome ?? 0, 0, Number.MAX_SAFE_INTEGER);
}

/** What is asked of the disk that is watched. */
interface Watched {
  readonly events: number;
  readonly clock: { after(ns: number, callback: () => void): () => void };
}

interface Looked {
  readonly watch: Watch;
  /** The operation that has come, when the power is about to be lost at it and is not yet. */
  readonly due: () => Operation | undefined;
}

/** @param lost - Called once, at the moment. */
export function watchFor(
  disk: Watched,
  { withinEvents = WITHIN_EVENTS, atEvent, when, side = 'during' }: CrashOptions,
  below: (limit: number) => number,
  lost: (operation: Operation) => void,
): Looked {
  const at = when === undefined ? disk.events + (atEvent ?? 1 + below(withinEvents)) : undefined;
  let isOver = false;
  /** The operation under way that is meant, where that is known before it ends. */
  const meant = new Set<number>();
  const lose = (operation: Operation): void => {
    if (isOver) return;
    isOver = true;
    lost(operation);
  };
  let due: Operation | undefined;
  const soon = (operation: Operation): void => {
    due ??= operation;
    disk.clock.after(0, () => lose(operation));
  };
  const watch: Watch = {
    began(operation) {
      if (when?.(operation) !== true) return;
      if (side === 'before') soon(operation);
      else meant.add(operation.id);
    },
    ends(operation) {
      if (isOver) return false;
      if (when === undefined ? disk.events === at : meant.has(operation.id)) {
        if (side === 'during') {
          lose(operation);
          return true;
        }
        meant.add(operation.id);
      }
      return false;
    },
    ended(operation) {
      if (side === 'after' && meant.has(operation.id)) soon(operation);
    },
  };
  return { watch, due: () => due };
}
