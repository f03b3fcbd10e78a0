/** The error that brings a history with it. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Trace } from '../simulated/trace.ts';

/** What a failure is said to belong to. */
export interface Failing {
  readonly seed: bigint;
  readonly trace: Trace;
}

/**
 * Where the page of a failure is put: a folder, which is made where it is missing; `true` for one of the host's temporary folders, the
 * same for the whole process; `false` for no page.
 */
export type Pages = string | boolean;

/**
 * A program failed in a simulation. The message has the seed, the end of the trace, and where a page of the history is, if one was
 * written; `cause` is what was thrown.
 */
export class SimulationError extends Error {
  static {
    Object.defineProperty(SimulationError.prototype, 'name', {
      value: 'SimulationError',
      configurable: true,
      writable: true,
    });
  }
  /** The contract, where the message may change. */
  readonly code = 'ERR_AIO_SIMULATION';
  /** Makes this history again. */
  readonly seed: bigint;
  /** The history, as far as it is kept. */
  readonly trace: string;
  /** The path of the page that shows it. */
  declare readonly page?: string;

  /** @internal */
  constructor(message: string, { seed, trace }: Failing, cause?: unknown, pages: Pages = false) {
    const page = pages === false ? undefined : writePage(message, seed, trace, pages);
    super(
      `${message}\nseed ${seed}, the end of its history:\n${trace.tail()}${page === undefined ? '' : `\n${page.told}`}`,
      cause === undefined ? undefined : { cause },
    );
    this.seed = seed;
    this.trace = trace.toString();
    if (page?.path !== undefined) this.page = page.path;
  }
}

let temporary: string | undefined;

/** Whatever goes wrong here, the failure itself is what must be told. */
function writePage(
  failure: string,
  seed: bigint,
  trace: Trace,
  pages: string | true,
): { readonly path?: string; readonly told: string } {
  try {
    // A name that others could guess would let them choose what is written over.
    if (pages === true) temporary ??= mkdtempSync(join(tmpdir(), 'kaio-simulation-'));
    const folder = pages === true ? temporary! : resolve(pages);
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `seed-${seed}.html`);
    writeFileSync(path, trace.html({ title: `The history of seed ${seed}`, failure }));
    return { path, told: `all of it, to look at: ${path}` };
  } catch (error) {
    return { told: `no page of it: ${error instanceof Error ? error.message : String(error)}` };
  }
}
