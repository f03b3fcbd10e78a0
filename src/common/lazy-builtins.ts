/** Modules of Node.js that few programs need: loading them costs each a millisecond or two, so they are loaded on first use. */

export function readline(): typeof import('node:readline') {
  return process.getBuiltinModule('node:readline');
}

export function streamWeb(): typeof import('node:stream/web') {
  return process.getBuiltinModule('node:stream/web');
}

export function assert(): typeof import('node:assert') {
  return process.getBuiltinModule('node:assert');
}

export function crypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto');
}

export function perfHooks(): typeof import('node:perf_hooks') {
  return process.getBuiltinModule('node:perf_hooks');
}

export function workerThreads(): typeof import('node:worker_threads') {
  return process.getBuiltinModule('node:worker_threads');
}
