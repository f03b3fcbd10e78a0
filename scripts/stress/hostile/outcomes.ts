/** What an operation may come to: which errors are all right. */
import { nameOf } from './requests.ts';

/** Errors of Node's form have a code. */
export function faultOf(error: unknown): string | undefined {
  if (error instanceof Error && typeof (error as { code?: unknown }).code === 'string') return undefined;
  return `an error without a code: ${nameOf(error)}`;
}

/** A promise whose rejection is all right, if it is an error with a code. */
export async function tolerated(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (faultOf(error) !== undefined) throw error;
  }
}

/** @returns What is wrong, unless it throws an error that has a code, or, from the engine, need not have one. */
export function throwsNot(act: () => unknown, wrong: string, byTheEngine = false): string | undefined {
  try {
    return act() === undefined && byTheEngine ? undefined : wrong;
  } catch (error) {
    return byTheEngine ? undefined : faultOf(error);
  }
}
