/** kaio: Linux kernel AIO for Node.js. */
export * as abi from './common/abi/index.ts';
export { AlignedBufferPool, type Alignment, alignedBuffer } from './common/aligned.ts';
export {
  AioContext,
  type AioContextOptions,
  type AioRequest,
  type OperationOptions,
  type TransferOptions,
} from './common/context.ts';
export {
  AbortError,
  AioError,
  type AioErrorDetails,
  type AioStateCode,
  AioStateError,
  errnoException,
} from './common/errors.ts';
export { AioFile, type AioTransferOptions } from './common/file.ts';
export type { AioWriteResult } from './common/file-results.ts';
export type { Unaligned } from './common/file-io.ts';
export type {
  Address,
  AioContextId,
  AioKernel,
  AioLimits,
  DirectAlignment,
  EventfdWatcher,
  Memory,
  Protection,
  SubmitThread,
  Word,
} from './common/kernel.ts';
export type { DescriptorCalls, KernelFiles } from './common/kernel-files.ts';
export { pageAlignedBuffer } from './common/page-aligned.ts';
export type { AioRing, EventSink } from './common/ring.ts';
export type { Route } from './common/routing.ts';
export type { AioStats } from './common/stats.ts';
export { FEATURES, type Feature, type Supports } from './common/supports.ts';
export type { Descriptor } from './common/validate.ts';
export { type DescriptorOptions, fromDescriptor, type OpenOptions, open } from './open.ts';
export { type BackendPreference, type Selection, type SelectOptions, selectKernel } from './select.ts';
