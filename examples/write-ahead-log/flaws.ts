/** Storages that break a promise of the log, each in its own way. */
import type { AioFile } from 'kaio';
import { type Promised, Storage } from './storage.ts';

/** A storage that forgets to make one kind of thing durable, and says that it has. */
export class ForgetfulStorage extends Storage {
  readonly #forgotten: Promised;

  constructor(options: ConstructorParameters<typeof Storage>[0], forgotten: Promised) {
    super(options);
    this.#forgotten = forgotten;
  }

  override async promise(why: Promised, file: Parameters<Storage['promise']>[1]): Promise<void> {
    if (why !== this.#forgotten) await super.promise(why, file);
  }

  override async promiseNames(why: Promised): Promise<void> {
    if (why !== this.#forgotten) await super.promiseNames(why);
  }
}

/** A storage that begins to sync what it has not written yet: side by side it is faster, and covers nothing. */
export class HastyStorage extends Storage {
  #writing: Promise<void> = Promise.resolve();

  override async write(file: AioFile, bytes: Uint8Array, position: number): Promise<void> {
    this.#writing = super.write(file, bytes, position);
  }

  override async promise(why: Promised, file: AioFile): Promise<void> {
    await Promise.all([this.#writing, super.promise(why, file)]);
  }
}

/** What can be wrong with a log: a kind of sync that is left out, or syncs that begin too early. */
export type Flaw = Promised | 'hasty';

export const FLAWS: readonly Flaw[] = ['batch', 'content', 'segment', 'name', 'hasty'];

export function storageWith(
  flaw: Flaw | undefined,
  options: ConstructorParameters<typeof Storage>[0],
): Storage {
  if (flaw === undefined) return new Storage(options);
  return flaw === 'hasty' ? new HastyStorage(options) : new ForgetfulStorage(options, flaw);
}
