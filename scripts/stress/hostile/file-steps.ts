/** Steps on AioFiles: opened, or over a descriptor of the program's. */
import { type AioFile, fromDescriptor } from '../../../src/index.ts';
import type { ContextSteps } from './context-steps.ts';
import type { Course } from './course.ts';
import type { DescriptorSteps, OwnDescriptor } from './descriptor-steps.ts';
import { positionFor } from './files.ts';
import { type MemorySteps, movesOthers } from './memory-steps.ts';
import { tolerated } from './outcomes.ts';
import type { Opening, Step } from './program.ts';
import { bytesOfParts, type Expected } from './requests.ts';
import type { SignalSteps } from './signal-steps.ts';
import { changing, isOdd, makeVector } from './views.ts';

export interface OwnFile {
  readonly file: AioFile;
  readonly opening: Opening;
  /** The descriptor that was adopted. */
  readonly adopted: OwnDescriptor | undefined;
  /** Its cursor is at the start, and it was not closed. */
  isFresh: boolean;
  /** How often something was asked for that moves its cursor. */
  moves: number;
  isClosed: boolean;
}

export class FileSteps {
  readonly #course: Course;
  readonly #memory: MemorySteps;
  readonly #signals: SignalSteps;
  readonly #contexts: ContextSteps;
  readonly #descriptors: DescriptorSteps;
  readonly #files: (OwnFile | undefined)[] = [];
  readonly #shared: OwnFile[] = [];

  constructor(
    course: Course,
    memory: MemorySteps,
    signals: SignalSteps,
    contexts: ContextSteps,
    descriptors: DescriptorSteps,
  ) {
    this.#course = course;
    this.#memory = memory;
    this.#signals = signals;
    this.#contexts = contexts;
    this.#descriptors = descriptors;
  }

  /** One that the program has opened. */
  at(index: number): OwnFile | undefined {
    return this.#files[index];
  }

  /** A file of the program's own, or one that all programs share. */
  of(index: number): OwnFile {
    const own = this.#files[index];
    if (own !== undefined) return own;
    const shared = this.#course.world.shared[index % this.#course.world.shared.length]!;
    this.#shared[index] ??= { ...shared, adopted: undefined, isFresh: false, moves: 0, isClosed: false };
    return this.#shared[index];
  }

  isWritten({ opening, adopted }: OwnFile): boolean {
    return adopted === undefined ? opening.startsWith('written') : adopted.writable;
  }

  async open(index: number, opening: Opening, context: number | undefined): Promise<void> {
    if (this.#files[index] !== undefined) return;
    try {
      const file = await this.#course.world.files.open(
        opening,
        context === undefined ? undefined : this.#contexts.of(context),
      );
      if (this.#files[index] !== undefined || this.#course.isEnding) {
        await file.close();
        return;
      }
      this.#files[index] = { file, opening, adopted: undefined, isFresh: true, moves: 0, isClosed: false };
    } catch (error) {
      this.#course.complain(this.#course.faultOf(error));
    }
  }

  async adopt(index: number, which: number): Promise<void> {
    const own = this.#descriptors.at(which);
    if (own === undefined || this.#files[index] !== undefined) return;
    try {
      const file = await fromDescriptor(own.handle ?? own.fd, { direct: own.direct, unaligned: 'copy' });
      if (this.#files[index] !== undefined || this.#course.isEnding) {
        await file.close();
        return;
      }
      const adopting: OwnFile = {
        file,
        opening: 'buffered',
        adopted: own,
        isFresh: false,
        moves: 0,
        // While the file was made, the program may have closed the descriptor: its number may be another file's already.
        isClosed: this.#descriptors.at(which) !== own,
      };
      this.#files[index] = adopting;
      own.adopters.push(adopting);
    } catch (error) {
      this.#course.complain(this.#course.faultOf(error));
    }
  }

  close(own: OwnFile): void {
    own.isClosed = true;
    own.isFresh = false;
    this.#course.track(tolerated(own.file.close()));
  }

  expectedOf(own: OwnFile): { expected: Expected; writable: boolean } {
    const { files } = this.#course.world;
    // The descriptor of what was adopted may be another file's by now.
    if (own.adopted !== undefined && own.adopted.handle === undefined && own.isClosed)
      return { expected: { kind: 'unknown', file: files.written }, writable: false };
    return this.isWritten(own)
      ? { expected: { kind: 'written', file: files.written }, writable: true }
      : { expected: { kind: 'content', content: files.read.content }, writable: false };
  }

  transfer(
    step: Extract<Step, { do: 'file read' | 'file write' | 'file readFully' | 'file writeFully' }>,
  ): void {
    const own = this.of(step.file);
    const { file } = own;
    const method = step.do.slice('file '.length) as 'read' | 'write' | 'readFully' | 'writeFully';
    const write = method.startsWith('write');
    const taken = this.#memory.view(step.view);
    const { options, ...more } = this.#signals.extras(step.extras);
    const parts = taken.part === undefined ? [] : [taken.part];
    const bytes = bytesOfParts(parts);
    const position = positionFor(step.page, bytes, write);
    const atCursor = step.cursor === true && !write;
    if (atCursor) moveCursor(own);
    const { expected, writable } = this.expectedOf(own);
    const adds = file.direct && write && own.opening !== 'written direct';
    this.#course.begin(
      {
        what: `${step.do} of ${bytes} bytes at ${position} (${own.opening})`,
        write,
        parts,
        position,
        expected: atCursor ? { kind: 'unknown' } : expected,
        mayFail:
          !taken.isHonest ||
          more.mayFail ||
          own.isClosed ||
          (write && !writable) ||
          (adds && !taken.isAligned) ||
          (own.opening === 'direct' && !taken.isAligned) ||
          // The descriptor's own position may be anywhere, and nothing can be widened there.
          (atCursor && own.adopted?.direct === true) ||
          this.#contexts.isClosed(file.context),
        mayBeShort: atCursor,
        asksNode: isOdd(step.view),
        waits: false,
      },
      [own, own.adopted, ...more.on, file.context],
      () => {
        const given = Object.defineProperties(
          { position: atCursor ? null : position },
          Object.getOwnPropertyDescriptors(options),
        );
        if (step.extras.changes === true) changing(given);
        const { view } = taken;
        if (method === 'read') return file.read(view, given).then(({ bytesRead }) => bytesRead);
        if (method === 'readFully') return file.readFully(view, given).then(({ bytesRead }) => bytesRead);
        if (method === 'write') return file.write(view, given).then(({ bytesWritten }) => bytesWritten);
        return file.writeFully(view, given).then(({ bytesWritten }) => bytesWritten);
      },
    );
  }

  vectored({
    do: name,
    file: index,
    page,
    views,
    lie,
  }: Extract<Step, { do: 'file readv' | 'file writev' }>): void {
    const own = this.of(index);
    const { file } = own;
    const write = name === 'file writev';
    const taken = views.map((shape) => this.#memory.view(shape));
    const parts = taken.flatMap(({ part }) => part ?? []);
    const bytes = bytesOfParts(parts);
    const position = positionFor(page, bytes, write);
    const { expected, writable } = this.expectedOf(own);
    this.#course.begin(
      {
        what: `${name} of ${bytes} bytes at ${position} (${own.opening})`,
        write,
        parts,
        position,
        expected,
        mayFail:
          taken.some(({ isHonest, isAligned }) => !isHonest || (file.direct && !isAligned)) ||
          lie !== undefined ||
          views.length === 0 ||
          own.isClosed ||
          (write && !writable) ||
          this.#contexts.isClosed(file.context),
        mayBeShort: lie !== undefined,
        isMixed: lie !== undefined || movesOthers(taken),
        asksNode: lie !== undefined || views.some(isOdd),
        waits: false,
      },
      [own, own.adopted, file.context],
      () => {
        const vector = makeVector(
          taken.map(({ view }) => view),
          lie,
        );
        return write
          ? file.writev(vector, position).then(({ bytesWritten }) => bytesWritten)
          : file.readv(vector, position).then(({ bytesRead }) => bytesRead);
      },
    );
  }

  readFile(index: number): void {
    const own = this.#files[index];
    if (own === undefined) return;
    const isFresh = own.isFresh && !this.isWritten(own);
    const moves = moveCursor(own);
    this.#course.track(
      tolerated(
        own.file.readFile().then((content) => {
          if (
            isFresh &&
            own.moves === moves &&
            !own.isClosed &&
            !content.equals(this.#course.world.files.read.content)
          )
            this.#course.complain(
              `readFile() brought ${content.length} bytes, and not the content of the file`,
            );
        }),
      ),
    );
  }

  closeAt(index: number): void {
    const own = this.#files[index];
    if (own !== undefined) this.close(own);
  }

  /** What was adopted stays with the program: its descriptor is closed at the end. */
  drop(index: number): void {
    if (this.#files[index]?.adopted === undefined) this.#files[index] = undefined;
  }

  sync(index: number): void {
    this.#course.track(tolerated(this.of(index).file.datasync()));
  }

  stat(index: number): void {
    this.#course.track(tolerated(this.of(index).file.stat()));
  }

  closeAll(): void {
    for (const own of this.#files) if (own !== undefined) this.close(own);
  }

  /** Nobody holds them any more. */
  forget(): void {
    this.#files.length = 0;
  }
}

/** @returns How often it was moved by then. */
export function moveCursor(own: OwnFile): number {
  own.isFresh = false;
  return ++own.moves;
}
