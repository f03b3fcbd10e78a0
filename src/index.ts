/** kaio: Linux kernel AIO for Node.js. */
export * as abi from './common/abi/index.ts';
export {
  AioContext,
  type AioContextOptions,
  type OperationOptions,
  type TransferOptions,
} from './common/context.ts';
export {
  AbortError,
  AioError,
  type AioErrorDetails,
  AioStateError,
  type AioStateCode,
  errnoException,
} from './common/errors.ts';
export type {
  Address,
  AioContextId,
  AioKernel,
  AioLimits,
  EventfdWatcher,
  Memory,
  Protection,
  Word,
} from './common/kernel.ts';
export { pageAlignedBuffer } from './common/page-aligned.ts';
export type { AioRing, EventSink } from './common/ring.ts';
export { FEATURES, type Feature, type Supports } from './common/supports.ts';
export type { Descriptor } from './common/validate.ts';
export { type BackendPreference, type SelectOptions, type Selection, selectKernel } from './select.ts';
