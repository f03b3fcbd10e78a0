/** Requests by contexts: transfers of every kind, syncs and polls. */
import type { AioContext } from '../../../src/index.ts';
import type { ContextSteps } from './context-steps.ts';
import type { Course } from './course.ts';
import { positionFor } from './files.ts';
import { type MemorySteps, movesOthers, type Taken } from './memory-steps.ts';
import type { Places, Resolved } from './places.ts';
import type { Extras, Place, Step, ViewShape } from './program.ts';
import { bytesOfParts, nameOf } from './requests.ts';
import type { SignalSteps } from './signal-steps.ts';
import { makeVector } from './views.ts';

const POLLIN = 1;

export class RequestSteps {
  readonly #course: Course;
  readonly #memory: MemorySteps;
  readonly #signals: SignalSteps;
  readonly #contexts: ContextSteps;
  readonly #places: Places;

  constructor(
    course: Course,
    memory: MemorySteps,
    signals: SignalSteps,
    contexts: ContextSteps,
    places: Places,
  ) {
    this.#course = course;
    this.#memory = memory;
    this.#signals = signals;
    this.#contexts = contexts;
    this.#places = places;
  }

  transfer(operation: 'read' | 'write', index: number, place: Place, shape: ViewShape, extras: Extras): void {
    const write = operation === 'write';
    const context = this.#contexts.of(index);
    const resolved = this.#places.resolve(place, write);
    const taken = this.#memory.view(shape);
    const { options, ...more } = this.#signals.extras(extras);
    const parts = taken.part === undefined ? [] : [taken.part];
    const bytes = bytesOfParts(parts);
    const position = positionFor(place.page, bytes, write);
    this.#course.begin(
      {
        what: `${operation} of ${bytes} bytes at ${position} (${place.target})`,
        write,
        parts,
        position,
        expected: resolved.expected,
        mayFail: this.#mayFail(resolved, [taken], write, context) || more.mayFail,
        mayBeShort: more.mayBeShort || resolved.waits,
        waits: resolved.waits,
      },
      [...resolved.on, ...more.on, context],
      () => context[operation](resolved.fd as number, taken.view, position, options),
    );
  }

  vectored({
    do: operation,
    context: index,
    place,
    views,
    lie,
    extras,
  }: Extract<Step, { do: 'readv' | 'writev' }>): void {
    const write = operation === 'writev';
    const context = this.#contexts.of(index);
    const resolved = this.#places.resolve(place, write);
    const taken = views.map((shape) => this.#memory.view(shape));
    const { options, ...more } = this.#signals.extras(extras);
    const parts = taken.flatMap(({ part }) => part ?? []);
    const bytes = bytesOfParts(parts);
    const position = positionFor(place.page, bytes, write);
    this.#course.begin(
      {
        what: `${operation} of ${bytes} bytes at ${position} (${place.target})`,
        write,
        parts,
        position,
        expected: resolved.expected,
        mayFail: this.#mayFail(resolved, taken, write, context) || more.mayFail || lie !== undefined,
        mayBeShort: more.mayBeShort || resolved.waits || lie !== undefined,
        isMixed: lie !== undefined || movesOthers(taken),
        waits: resolved.waits,
      },
      [...resolved.on, ...more.on, context],
      () =>
        context[operation](
          resolved.fd as number,
          makeVector(
            taken.map(({ view }) => view),
            lie,
          ),
          position,
          options,
        ),
    );
  }

  submit({ context: index, requests, lie }: Extract<Step, { do: 'submit' }>): void {
    const context = this.#contexts.of(index);
    const settlers: ((outcome: PromiseSettledResult<number> | undefined, refusal: unknown) => void)[] = [];
    const batch = requests.map(({ write, place, view, extras }) => {
      const resolved = this.#places.resolve(place, write);
      const taken = this.#memory.view(view);
      const { options, ...more } = this.#signals.extras(extras);
      const parts = taken.part === undefined ? [] : [taken.part];
      const bytes = bytesOfParts(parts);
      const position = positionFor(place.page, bytes, write);
      this.#course.begin(
        {
          what: `${write ? 'write' : 'read'} of ${bytes} bytes at ${position} (${place.target}) by submit()`,
          write,
          parts,
          position,
          expected: resolved.expected,
          mayFail: this.#mayFail(resolved, [taken], write, context) || more.mayFail || lie !== undefined,
          mayBeShort: more.mayBeShort || resolved.waits,
          isMixed: lie !== undefined,
          waits: resolved.waits,
        },
        [...resolved.on, ...more.on, context],
        () =>
          new Promise((resolve, reject) => {
            settlers.push((outcome, refusal) => {
              if (outcome === undefined) reject(refusal as Error);
              else if (outcome.status === 'fulfilled') resolve(outcome.value);
              else reject(outcome.reason as Error);
            });
          }),
      );
      const descriptors = Object.getOwnPropertyDescriptors(options);
      return Object.defineProperties(
        { operation: write ? 'write' : 'read', fd: resolved.fd, buffer: taken.view, position },
        descriptors,
      );
    });
    const vector = makeVector(batch, lie);
    this.#contexts.isSubmitting = true;
    const submitted = context.submit(vector as unknown as Parameters<AioContext['submit']>[0]).then(
      (outcomes) => {
        if (outcomes.length !== batch.length && lie === undefined)
          this.#course.complain(`submit() of ${batch.length} requests brought ${outcomes.length} outcomes`);
        for (const [at, settle] of settlers.entries())
          settle(outcomes[at], Object.assign(new Error('no outcome'), { code: 'NONE' }));
      },
      (error: unknown) => {
        for (const settle of settlers) settle(undefined, error);
        if (lie === undefined) this.#course.complain(`submit() failed: ${nameOf(error)}`);
      },
    );
    this.#contexts.isSubmitting = false;
    this.#course.track(submitted);
  }

  poll(index: number, event: number, extras: Extras): void {
    const context = this.#contexts.of(index);
    const { options, ...more } = this.#signals.extras(extras);
    this.#course.begin(
      {
        what: `poll of event ${event}`,
        write: true,
        parts: [],
        position: 0,
        expected: { kind: 'unknown' },
        mayFail: more.mayFail || this.#contexts.isClosed(context),
        mayBeShort: true,
        waits: true,
      },
      [...more.on, context],
      () => context.poll(this.#course.world.events[event]!, POLLIN, options),
    );
  }

  sync({ context: index, place, data }: Extract<Step, { do: 'sync' }>): void {
    const context = this.#contexts.of(index);
    const { fd, on } = this.#places.resolve(place, false);
    this.#course.begin(
      {
        what: 'sync',
        write: false,
        parts: [],
        position: 0,
        expected: { kind: 'unknown' },
        mayFail: true,
        waits: place.target === 'installed',
      },
      [...on, context],
      () => context[data ? 'fdatasync' : 'fsync'](fd as number).then(() => 0),
    );
  }

  #mayFail(resolved: Resolved, taken: readonly Taken[], write: boolean, context?: AioContext): boolean {
    if (resolved.mayFail || (write && !resolved.writable)) return true;
    if (context !== undefined && this.#contexts.isClosed(context)) return true;
    return taken.some(({ isHonest, isAligned }) => !isHonest || (resolved.direct && !isAligned));
  }
}
