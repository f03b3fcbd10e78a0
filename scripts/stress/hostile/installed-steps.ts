/** Files of the program's own, and a pipe, in the emulated kernel. */
import type { FileRequest } from '../../../src/emulated/index.ts';
import { type Course, once } from './course.ts';
import type { Answer, Body } from './program.ts';

interface Installed {
  readonly fd: number;
  /** Answers what was put off. */
  readonly putOff: (() => void)[];
}

/** What an installed file has at a place. */
export function computedByte(position: number): number {
  return (position * 7 + 3) & 255;
}

export class InstalledSteps {
  readonly #course: Course;
  readonly #files: (Installed | undefined)[] = [];
  readonly #ever: Installed[] = [];
  #pipe: readonly [number, number] | undefined;

  constructor(course: Course) {
    this.#course = course;
  }

  /** @returns Its descriptor. */
  at(index: number): number | undefined {
    return this.#files[index]?.fd;
  }

  /** The end of the pipe to read from, or to write to. `undefined` where there are no pipes. */
  pipe(write: boolean): number | undefined {
    this.#pipe ??= this.#course.world.emulated?.pipe();
    return this.#pipe?.[write ? 1 : 0];
  }

  /** Answers one request that was put off. */
  answer(index: number): void {
    this.#files[index]?.putOff.shift()?.();
  }

  /** Answers all that was put off, and closes the pipe. */
  answerAll(): void {
    for (const { putOff } of this.#ever) for (const answer of putOff.splice(0)) answer();
    if (this.#pipe !== undefined) for (const fd of this.#pipe) this.#course.world.emulated?.close(fd);
  }

  end(): void {
    for (const installed of this.#files)
      if (installed !== undefined) this.#course.world.emulated?.close(installed.fd);
  }

  install(index: number, answer: Answer, body: Body): void {
    const { emulated } = this.#course.world;
    if (emulated === undefined) return;
    const before = this.#files[index];
    if (before !== undefined) emulated.close(before.fd);
    const putOff: (() => void)[] = [];
    const run = once(() => this.#course.body(body));
    const operate = (request: FileRequest): number | 'retry' | undefined | Promise<number> => {
      run();
      const { operation, position, length } = request;
      const isRead = operation === 'read';
      const isSync = operation === 'fsync' || operation === 'fdatasync';
      const fill = (): number => {
        if (isSync) return 0;
        const { bytes } = request;
        if (isRead) for (let at = 0; at < bytes.length; at++) bytes[at] = computedByte(position + at);
        return bytes.length;
      };
      if (this.#course.isEnding) return fill();
      switch (answer) {
        case 'now':
          return fill();
        case 'later':
          putOff.push(() => request.complete(request.isOver ? 0 : fill()));
          return undefined;
        case 'promise':
          return Promise.resolve().then(fill);
        case 'retry':
          putOff.push(() => request.kick());
          return 'retry';
        case 'advance':
          if (isSync || length < 2) return fill();
          fill();
          request.advance(length >> 1);
          putOff.push(() => request.kick());
          return 'retry';
        case 'too many':
          fill();
          return length + 1;
        case 'nonsense':
          return Number.NaN;
        case 'throws':
          throw Object.assign(new Error('on purpose'), { code: 'ENOSPC' });
        case 'rejects':
          return Promise.reject(Object.assign(new Error('on purpose'), { code: 'ENOSPC' }));
        case 'twice':
          request.complete(fill());
          request.complete(0);
          return undefined;
      }
    };
    const installed: Installed = {
      fd: emulated.install({
        read: operate,
        write: operate,
        fsync: operate,
        ...(answer === 'later' ? { cancel: () => undefined } : {}),
      }),
      putOff,
    };
    this.#files[index] = installed;
    this.#ever.push(installed);
  }

  feedPipe(bytes: number): void {
    const { emulated } = this.#course.world;
    if (emulated === undefined || this.#pipe === undefined) return;
    this.#course.track(emulated.write(this.#pipe[1], new Uint8Array(bytes)));
  }
}
