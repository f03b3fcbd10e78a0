/** Options that several subcommands share. */
import { InvalidArgumentError, Option } from 'commander';
import type { BackendPreference } from '../select.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 * 1024 };
const MAX_BLOCK_BYTES = 1024 * 1024 * 1024;

export interface WithBackend {
  readonly backend?: BackendPreference;
}

/** `--backend`. Without it KAIO_BACKEND decides, else kaio itself. */
export function backendOption(): Option {
  return new Option('--backend <name>', 'which kernel: native, emulated or auto').choices([
    'native',
    'emulated',
    'auto',
  ]);
}

/** A number of 1 or more. */
export function countArgument(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65536)
    throw new InvalidArgumentError('Not between 1 and 65536.');
  return value;
}

/** Bytes, with k and m for KiB and MiB. */
export function blockSizeArgument(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([km]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = digits === undefined ? Number.NaN : Number(digits) * UNITS[unit.toLowerCase()]!;
  if (!(bytes >= 512 && bytes <= MAX_BLOCK_BYTES))
    throw new InvalidArgumentError('Not between 512 bytes and 1 GiB.');
  return bytes;
}
