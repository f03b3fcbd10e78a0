/** Requests that wait to be run, first come, first served. */

/** What a list needs of those that are in it. */
interface Listed<R> {
  /** Next on the list that it is in. */
  ki_next: R | undefined;
}

export class RunList<R extends Listed<R>> {
  #first: R | undefined;
  #last: R | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  get first(): R | undefined {
    return this.#first;
  }

  get last(): R | undefined {
    return this.#last;
  }

  push(req: R): void {
    if (this.#last === undefined) this.#first = req;
    else this.#last.ki_next = req;
    this.#last = req;
  }

  shift(): R | undefined {
    const req = this.#first;
    if (req === undefined) return undefined;
    this.#first = req.ki_next;
    if (this.#first === undefined) this.#last = undefined;
    req.ki_next = undefined;
    return req;
  }

  /** Takes out one that need not be the first. */
  remove(req: R): void {
    const others: R[] = [];
    for (let one = this.shift(); one !== undefined; one = this.shift()) if (one !== req) others.push(one);
    for (const one of others) this.push(one);
  }
}
