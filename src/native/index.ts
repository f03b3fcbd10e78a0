/**
 * The native kernel: Linux itself.
 *
 * @module kaio/native
 */
export { askAbiOracle } from './abi-oracle.ts';
export { type AddonState, judge, loadAddon } from './addon.ts';
export { fallocate } from './fallocate.ts';
export { NativeKernel } from './native-kernel.ts';
export { doubtOfNativeKernel, ffiInUse, openNativeKernel } from './open.ts';
export { nativePins, type PinsState, pinsState } from './pins.ts';
export { koffiRefusal, type Refusal, runtimeRefusal } from './refusals.ts';
export { trialHere, tryInThisProcess } from './trial.ts';
