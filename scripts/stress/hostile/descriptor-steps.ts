/** Descriptors that a program opens itself, closes under whoever uses them, and uses up. */
import { closeSync, constants, openSync } from 'node:fs';
import { type FileHandle, open as openHandle } from 'node:fs/promises';
import type { Course } from './course.ts';
import type { Body, Step } from './program.ts';

const { O_RDONLY, O_RDWR } = constants;
const O_DIRECT: number | undefined = constants.O_DIRECT;

/** A descriptor that a program has opened itself. */
export interface OwnDescriptor {
  readonly fd: number;
  /** Whose descriptor it is: who closes that makes it mean nothing, and not another file. */
  readonly handle: FileHandle | undefined;
  readonly writable: boolean;
  readonly direct: boolean;
  /** Files of the product over it. */
  readonly adopters: { isClosed: boolean }[];
}

export class DescriptorSteps {
  readonly #course: Course;
  readonly #own: (OwnDescriptor | undefined)[] = [];

  constructor(course: Course) {
    this.#course = course;
  }

  at(index: number): OwnDescriptor | undefined {
    return this.#own[index];
  }

  async open({ own: index, writable, direct, handle }: Extract<Step, { do: 'descriptor' }>): Promise<void> {
    if (this.#own[index] !== undefined) return;
    const { files } = this.#course.world;
    const isDirect = direct && files.noDirect === undefined;
    const flags = (writable ? O_RDWR : O_RDONLY) | (isDirect ? O_DIRECT! : 0);
    const path = writable ? files.written.path : files.read.path;
    if (!handle) {
      const fd = openSyncOrNot(path, flags);
      if (fd !== undefined)
        this.#own[index] = { fd, handle: undefined, writable, direct: isDirect, adopters: [] };
      return;
    }
    const opened = await openHandle(path, flags);
    if (this.#own[index] !== undefined || this.#course.isEnding) await opened.close();
    else this.#own[index] = { fd: opened.fd, handle: opened, writable, direct: isDirect, adopters: [] };
  }

  /** @returns When it is closed; `undefined` if there is none. */
  close(index: number): Promise<unknown> | undefined {
    const own = this.#own[index];
    if (own === undefined) return undefined;
    this.#course.requests.taint(own);
    for (const file of own.adopters) file.isClosed = true;
    this.#own[index] = undefined;
    if (own.handle !== undefined) return own.handle.close();
    // From now on the number means whatever it will be given to.
    for (const request of this.#course.requests.live) if (request.on.has(own)) request.isMixed = true;
    closeSync(own.fd);
    return Promise.resolve();
  }

  /** Closes a descriptor, and has another file take its number. */
  reuse(index: number): void {
    const own = this.#own[index];
    if (own === undefined) return;
    const { path } = this.#course.world.files.other;
    const take = (flags: number): void => {
      if (this.#course.isEnding) return;
      const fd = openSyncOrNot(path, flags);
      if (fd !== undefined) this.#course.undo.push(() => closeSync(fd));
    };
    const closed = this.close(index)!;
    // A number alone is the program's to look after: what is still written to it is not to find a file that takes it.
    if (own.handle === undefined) take(O_RDONLY);
    else this.#course.track(closed.then(() => take(O_RDWR)));
  }

  async exhaust(leave: number, body: Body): Promise<void> {
    const held: number[] = [];
    for (;;) {
      const fd = openSyncOrNot('/dev/null', O_RDONLY);
      if (fd === undefined) break;
      held.push(fd);
    }
    for (const fd of held.splice(0, leave)) closeSync(fd);
    try {
      await Promise.allSettled(body.map((step) => this.#course.perform(step)));
    } finally {
      for (const fd of held) closeSync(fd);
    }
  }

  async end(): Promise<void> {
    for (const [index] of this.#own.entries()) await this.close(index);
  }
}

function openSyncOrNot(path: string, flags: number): number | undefined {
  try {
    return openSync(path, flags);
  } catch {
    return undefined;
  }
}
