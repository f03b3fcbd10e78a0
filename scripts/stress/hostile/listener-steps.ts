/** Who listens: subscribers of diagnostics channels, and promise hooks. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { promiseHooks } from 'node:v8';
import { type Course, once } from './course.ts';
import type { Body } from './program.ts';

export class ListenerSteps {
  readonly #course: Course;

  constructor(course: Course) {
    this.#course = course;
  }

  subscribe(channel: string, body: Body): void {
    const run = once(() => this.#course.body(body));
    subscribe(channel, run);
    this.#course.undo.push(() => unsubscribe(channel, run));
  }

  hook(after: number, body: Body): void {
    let count = 0;
    const run = once(() => this.#course.body(body));
    const stop = promiseHooks.onSettled(() => {
      if (count++ === after) run();
    }) as () => void;
    this.#course.undo.push(stop);
  }
}
