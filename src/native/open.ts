/** Opening the native kernel: once for each thread, and only where it has been seen to work. */
import { ERRNO } from '../common/abi/errno.ts';
import { AioError, AioStateError } from '../common/errors.ts';
import { loadAddon } from './addon.ts';
import { loadLibc } from './libc.ts';
import { NativeKernel } from './native-kernel.ts';
import { ProbeContext } from './probe-context.ts';
import { runtimeRefusal } from './refusals.ts';
import { SYSNO } from './sysno.ts';

let opened: { readonly kernel: NativeKernel; readonly doubt: string | undefined } | undefined;

const IGNORES_FLAGS =
  'its AIO takes flags that Linux refuses, so that those it should obey mean nothing either (is this gVisor?)';

/**
 * Opens the native kernel, having really done all that contexts and files then need: submitted requests, seen their events in the ring
 * and by `io_getevents`, been told by an eventfd, watched it.
 *
 * Where only the ring cannot be read, the kernel does without.
 *
 * @throws AioError with `code` ENOSYS (a kernel without AIO), EPERM (a seccomp filter), EAGAIN (aio-max-nr exhausted; the
 * message has the numbers), EMFILE (no descriptor left), or whatever loading koffi threw (`MODULE_NOT_FOUND` without the package).
 * AioStateError `ERR_AIO_BACKEND_UNAVAILABLE` in a program in which it is known not to work.
 */
export function openNativeKernel(): NativeKernel {
  if (opened !== undefined) return opened.kernel;
  const sysno = process.platform === 'linux' ? SYSNO[process.arch] : undefined;
  if (sysno === undefined) {
    throw new AioError('ENOSYS', ERRNO.ENOSYS, 'io_setup', {
      help: `There is no Linux AIO on ${process.platform} ${process.arch}`,
    });
  }
  const refusal = runtimeRefusal();
  if (refusal !== undefined) throw new AioStateError('ERR_AIO_BACKEND_UNAVAILABLE', refusal.reason);
  const kernel = new NativeKernel(loadLibc(), sysno, loadAddon().addon);
  const probe = new ProbeContext(kernel);
  try {
    probe.tryEverything();
    opened = { kernel, doubt: probe.ignoresFlags() ? IGNORES_FLAGS : undefined };
  } finally {
    probe.dispose();
  }
  return kernel;
}

/** Why a native kernel that works, and has been opened, is for those alone who ask for it. */
export function doubtOfNativeKernel(): string | undefined {
  return opened?.doubt;
}

/** The foreign function interface in use, and its version. @throws If there is none. */
export function ffiInUse(): {
  /** `koffi` or `node:ffi`. */
  readonly name: string;
  /** Its version: koffi's, or that of Node.js. */
  readonly version: string;
} {
  const { name, version } = loadLibc().ffi;
  return { name, version };
}
