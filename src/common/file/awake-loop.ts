/**
 * Keeps the event loop from sleeping while something is about to end.
 *
 * Where a device takes a tenth of a millisecond, the sleep of the thread that waits for it and its waking up take as long again.
 */
import { PollForecast } from '../context/poll-forecast.ts';

/** As they were at load: tests put clocks of their own in their place. */
const { setImmediate } = globalThis;
const now = performance.now.bind(performance);

/** What takes longer is worth a sleep. */
const MOST_MS = 1;
/** Between two turns: the CPU was somebody else's, who is kept from it by those who do not sleep. */
const AWAY_MS = 1;

/** What is waited for. Each is tried more seldom when it was in vain, for itself. */
export type Phase = 'writes' | 'sync';

export class AwakeLoop {
  readonly #forecasts: Readonly<Record<Phase, PollForecast>> = {
    writes: new PollForecast(),
    sync: new PollForecast(),
  };
  readonly #nowMs: () => number;
  /** Of the phase that it is kept awake for. */
  #current: PollForecast | undefined;
  #isOn = false;
  #untilMs = 0;
  #turnedMs = 0;

  constructor(nowMs: () => number = now) {
    this.#nowMs = nowMs;
  }

  /** What is waited for begins, and what was before has ended. */
  begin(phase: Phase): void {
    this.end();
    const forecast = this.#forecasts[phase];
    if (!forecast.accepts(1)) return;
    this.#current = forecast;
    this.stay();
    if (this.#isOn) return;
    this.#isOn = true;
    setImmediate(this.#turn);
  }

  /** A part of it has ended, and the next will end soon. */
  stay(): void {
    if (this.#current === undefined) return;
    // What was done in this turn, it was not away for.
    this.#turnedMs = this.#nowMs();
    this.#untilMs = this.#turnedMs + MOST_MS;
  }

  /** Nothing is waited for. */
  end(): void {
    this.#current?.hit();
    this.#current = undefined;
  }

  readonly #turn = (): void => {
    const forecast = this.#current;
    this.#isOn = forecast !== undefined;
    if (forecast === undefined) return;
    const nowMs = this.#nowMs();
    const wasAway = nowMs - this.#turnedMs > AWAY_MS;
    if (!wasAway && nowMs <= this.#untilMs) {
      this.#turnedMs = nowMs;
      setImmediate(this.#turn);
      return;
    }
    if (wasAway) forecast.pushedOff();
    else forecast.missed();
    this.#isOn = false;
    this.#current = undefined;
  };
}
