/** An operation on the disk, as it can be told from others, and who looks on while it begins and ends. */

/** One operation on the disk. */
export interface Operation {
  /** The number that the trace has before it. */
  readonly id: number;
  /** What was called, such as `'write'`, `'fdatasync'`, `'open'`, `'rename'`. */
  readonly syscall: string;
  /** The path as it was given; of a descriptor, the path that it was opened by. */
  readonly path: string;
  /** The second path of a call that has two: `rename`, `link`, `symlink`. */
  readonly dest: string | undefined;
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

/** What is no transfer. @param detail - More that the text has, behind a colon. */
export function asked(
  syscall: string,
  path: string,
  { dest, detail }: { readonly dest?: string | undefined; readonly detail?: string } = {},
): Asked {
  const paths = dest === undefined ? path : `${path} ${dest}`;
  const text = `${syscall} ${paths}${detail === undefined ? '' : `: ${detail}`}`;
  return { syscall, path, dest, position: undefined, length: undefined, text };
}
