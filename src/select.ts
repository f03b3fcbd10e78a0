/** Which kernel to use: the only file that knows both. */
import { readlinkSync } from 'node:fs';
import { AioStateError, codeOf } from './common/errors.ts';
import type { AioKernel } from './common/kernel/aio-kernel.ts';
import { workerThreads } from './common/lazy-builtins.ts';
import { providePins } from './common/memory/pins.ts';
import { environmentVariable } from './common/runtime.ts';
// Not all of the emulation: the simulated disk is for who asks for it.
import { emulatedKernel } from './emulated/emulated-kernel.ts';
import {
  doubtOfNativeKernel,
  koffiRefusal,
  loadAddon,
  nativePins,
  openNativeKernel,
  type Refusal,
  runtimeRefusal,
  trialHere,
  tryInThisProcess,
} from './native/index.ts';

// A call on descriptors of the host, whichever kernel has their transfers.
export { fallocate } from './native/index.ts';

/** What may be asked for. */
export type BackendPreference = 'auto' | 'native' | 'emulated';

const SEE_DOCTOR = 'Run `npx kaio doctor` for details';
const PREFERENCES: readonly BackendPreference[] = ['auto', 'native', 'emulated'];

/** Options of {@link selectKernel}. */
export interface SelectOptions {
  /** Default: the environment variable `KAIO_BACKEND`, else `'auto'`. */
  readonly backend?: BackendPreference;
}

/** A kernel, and how it came to be this one. */
export interface Selection {
  /** For an `AioContext`. A native one is the same for all of this thread. */
  readonly kernel: AioKernel;
  /** Which of the two. */
  readonly backend: 'native' | 'emulated';
  /** For people: what was asked for, or why the native kernel can't be used. */
  readonly reason: string;
}

/**
 * Chooses a kernel.
 *
 * Automatic choice takes the native kernel when a probe request has really gone through it, else the emulation, with
 * the reason.
 *
 * @throws AioStateError `ERR_AIO_UNKNOWN_BACKEND` for a preference that does not exist; `ERR_AIO_BACKEND_UNAVAILABLE`, with
 * the cause and the remedy, when `'native'` was asked for and can't be had.
 */
export function selectKernel(options: SelectOptions = {}): Selection {
  // For the emulation too, and the thread pool: asked when memory is to be kept in its place, and not before.
  providePins(nativePins);
  const { preference, origin } = asked(options);
  if (preference === 'emulated') return emulated(`${origin} asks for the emulation`);
  if (preference === 'native') tryInThisProcess();
  const refusal = refusalOf();
  if (refusal === undefined) {
    try {
      const kernel = openNativeKernel();
      const doubt = preference === 'auto' ? doubtOfNativeKernel() : undefined;
      if (doubt !== undefined)
        return unavailable(preference, doubt, 'Ask for it by KAIO_BACKEND=native, if it serves');
      return { kernel, backend: 'native', reason: 'a probe request has gone through the kernel' };
    } catch (error) {
      return unavailable(preference, messageOf(error), remedyOf(error), error);
    }
  }
  return unavailable(preference, refusal.reason, refusal.remedy);
}

/**
 * What is preferred when `backend` is what was asked for.
 *
 * @throws AioStateError `ERR_AIO_UNKNOWN_BACKEND`.
 */
export function preferenceOf(backend?: BackendPreference): BackendPreference {
  return asked(backend === undefined ? {} : { backend }).preference;
}

function asked({ backend }: SelectOptions): { preference: BackendPreference; origin: string } {
  const fromEnvironment = backend === undefined;
  const wanted = backend ?? (environmentVariable('KAIO_BACKEND') || 'auto');
  const preference = PREFERENCES.find((one) => one === wanted);
  const origin = fromEnvironment ? 'KAIO_BACKEND' : 'the option';
  if (preference === undefined) {
    throw new AioStateError(
      'ERR_AIO_UNKNOWN_BACKEND',
      `${origin} asks for the backend '${wanted}': there is ${PREFERENCES.join(', ')}`,
    );
  }
  return { preference, origin };
}

/** Reasons that are known before anything is loaded. */
function refusalOf(): Refusal | undefined {
  const refusal = runtimeRefusal() ?? trialHere().refusal;
  if (refusal !== undefined) return refusal;
  if (!isMainThread()) {
    const state = loadAddon();
    if (state.addon === undefined) {
      return {
        reason:
          'in a worker thread the kernel could write to memory that is gone when the thread is terminated, ' +
          `and there is no addon to prevent it (${state.reason})`,
        remedy: 'Build the addon (npm run build:addon), or use the native kernel on the main thread',
      };
    }
  }
  return undefined;
}

/** Node.js would have to load a module for the answer, with the streams it needs: 2 ms, where Linux tells it in 20 microseconds. */
function isMainThread(): boolean {
  return isFirstThread() || workerThreads().isMainThread;
}

/** Whether this thread is the process's first, which no worker is. */
function isFirstThread(): boolean {
  try {
    const [pid, , tid] = readlinkSync('/proc/thread-self').split('/');
    return pid === tid;
  } catch {
    // Another platform, or no procfs: not known this way.
    return false;
  }
}

function remedyOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'MODULE_NOT_FOUND':
    case 'ERR_MODULE_NOT_FOUND':
      return 'Install koffi: npm install koffi';
    case 'ERR_DLOPEN_DISABLED':
      return 'Allow native addons: node --allow-addons';
    case 'ERR_DLOPEN_FAILED':
      return "koffi's binary is damaged or for another machine: install koffi again on this one";
    case 'ENOSYS':
      return 'Run on a Linux kernel built with CONFIG_AIO';
    case 'EPERM':
      return 'A security filter forbids io_setup or io_submit: allow them in the seccomp profile';
    case 'EAGAIN':
      return 'Raise fs.aio-max-nr, or close contexts';
    case 'ERR_AIO_BACKEND_UNAVAILABLE':
      return koffiRefusal()?.remedy ?? SEE_DOCTOR;
    default:
      if (/--allow-ffi/.test(messageOf(error)))
        return 'Allow it: node --allow-ffi, or --allow-addons with koffi installed';
      // koffi's binaries are optional dependencies of its own, one for each machine.
      if (/native koffi module/i.test(messageOf(error)))
        return 'Install koffi again on this machine, with its optional dependencies: npm install koffi --include=optional';
      return SEE_DOCTOR;
  }
}

function messageOf(error: unknown): string {
  // A missing module's message goes on with the require stack.
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.replace(/\.$/, '');
}

function emulated(reason: string): Selection {
  return { kernel: emulatedKernel(), backend: 'emulated', reason };
}

function unavailable(
  preference: BackendPreference,
  reason: string,
  remedy: string,
  cause?: unknown,
): Selection {
  if (preference === 'native') {
    throw new AioStateError(
      'ERR_AIO_BACKEND_UNAVAILABLE',
      `The native kernel is unavailable: ${reason}. ${remedy}`,
      cause,
    );
  }
  return emulated(`the native kernel is unavailable: ${reason}. ${remedy}`);
}
