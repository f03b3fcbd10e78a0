/**
 * Keeps the event loop from sleeping while something is about to end.
 *
 * Where a device takes a tenth of a millisecond, the sleep of the thread that waits for it and its waking up take as long again.
 */
import { PollForecast } from '../context/poll-forecast.ts';

/** As they were at load: tests put clocks of their own in their place. */
const { setImmediate, performance } = globalThis;

/** What takes longer is worth a sleep. */
const MOST_MS = 1;
/** Between two turns: the CPU was somebody else's, who is kept from it by those who do not sleep. */
const AWAY_MS = 1;

export class AwakeLoop {
  readonly #forecast = new PollForecast();
  #isOn = false;
  #untilMs = 0;
  #turnedMs = 0;

  /** Something has ended or begun, and the next will end soon. */
  stay(): void {
    const nowMs = performance.now();
    this.#untilMs = nowMs + MOST_MS;
    // What was done in this turn, it was not away for.
    this.#turnedMs = nowMs;
    if (this.#isOn) {
      this.#forecast.hit();
      return;
    }
    if (!this.#forecast.accepts(1)) return;
    this.#isOn = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const nowMs = performance.now();
    this.#isOn = false;
    if (nowMs - this.#turnedMs > AWAY_MS) this.#forecast.pushedOff();
    else if (nowMs > this.#untilMs) this.#forecast.missed();
    else {
      this.#isOn = true;
      this.#turnedMs = nowMs;
      setImmediate(this.#turn);
    }
  };
}
