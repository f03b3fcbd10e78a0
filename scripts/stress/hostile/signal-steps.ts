/** Signals, and options of requests that have them. */
import { type Course, once } from './course.ts';
import type { Body, Extras } from './program.ts';
import type { Request } from './requests.ts';
import { changing, makeSignal } from './views.ts';

const RWF_NOWAIT = 8;

export class SignalSteps {
  readonly #course: Course;
  readonly #controllers: AbortController[] = [];
  readonly #lying = new Set<AbortSignal>();

  constructor(course: Course) {
    this.#course = course;
  }

  abort(index: number): void {
    const controller = this.controller(index);
    this.#course.requests.taint(controller.signal);
    controller.abort();
  }

  onAbort(index: number, body: Body): void {
    // Its own may have been replaced.
    EventTarget.prototype.addEventListener.call(
      this.controller(index).signal,
      'abort',
      once(() => this.#course.body(body)),
    );
  }

  controller(index: number): AbortController {
    this.#controllers[index] ??= new AbortController();
    return this.#controllers[index];
  }

  /** Options of a request, and whether they may make it fail. */
  extras({ signal, signalLie, nowait, asked, changes }: Extras): {
    options: object;
    on: readonly unknown[];
    mayFail: boolean;
    mayBeShort: boolean;
  } {
    const real = signal === undefined ? undefined : this.controller(signal).signal;
    const given = real === undefined ? undefined : makeSignal(real, signalLie);
    if (signalLie !== undefined && real !== undefined) this.#lying.add(real);
    const ask = asked === undefined ? undefined : once(() => this.#course.body(asked));
    const rw_flags = nowait === true ? RWF_NOWAIT : 0;
    const options = {
      ...(given === undefined ? {} : { signal: given }),
      ...(nowait === true ? { rw_flags } : {}),
    };
    if (ask !== undefined) {
      // It is the flags that are asked for later, when more has been decided.
      const name = nowait === true ? 'rw_flags' : 'signal';
      const answer = nowait === true ? rw_flags : given;
      Object.defineProperty(options, name, {
        configurable: true,
        enumerable: true,
        get: () => {
          ask();
          return answer;
        },
      });
    }
    return {
      options: changes === true ? changing(options) : options,
      on: real === undefined ? [] : [real],
      mayFail:
        nowait === true ||
        asked !== undefined ||
        signalLie !== undefined ||
        real?.aborted === true ||
        (real !== undefined && this.#lying.has(real)),
      mayBeShort: nowait === true,
    };
  }

  wasAborted({ what, on, waits }: Request): boolean {
    if (!waits || !what.startsWith('poll')) return false;
    for (const one of on) if (one instanceof AbortSignal && one.aborted && !this.#lying.has(one)) return true;
    return false;
  }
}
