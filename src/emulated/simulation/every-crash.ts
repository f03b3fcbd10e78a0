/** Losing the power at every moment of one history of a program. */
import { invalidArgType, validateInteger } from '../../common/validate.ts';
import type { Operation } from '../simulated/operation.ts';
import { Random } from '../simulated/random.ts';
import { check } from './explore.ts';
import { validateOutcome } from './moment.ts';
import type { Simulation, Snapshot } from './simulation.ts';
import { type Pages, SimulationError } from './simulation-error.ts';

/** A moment at which the power was lost, and what became of what was not durable. */
export interface CrashPoint<State = undefined> {
  /** The operation that did not end any more, counted from the start of the program: 1 is the first. One more than all: the end. */
  readonly event: number;
  /** That operation; `undefined` at the end of the program. */
  readonly operation: Operation | undefined;
  /** What became of what was not durable; `'kill'` where only the process was killed. See `outcome` of `crashDuring`. */
  readonly outcome: number | 'kill';
  /** The operation of `verify` itself at which the power was lost once more; `undefined` where it was lost once. */
  readonly again: number | undefined;
  /** What {@link EveryCrashOptions.state} has answered then. */
  readonly state: State;
}

/** How thoroughly it is tried. */
export interface EveryCrashOptions<State = undefined> {
  /**
   * Outcomes of each crash: the first keeps nothing that is not durable, the second all of it, and with the others chance decides.
   * Those that leave the same as an earlier one are not tried again. Default 4.
   */
  readonly outcomes?: number;
  /** Whether the process is killed at each moment too, with the machine going on. Default false. */
  readonly kills?: boolean;
  /**
   * How often for each outcome the power is lost once more while `verify` is at work, and `verify` run on what is left then; `'every'`:
   * once at each of its operations. Default 0.
   */
  readonly again?: number | 'every';
  /** The operations at which the power is lost. Default: all. */
  readonly when?: (operation: Operation) => boolean;
  /**
   * Answers what the program has promised so far, as a copy: asked at each moment, for `verify`. A program that makes time pass by
   * calls that block goes on before `verify` is run, and needs it; for others it is enough to look at the program's own variables.
   */
  readonly state?: () => State;
  /** One moment and outcome only, as the message of a failure names them. */
  readonly only?: {
    /** See {@link CrashPoint.event}. */
    readonly event: number;
    /** See {@link CrashPoint.outcome}. */
    readonly outcome: number | 'kill';
  };
  /** Where a page is put that shows the history that fails. Default `true`: in one of the host's temporary folders. */
  readonly pages?: Pages;
  /** Told after each moment: how many there were. */
  readonly progress?: (points: number) => void;
}

/** What was tried. */
export interface EveryCrash<T> {
  /** What the program came to. */
  readonly value: T;
  /** Moments at which the power was lost. */
  readonly points: number;
  /** Disks on which `verify` was run after one crash, no two of one moment the same. */
  readonly outcomes: number;
  /** Crashes while `verify` was at work. */
  readonly again: number;
}

const OUTCOMES = 4;

/**
 * Runs a program once, and loses the power at each of its operations: what could be left on the disk then is found out on copies, while
 * the program stands still, and `verify` looks at each.
 *
 * @remarks The program runs once. Each moment costs a copy of what is not durable (pages of files are shared), and each outcome the
 * time that `verify` takes. Time stands still for the program while `verify` is run, so `verify` may compare with variables of the program: they
 * are as they were when the power was lost. It must not change them.
 *
 * @param simulation - A machine on which the program has not begun; what was done on it before is not tried. It goes on, and the program with it.
 * @param verify - Throws if a promise was broken. It is given a machine of its own, on which it may do anything.
 * @throws SimulationError for the first failure: the message names moment and outcome, and has the end of the history that led there.
 * What the program throws itself. RangeError `ERR_OUT_OF_RANGE`, TypeError `ERR_INVALID_ARG_TYPE` for options that mean nothing.
 *
 * @example
 * ```ts
 * const simulation = simulate({ seed: 1 });
 * const acknowledged: string[] = [];
 * await everyCrash(
 *   simulation,
 *   () => appendSome(simulation, acknowledged),
 *   async (after) => {
 *     const found = await readAll(after);
 *     for (const one of acknowledged) if (!found.includes(one)) throw new Error(`${one} is lost`);
 *   },
 * );
 * ```
 */
export async function everyCrash<T, State = undefined>(
  simulation: Simulation,
  program: (simulation: Simulation) => Promise<T>,
  verify: (after: Simulation, point: CrashPoint<State>) => Promise<unknown>,
  options: EveryCrashOptions<State> = {},
): Promise<EveryCrash<T>> {
  validate(options);
  const trial = new Trial(simulation, verify, options);
  simulation.watch({ ends: (operation, end) => trial.ends(operation, end) });
  let value: T;
  try {
    value = await Promise.race([program(simulation), trial.failed]);
    await trial.finish();
  } finally {
    trial.stop();
    if (!simulation.isCrashed) simulation.watch(undefined);
  }
  return { value, ...trial.counts };
}

function validate({ outcomes, again, when, state, only }: EveryCrashOptions<unknown>): void {
  validateInteger('options.outcomes', outcomes ?? 1, 1, Number.MAX_SAFE_INTEGER);
  if (again !== 'every') validateInteger('options.again', again ?? 0, 0, Number.MAX_SAFE_INTEGER);
  for (const [name, value] of Object.entries({ when, state })) {
    if (value !== undefined && typeof value !== 'function')
      throw invalidArgType(`options.${name}`, 'of type function', value);
  }
  if (only === undefined) return;
  validateInteger('options.only.event', only.event, 1, Number.MAX_SAFE_INTEGER);
  if (only.outcome !== 'kill') validateOutcome('options.only.outcome', only.outcome);
}

type Verify<State> = (after: Simulation, point: CrashPoint<State>) => Promise<unknown>;

/** A moment whose outcomes are still to be looked at. */
interface Moment<State> {
  readonly event: number;
  readonly operation: Operation | undefined;
  readonly snapshot: Snapshot;
  readonly state: State;
}

class Trial<State> {
  readonly counts = { points: 0, outcomes: 0, again: 0 };
  /** Rejects with the first failure. */
  readonly failed: Promise<never>;
  readonly #simulation: Simulation;
  readonly #verify: Verify<State>;
  readonly #options: EveryCrashOptions<State>;
  readonly #waiting: Moment<State>[] = [];
  readonly #random: Random;
  #fail: (error: unknown) => void = () => {};
  #failure: { readonly error: unknown } | undefined;
  #events = 0;
  #isOver = false;

  constructor(simulation: Simulation, verify: Verify<State>, options: EveryCrashOptions<State>) {
    this.#simulation = simulation;
    this.#verify = verify;
    this.#options = options;
    this.#random = new Random(simulation.seed, `${simulation.generation}/again`);
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
  }

  ends(operation: Operation, end: () => void): boolean {
    this.#events++;
    if (this.#isOver || !this.#isMeant(operation)) return false;
    const { clock } = this.#simulation;
    if (!clock.isTurn && this.#options.state === undefined) {
      this.#failWith(
        new Error(
          `The program blocks until #${operation.id} ${operation.text} has ended, so it goes on before anything can be verified: give options.state`,
        ),
      );
      return false;
    }
    this.#waiting.push(this.#moment(operation));
    if (!clock.isTurn) return false;
    const release = clock.hold();
    void this.#verifyAll().finally(() => {
      release();
      if (!this.#simulation.isCrashed) end();
    });
    return true;
  }

  /** Looks at what is left to look at, and at the end of the program. */
  async finish(): Promise<void> {
    this.#events++;
    if (this.#isMeant(undefined)) this.#waiting.push(this.#moment(undefined));
    await this.#verifyAll();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  stop(): void {
    this.#isOver = true;
  }

  #isMeant(operation: Operation | undefined): boolean {
    const { when, only } = this.#options;
    if (only !== undefined) return only.event === this.#events;
    return operation === undefined || when === undefined || when(operation);
  }

  #moment(operation: Operation | undefined): Moment<State> {
    return {
      event: this.#events,
      operation,
      snapshot: this.#simulation.snapshot(operation),
      state: this.#options.state?.() as State,
    };
  }

  #failWith(error: unknown): void {
    this.#failure ??= { error };
    this.#isOver = true;
    this.#fail(error);
  }

  async #verifyAll(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (this.#failure !== undefined) return;
      try {
        await this.#verifyMoment(next);
      } catch (error) {
        this.#failWith(error);
      }
    }
  }

  async #verifyMoment(moment: Moment<State>): Promise<void> {
    const { outcomes = OUTCOMES, kills = false, only, progress } = this.#options;
    const all: (number | 'kill')[] = Array.from({ length: outcomes }, (_, index) => index);
    if (kills) all.push('kill');
    const seen = new Set<string>();
    for (const outcome of only === undefined ? all : [only.outcome]) {
      const make = (): Simulation =>
        outcome === 'kill' ? moment.snapshot.killed() : moment.snapshot.crashed(outcome);
      const after = make();
      const digest = `${outcome === 'kill'} ${after.digest()}`;
      if (seen.has(digest)) continue;
      seen.add(digest);
      const { event, operation, state } = moment;
      await this.#verifyOutcome(make, after, { event, operation, outcome, state });
    }
    this.counts.points++;
    progress?.(this.counts.points);
  }

  /** @param make - Makes another machine like `after`. */
  async #verifyOutcome(
    make: () => Simulation,
    after: Simulation,
    point: Omit<CrashPoint<State>, 'again'>,
  ): Promise<void> {
    await this.#check(after, { ...point, again: undefined });
    this.counts.outcomes++;
    const { again = 0 } = this.#options;
    const { events } = after;
    if (events === 0) return;
    const times =
      again === 'every'
        ? Array.from({ length: events }, (_, index) => index + 1)
        : Array.from({ length: again }, () => 1 + this.#random.below(events));
    for (const atEvent of times) {
      const recovering = make();
      const once = { ...point, again: atEvent };
      const later = await this.#check(recovering, once, () =>
        recovering.crashDuring(() => this.#verify(recovering, once), { atEvent }),
      );
      await this.#check(later as Simulation, once);
      this.counts.again++;
    }
  }

  async #check(
    after: Simulation,
    point: CrashPoint<State>,
    run = (): Promise<unknown> => this.#verify(after, point),
  ): Promise<unknown> {
    const { pages = true } = this.#options;
    const tried = async (): Promise<unknown> => {
      try {
        return await run();
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        throw new SimulationError(`${message}\n${described(point)}`, after, error, pages);
      }
    };
    return check(after, tried, { pages });
  }
}

function described({ event, operation, outcome, again }: CrashPoint<unknown>): string {
  const when = operation === undefined ? 'at the end' : `while #${operation.id} ${operation.text}`;
  const what = outcome === 'kill' ? 'the process was killed' : 'the power was lost';
  const which = outcome === 'kill' ? `'kill'` : outcome;
  const twice = again === undefined ? '' : `, and lost again at operation ${again} of what verifies`;
  return `${what} ${when}${twice}: only: { event: ${event}, outcome: ${which} }`;
}
