/** Programs in which what the native kernel is made of does not work, known before any of it is loaded. */
import { readFileSync } from 'node:fs';

/** Why something is not tried, and what would help. */
export interface Refusal {
  /** A part of a sentence, for people. */
  readonly reason: string;
  /** A sentence without its full stop, for people. */
  readonly remedy: string;
}

const REMEDY = 'Run on Node.js';
const WITHOUT_KOFFI = 'Run Node.js 26.9 or later, whose node:ffi takes the place of koffi';

/** Processors that koffi has binaries for, by `process.arch` (koffi 3.3). */
const KOFFI_ARCHITECTURES: ReadonlySet<string> = new Set([
  'x64',
  'ia32',
  'arm64',
  'arm',
  'ppc64',
  'riscv64',
  'loong64',
]);

/** Extensions that the compiler of koffi's binary for riscv64 takes for granted, of the profile RVA23. Most boards lack them. */
const RVA23 = ['v', 'zba', 'zbb', 'zbs', 'zcb', 'zfa', 'zicond'];

/**
 * Which of those a processor lacks.
 *
 * @param cpuinfo - `/proc/cpuinfo`, with a line such as `isa : rv64imafdcv_zba_zbb` for each.
 */
export function missingFromRva23(cpuinfo: string): string[] {
  const lines = [...cpuinfo.matchAll(/^isa\s*:\s*rv64(\S+)$/gm)].map(([, isa]) => isa!.split('_'));
  const has = (isa: string[] | undefined, name: string): boolean =>
    isa !== undefined && (name.length === 1 ? isa[0]!.includes(name) : isa.slice(1).includes(name));
  return RVA23.filter((name) => lines.length === 0 || !lines.every((isa) => has(isa, name)));
}

function processorRefusal(): Refusal | undefined {
  if (process.platform !== 'linux') return undefined;
  if (!KOFFI_ARCHITECTURES.has(process.arch))
    return { reason: `there is no koffi for ${process.arch}`, remedy: WITHOUT_KOFFI };
  if (process.arch !== 'riscv64') return undefined;
  let cpuinfo = '';
  try {
    cpuinfo = readFileSync('/proc/cpuinfo', 'latin1');
  } catch {
    // Without procfs nothing is known of it.
  }
  const missing = missingFromRva23(cpuinfo);
  // Observed with koffi 3.3.4: the process ends by SIGILL when its binary is loaded.
  return missing.length === 0
    ? undefined
    : {
        reason: `koffi's binary for riscv64 needs a processor of the profile RVA23, and this one is not known to have ${missing.join(', ')}`,
        remedy: WITHOUT_KOFFI,
      };
}

let known: { readonly refusal: Refusal | undefined } | undefined;

/** Why no foreign function interface and no addon must be loaded into this program. */
export function programRefusal(): Refusal | undefined {
  // Observed with Deno 2.9 and koffi 3.3: memory that koffi wraps ends the process in V8, and direct reads never end.
  return process.versions.deno === undefined
    ? undefined
    : { reason: 'koffi ends Deno, or hangs in it', remedy: REMEDY };
}

/** Why koffi cannot be loaded on this machine, where another foreign function interface may be. */
export function koffiRefusal(): Refusal | undefined {
  known ??= { refusal: processorRefusal() };
  return known.refusal;
}

/** Why there can be no native kernel in this program. */
export function runtimeRefusal(): Refusal | undefined {
  // Observed with Bun 1.4: koffi's poll handles are no handles of its event loop.
  if (process.versions.bun !== undefined)
    return { reason: 'koffi cannot watch descriptors on Bun', remedy: REMEDY };
  return programRefusal();
}
