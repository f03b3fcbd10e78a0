/** An operation on the disk, as it can be told from others, and who looks on while it begins and ends. */

/** One operation on the disk. */
export interface Operation {
  /** The number that the trace has before it. */
  readonly id: number;
  /** What was called, such as `'write'`, `'fdatasync'`, `'open'`, `'rename'`. */
  readonly syscall: string;
  /** The path as it was given; of a descriptor, the path that it was opened by. */
  readonly path: string;
  /** Where a transfer begins; of a write that appends, where the file ended when it was asked for. */
  readonly position: number | undefined;
  /** Bytes of a transfer. */
  readonly length: number | undefined;
  /** As the trace has it: `write /log at 0, 8 bytes (6849d5ab)`. */
  readonly text: string;
}

/** Who looks on. */
export interface Watch {
  /** It is under way now. */
  readonly began?: (operation: Operation) => void;
  /**
   * Its time has come.
   *
   * @param end - Lets it have its effect.
   * @returns Whether it is left to the watch to call `end`, or not to.
   */
  readonly ends?: (operation: Operation, end: () => void) => boolean;
  /** It has had its effect, and whoever asked for it was told. */
  readonly ended?: (operation: Operation) => void;
}

/** What an operation is before it has a number. */
export type Asked = Omit<Operation, 'id'>;

/** @param text - Its first word is what was called, and what follows a path, up to a colon at the end of a word. */
export function askedOf(text: string): Asked {
  const [, syscall = text, path = ''] = /^(\S+) (.*?)(?:: .*)?$/s.exec(text) ?? [];
  return { syscall, path, position: undefined, length: undefined, text };
}
