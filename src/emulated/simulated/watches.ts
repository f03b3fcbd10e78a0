/** Who wants to hear of changes of files and names, as inotify(7) tells of them. */
import type { Inode } from './inode.ts';

/** What has happened. One of the masks of inotify each. */
export type Happening =
  | 'attributes'
  | 'attributes of a directory'
  | 'created'
  | 'gone'
  | 'ignored'
  | 'modified'
  | 'moved'
  | 'moved from'
  | 'moved to'
  | 'removed';

export interface Watch {
  readonly inode: Inode;
  /** Whether it hears of all that is below, and not of its own entries alone. */
  readonly isDeep: boolean;
  /** @param name - Of what it has happened to, from the directory that is watched; `undefined` for that itself, or a file. */
  readonly notice: (happening: Happening, name: string | undefined) => void;
}

export class Watches {
  readonly #watches = new Set<Watch>();
  readonly #listeners = new Set<() => void>();

  /** @returns What ends it. */
  add(watch: Watch): () => void {
    this.#watches.add(watch);
    return () => void this.#watches.delete(watch);
  }

  /** Hears that something has changed, and not what. @returns What ends it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A file, or its attributes, of which directories hear too that have a name for it. */
  changed(inode: Inode, what: 'attributes' | 'modified'): void {
    const happening = inode.kind === 'directory' ? 'attributes of a directory' : what;
    for (const watch of this.#watches) {
      for (const name of namesIn(watch, inode)) watch.notice(happening, name);
      if (watch.inode === inode) watch.notice(happening, undefined);
    }
    this.#tell();
  }

  /** Something that only whoever watches the file itself hears of. */
  itself(inode: Inode, ...happenings: readonly Happening[]): void {
    for (const watch of this.#watches) {
      if (watch.inode === inode) for (const happening of happenings) watch.notice(happening, undefined);
    }
    this.#tell();
  }

  /** A name in a directory. */
  named(directory: Inode, name: string, happening: Happening): void {
    for (const watch of this.#watches) {
      if (watch.inode === directory) watch.notice(happening, name);
      else if (watch.isDeep) {
        for (const way of namesIn(watch, directory)) watch.notice(happening, `${way}/${name}`);
      }
    }
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** The names that a file has in the directory that is watched. */
function* namesIn(
  { inode, isDeep }: Pick<Watch, 'inode' | 'isDeep'>,
  file: Inode,
  below = '',
): Generator<string> {
  for (const [name, entry] of inode.entries) {
    if (entry === file) yield `${below}${name}`;
    if (isDeep && entry.kind === 'directory')
      yield* namesIn({ inode: entry, isDeep }, file, `${below}${name}/`);
  }
}
