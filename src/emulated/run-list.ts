/** Requests that were accepted and wait to be run, first come, first served. */
import type { Kiocb } from './kiocb.ts';

export class RunList {
  #first: Kiocb | undefined;
  #last: Kiocb | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  push(req: Kiocb): void {
    if (this.#last === undefined) this.#first = req;
    else this.#last.ki_next = req;
    this.#last = req;
  }

  shift(): Kiocb | undefined {
    const req = this.#first;
    if (req === undefined) return undefined;
    this.#first = req.ki_next;
    if (this.#first === undefined) this.#last = undefined;
    req.ki_next = undefined;
    return req;
  }
}
