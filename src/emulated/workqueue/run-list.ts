/** Requests that wait to be run, first come, first served. */
import type { Kiocb } from '../aio/aio-kiocb.ts';

export class RunList {
  #first: Kiocb | undefined;
  #last: Kiocb | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  get first(): Kiocb | undefined {
    return this.#first;
  }

  get last(): Kiocb | undefined {
    return this.#last;
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

  /** Takes out one that need not be the first. */
  remove(req: Kiocb): void {
    const others: Kiocb[] = [];
    for (let one = this.shift(); one !== undefined; one = this.shift()) if (one !== req) others.push(one);
    for (const one of others) this.push(one);
  }
}
