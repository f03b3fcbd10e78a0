/**
 * kaio: Linux kernel AIO for Node.js.
 *
 * @module kaio
 */
/** The ABI of Linux AIO: numbers, layouts, encoders, decoders, and preparation helpers. */
export * as abi from './common/abi/index.ts';
export { AioContext } from './common/context/aio-context.ts';
export type { DiagnosticsMessages } from './common/context/channels.ts';
export type {
  AioContextOptions,
  AioRequest,
  OperationOptions,
  TransferOptions,
} from './common/context/context-types.ts';
export type { AioStats } from './common/context/stats.ts';
export {
  AbortError,
  AioError,
  type AioErrorDetails,
  type AioStateCode,
  AioStateError,
  errnoException,
} from './common/errors.ts';
export type {
  AioFileExtras,
  AioReadOptions,
  AioTransferOptions,
  AioVectorOptions,
  AioWriteOptions,
  FileData,
  Routes,
  WriteFileOptions,
} from './common/file/aio-file-type.ts';
export type { AllocateOptions } from './common/file/allocation.ts';
export type { BlockDevice } from './common/file/block-device.ts';
export type { Unaligned } from './common/file/direct-transfers.ts';
export type { AioWriteResult } from './common/file/file-results.ts';
export type { Route } from './common/file/routing.ts';
export { type IoPriorityClass, ioprio } from './common/ioprio.ts';
export type {
  Address,
  AioContextId,
  AioKernel,
  AioLimits,
  DescriptorMeanings,
  DirectAlignment,
  EventfdWatcher,
  Memory,
  Protection,
  SubmitThread,
  Word,
} from './common/kernel/aio-kernel.ts';
export type { DescriptorCalls, KernelFiles, KernelNames } from './common/kernel/kernel-files.ts';
export type { AioRing, EventSink } from './common/kernel/mapped-ring.ts';
export { FEATURES, type Feature, type Supports } from './common/kernel/supports.ts';
export { AlignedBufferPool, type Alignment, alignedBuffer } from './common/memory/aligned.ts';
export { pageAlignedBuffer } from './common/memory/page-aligned.ts';
export type { Descriptor } from './common/validate.ts';
export { AioFile, type DescriptorOptions, fromDescriptor, type OpenOptions, open } from './open.ts';
export { type ReplaceFileOptions, replaceFile } from './replace-file.ts';
export { type BackendPreference, type Selection, type SelectOptions, selectKernel } from './select.ts';
