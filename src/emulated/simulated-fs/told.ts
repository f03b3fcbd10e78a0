/** An operation under another name: its errors speak of what was asked for. */
import type { Steps, Subject } from '../simulated/steps.ts';

export function* told<T>(operation: Steps<T>, subject: Partial<Subject>): Steps<T> {
  let next = operation.next();
  while (next.done !== true) {
    const step = next.value;
    let result: number;
    try {
      result = yield 'promise' in step ? step : { ...step, ...subject };
    } catch (error) {
      next = operation.throw(error);
      continue;
    }
    next = operation.next(result);
  }
  return next.value;
}
