/** Modules of Node.js that few programs need: loading them costs each a millisecond or two, so they are loaded on first use. */
import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

export function readline(): typeof import('node:readline') {
  return load('node:readline') as typeof import('node:readline');
}

export function streamWeb(): typeof import('node:stream/web') {
  return load('node:stream/web') as typeof import('node:stream/web');
}

export function assert(): typeof import('node:assert') {
  return load('node:assert') as typeof import('node:assert');
}

export function perfHooks(): typeof import('node:perf_hooks') {
  return load('node:perf_hooks') as typeof import('node:perf_hooks');
}

export function workerThreads(): typeof import('node:worker_threads') {
  return load('node:worker_threads') as typeof import('node:worker_threads');
}
