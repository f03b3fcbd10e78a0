/** Programs in which what the native kernel is made of does not work, known before any of it is loaded. */

/** Why something is not tried, and what would help. */
export interface Refusal {
  readonly reason: string;
  readonly remedy: string;
}

const REMEDY = 'Run on Node.js';

/** Why koffi and the addon must not be loaded into this program. */
export function koffiRefusal(): Refusal | undefined {
  // Observed with Deno 2.9 and koffi 3.3: memory that koffi wraps ends the process in V8, and direct reads never end.
  return process.versions.deno === undefined
    ? undefined
    : { reason: 'koffi ends Deno, or hangs in it', remedy: REMEDY };
}

/** Why there can be no native kernel in this program. */
export function runtimeRefusal(): Refusal | undefined {
  // Observed with Bun 1.4: koffi's poll handles are no handles of its event loop.
  if (process.versions.bun !== undefined)
    return { reason: 'koffi cannot watch descriptors on Bun', remedy: REMEDY };
  return koffiRefusal();
}
