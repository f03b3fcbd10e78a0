/** What a request is on, by what a program says of it. */
import { type Course, once } from './course.ts';
import type { DescriptorSteps } from './descriptor-steps.ts';
import type { FileSteps } from './file-steps.ts';
import { computedByte, type InstalledSteps } from './installed-steps.ts';
import type { Place } from './program.ts';
import type { Expected } from './requests.ts';

const NO_FILE = 0x7fff_fff0;

/** A descriptor, and what is known of it. */
export interface Resolved {
  readonly fd: unknown;
  readonly on: readonly unknown[];
  readonly expected: Expected;
  readonly direct: boolean;
  readonly writable: boolean;
  readonly waits: boolean;
  readonly mayFail: boolean;
}

export class Places {
  readonly #course: Course;
  readonly #files: FileSteps;
  readonly #descriptors: DescriptorSteps;
  readonly #installed: InstalledSteps;

  constructor(course: Course, files: FileSteps, descriptors: DescriptorSteps, installed: InstalledSteps) {
    this.#course = course;
    this.#files = files;
    this.#descriptors = descriptors;
    this.#installed = installed;
  }

  /** What a request is on. */
  resolve({ target, index, asked, changes }: Place, write: boolean): Resolved {
    const { files } = this.#course.world;
    const read: Expected = { kind: 'content', content: files.read.content };
    const written: Expected = { kind: 'written', file: files.written };
    const unknown: Expected = { kind: 'unknown' };
    const resolved = (fd: unknown, expected: Expected, rest: Partial<Resolved> = {}): Resolved => {
      const ask = asked === undefined ? undefined : once(() => this.#course.body(asked));
      let questions = 0;
      const number = (): unknown => {
        if (questions++ > 0 && changes === true) return NO_FILE;
        return typeof fd === 'number' ? fd : (fd as { fd: number }).fd;
      };
      const carried =
        ask === undefined && changes !== true
          ? fd
          : {
              get fd(): unknown {
                ask?.();
                return number();
              },
            };
      return {
        fd: carried,
        on: [],
        expected,
        direct: false,
        writable: false,
        waits: false,
        mayFail: asked !== undefined,
        ...rest,
      };
    };
    switch (target) {
      case 'buffered':
        return write
          ? resolved(files.writtenBuffered, written, { writable: true })
          : resolved(files.buffered, read);
      case 'direct':
        return resolved(write ? files.writtenDirect : files.direct, write ? written : read, {
          direct: files.noDirect === undefined,
          writable: write,
        });
      case 'handle':
        return resolved(files.handle, read);
      case 'written':
        return resolved(files.writtenBuffered, written, { writable: true });
      case 'written direct':
        return resolved(files.writtenDirect, written, {
          direct: files.noDirect === undefined,
          writable: true,
        });
      case 'file': {
        const own = this.#files.at(index);
        if (own === undefined) break;
        const { expected, writable } = this.#files.expectedOf(own);
        return resolved(own.file, expected, {
          on: [own, own.adopted],
          direct: own.file.direct,
          writable,
          mayFail: true,
        });
      }
      case 'own': {
        const own = this.#descriptors.at(index);
        if (own === undefined) break;
        return resolved(own.handle ?? own.fd, own.writable ? written : read, {
          on: [own],
          direct: own.direct,
          writable: own.writable,
          mayFail: asked !== undefined,
        });
      }
      case 'installed': {
        const installed = this.#installed.at(index);
        if (installed === undefined) break;
        return resolved(
          installed,
          { kind: 'computed', byteAt: computedByte },
          { waits: true, mayFail: true, writable: true },
        );
      }
      case 'pipe': {
        const pipe = this.#installed.pipe(write);
        if (pipe === undefined) break;
        return resolved(pipe, unknown, { waits: true, mayFail: true, writable: true });
      }
      case 'no file':
        return resolved(NO_FILE, unknown, { mayFail: true });
    }
    return write
      ? resolved(files.writtenBuffered, written, { writable: true })
      : resolved(files.buffered, read);
  }
}
