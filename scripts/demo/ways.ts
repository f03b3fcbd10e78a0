/** What the demo compares. */
import { AioStateError } from '../../src/index.ts';

export interface Way {
  readonly name: string;
  /** `undefined`: fs.promises. */
  readonly backend: 'native' | 'emulated' | undefined;
}

export const WAYS: readonly Way[] = [
  { name: 'kaio, native', backend: 'native' },
  { name: 'kaio, emulated', backend: 'emulated' },
  { name: 'fs.promises', backend: undefined },
];

/** Whether this machine has not got that backend: a reason to show, and no failure. */
export function isUnavailable(error: unknown): error is AioStateError {
  return error instanceof AioStateError && error.code === 'ERR_AIO_BACKEND_UNAVAILABLE';
}
