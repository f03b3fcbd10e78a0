/** Telling the errors of a machine that is gone from those that mean something. */

const DEAD = /\bENODEV\b/;
/** Errors can be their own cause. */
const DEEPEST = 16;

/**
 * Whether an error says no more than that the machine, or the process, is gone: that of an operation which was under way at a crash, or
 * was asked for after it. Nothing else on a simulated disk fails with ENODEV.
 *
 * @param error - What was thrown or logged, also wrapped: `cause`, the `errors` of an AggregateError, and where there is no code,
 * the message, are looked at.
 */
export function isOfDeadMachine(error: unknown): boolean {
  return isDead(error, 0);
}

function isDead(error: unknown, depth: number): boolean {
  if (typeof error === 'string') return DEAD.test(error);
  if (typeof error !== 'object' || error === null || depth > DEEPEST) return false;
  const { code, message, cause, errors } = error as Record<'code' | 'message' | 'cause' | 'errors', unknown>;
  if (code === 'ENODEV') return true;
  if (isDead(cause, depth + 1)) return true;
  // One that means something is not excused by its company.
  if (Array.isArray(errors) && errors.length > 0) return errors.every((one) => isDead(one, depth + 1));
  return code === undefined && typeof message === 'string' && DEAD.test(message);
}
