/** A package that writes files, as the trial sees it. */

/** Something that it keeps on the disk of the current simulation. Made anew for each life of the machine. */
export interface Store {
  /** Makes what there is before the first step. */
  begin?(): Promise<unknown>;
  /** Saves something. When this has returned, whoever has asked believes that it is saved. */
  step(number: number): Promise<unknown>;
  /**
   * Reads all that was saved, and checks it.
   *
   * @returns The number of the last step that is there, with all before it; 0 for none.
   * @throws What the package throws for what it cannot read, and Error for what was never saved.
   */
  find(): Promise<number>;
}

/** Loads a package that was installed. */
export type Load = <T>(name: string) => Promise<T>;

export interface Subject {
  /** As npm knows it, with the version that was tried. */
  readonly spec: string;
  /** What is installed beside it, and sees the simulation too: what it writes files by. */
  readonly by?: readonly string[];
  /** What it is, and how it was used. */
  readonly what: string;
  /** What its documentation says of ends that nobody has planned, in short. */
  readonly promise: string;
  readonly load: (load: Load) => Promise<() => Store>;
}

export function nameOf({ spec }: Subject): string {
  return spec.slice(0, spec.lastIndexOf('@'));
}

const ENTRIES = 300;

/** A document of some sectors, whose parts all tell of one step. */
export interface Document {
  readonly step: number;
  readonly entries: readonly number[];
}

export function documentOf(step: number): Document {
  return { step, entries: Array.from({ length: ENTRIES }, () => step) };
}

/** @returns Its step. @throws Error for what is no whole document of one step. */
export function stepOf(found: unknown): number {
  const { step, entries } = (found ?? {}) as Partial<Document>;
  if (typeof step !== 'number' || entries?.length !== ENTRIES || entries.some((one) => one !== step))
    throw new Error('it is no document that was saved');
  return step;
}

/** Nothing was saved yet where the file is not there. */
export async function orNone(read: () => Promise<number> | number): Promise<number> {
  try {
    return await read();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** How many of the lines of a log are there, of which the last may be a part. @throws Error for anything else in it. */
export function linesIn(text: string, line: (number: number) => string): number {
  let left = text;
  let count = 0;
  for (let next = line(1); left.startsWith(next); next = line(count + 1)) {
    left = left.slice(next.length);
    count++;
  }
  if (!line(count + 1).startsWith(left)) throw new Error(`after ${count} lines comes what was never written`);
  return count;
}

const LINE_BYTES = 700;
export const RECORD_BYTES = 3000;

export const lineOf = (number: number): string => `${`line ${number} `.padEnd(LINE_BYTES, `${number}`)}\n`;
export const recordOf = (number: number): Buffer => Buffer.alloc(RECORD_BYTES, `record ${number} `);
export const isRecord = (found: Uint8Array | null | undefined, number: number): boolean =>
  found !== undefined && found !== null && recordOf(number).equals(found);

/** How many records are there, read one after another until there is none. @throws Error for one that is not as it was saved. */
export async function recordsBy(
  read: (number: number) => Promise<Uint8Array | null | undefined>,
): Promise<number> {
  for (let number = 1; ; number++) {
    const found = await read(number);
    if (found === undefined || found === null) return number - 1;
    if (!isRecord(found, number)) throw new Error(`record ${number} is not as it was saved`);
  }
}
