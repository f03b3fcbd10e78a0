/** Known differences from Linux, as data: each turns red when it vanishes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** What kaio runs on: the platform, or what passes itself off as one. */
export type HostSystem = NodeJS.Platform | 'wine';

/** The system that this runs on, as divergences name it. */
export function hostSystem(): HostSystem {
  const { SystemRoot = 'C:\\windows' } = process.env;
  return process.platform === 'win32' && existsSync(join(SystemRoot, 'system32', 'winecfg.exe'))
    ? 'wine'
    : process.platform;
}

/** A case that a kernel fails, as it is meant to. */
export interface Divergence {
  /** Id of the case. */
  readonly id: string;
  /** Name of the kernel. */
  readonly backend: string;
  /** Where it differs. Without it, everywhere. */
  readonly host?: HostSystem;
  /** Why it cannot be otherwise. */
  readonly reason: string;
  /** What the failure must say: another failure is not the known one. */
  readonly expected: RegExp;
}

/** Where kaio itself answers otherwise than Linux, on purpose. */
export const DIVERGENCES: readonly Divergence[] = [
  {
    id: 'transfer/write-then-read',
    backend: 'emulated',
    host: 'wine',
    // scripts/kernels/wine-proofs.ts shows it without kaio.
    reason:
      'Wine keeps no time of birth: that of a file moves when it is written, so a descriptor seems to mean another file',
    expected: /8,\n\+ {3}-9\n/,
  },
  {
    id: 'seed/error-hides-progress',
    backend: 'emulated',
    host: 'wine',
    reason:
      'Wine keeps no time of birth: when a part of a transfer has been written, the descriptor seems to mean another file for the rest',
    expected: /'-EBADF'\n- '-EFAULT'/,
  },
];
