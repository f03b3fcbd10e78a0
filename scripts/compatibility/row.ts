/** One line of the table. */
import type { Workshop } from './workshop.ts';

export interface Row {
  /** Unique. */
  readonly title: string;
  /** What is printed where everything is as it should be. */
  readonly expected: string | RegExp;
  /** For the page: what users have to know, or why it is the emulation. */
  readonly remark?: string;
  /** Why it cannot be tried on this machine. */
  readonly skip?: () => string | undefined;
  /** @returns What was printed. @throws Error if anything ends otherwise than well. */
  readonly run: (workshop: Workshop) => string | Promise<string>;
}

/** Rows about one thing. */
export interface Group {
  readonly title: string;
  readonly rows: readonly Row[];
}

export const NATIVE = 'native 100 with the addon';
export const EMULATED = /^emulated 100 /;
/** Where only koffi is missing. */
export const EMULATED_WITH_ADDON = 'emulated 100 with the addon';
