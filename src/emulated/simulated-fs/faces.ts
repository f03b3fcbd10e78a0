/** The three faces of an operation: synchronous, with a callback, and as a promise. */
import { AsyncResource } from 'node:async_hooks';
import { promised, run, runNow, type Steps } from '../simulated/steps.ts';
import type { VirtualClock } from '../simulated/virtual-clock.ts';
import { askWithoutCallback } from './admission.ts';

/** How an operation is asked for. */
export type Face = 'sync' | 'callback' | 'promise';

/** An operation with the arguments that Node gives it. */
export interface Call {
  readonly operation: (...args: never[]) => Steps<unknown>;
  /** Arguments before a callback: at least, and at most. */
  readonly arity: readonly [least: number, most: number];
  /** What a callback is given beside `null`. Default: the value, if there is one. */
  readonly spread?: (value: unknown, args: readonly unknown[], error: unknown) => unknown[];
}

/** Where there is no callback, Node takes what is in its place before. */
const FALLS_BACK = ['readFile', 'writeFile', 'appendFile'];

type Loose = (...args: unknown[]) => Steps<unknown>;
type Callback = (...args: unknown[]) => void;

export function synchronous(clock: VirtualClock, { operation }: Call): (...args: unknown[]) => unknown {
  return (...args) => runNow(clock, (operation as Loose)(...args));
}

export function promising({ operation }: Call): (...args: unknown[]) => Promise<unknown> {
  return async (...args) => promised((operation as Loose)(...args));
}

export function calling(
  name: string,
  { operation, arity, spread = theValue }: Call,
): (...args: unknown[]) => void {
  const [least, most] = arity;
  return (...all) => {
    const at = all.findIndex(
      (value, index) => index >= least && index <= most && typeof value === 'function',
    );
    if (at === -1) {
      askWithoutCallback(name, all, all[most] || (FALLS_BACK.includes(name) ? all[most - 1] : undefined));
      return;
    }
    const args = all.slice(0, at);
    const callback = inContext(all[at] as Callback);
    const begun = (operation as Loose)(...args);
    // What is wrong with the arguments is thrown here.
    const first = begun.next();
    run(
      begun,
      (error, value) => {
        callback(error, ...spread(value, args, error));
      },
      first,
    );
  };
}

function theValue(value: unknown): unknown[] {
  return value === undefined ? [] : [value];
}

/** A callback that is called in a turn of its own, where its errors are nobody else's, and in the context of the caller. */
export function inContext(callback: Callback): Callback {
  const resource = new AsyncResource('FSREQCALLBACK');
  return (...args) =>
    process.nextTick(() => {
      resource.runInAsyncScope(callback, undefined, ...args);
      resource.emitDestroy();
    });
}
