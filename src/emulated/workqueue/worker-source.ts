/** Functions as programs of worker threads. */

/** A bundler that keeps the names of functions calls this inside of them. */
const PRELUDE = `'use strict'; const __name = (target) => target;`;

/** @param body - It uses nothing from around it: the modules are its arguments. */
export function workerSource(body: (...modules: never[]) => void): string {
  return `${PRELUDE} (${body})(require('node:worker_threads'), require('node:fs'), require('node:child_process'));`;
}
