/** The budget of requests: `aio-nr` and `aio-max-nr`, one of each per kernel. */
import type { AioLimits } from '../../common/kernel/aio-kernel.ts';

/** What `aio-max-nr` is on a fresh Linux. */
export const DEFAULT_AIO_MAX_NR = 0x10000;

export class Sysctl implements AioLimits {
  #max: number;
  #nr = 0;

  constructor(aio_max_nr: number) {
    this.#max = aio_max_nr;
  }

  aio_nr(): number {
    return this.#nr;
  }

  aio_max_nr(): number {
    return this.#max;
  }

  /** Below what is in use it stops new contexts, and harms no old one. */
  set_aio_max_nr(aio_max_nr: number): void {
    this.#max = aio_max_nr;
  }

  /** Takes from the budget. @returns Whether there was enough. */
  charge(nr_events: number): boolean {
    if (this.#nr + nr_events > this.#max) return false;
    this.#nr += nr_events;
    return true;
  }

  uncharge(nr_events: number): void {
    this.#nr -= nr_events;
  }
}
