/** Opening the native kernel: once for each thread, and only where it has been seen to work. */
import { ERRNO } from '../common/abi/errno.ts';
import { AioError } from '../common/errors.ts';
import { loadAddon } from './addon.ts';
import { loadLibc } from './libc.ts';
import { NativeKernel } from './native-kernel.ts';
import { ProbeContext } from './probe-context.ts';
import { SYSNO } from './sysno.ts';

let opened: NativeKernel | undefined;

/**
 * Opens the native kernel, having really submitted a request and seen its event.
 *
 * @throws AioError with `code` ENOSYS (a kernel without AIO), EPERM (a seccomp filter), EAGAIN (aio-max-nr exhausted; the
 * message has the numbers), or whatever loading koffi threw (`MODULE_NOT_FOUND` without the package).
 */
export function openNativeKernel(): NativeKernel {
  if (opened !== undefined) return opened;
  const sysno = process.platform === 'linux' ? SYSNO[process.arch] : undefined;
  if (sysno === undefined) {
    throw new AioError('ENOSYS', ERRNO.ENOSYS, 'io_setup', {
      help: `There is no Linux AIO on ${process.platform} ${process.arch}`,
    });
  }
  const kernel = new NativeKernel(loadLibc(), sysno, loadAddon().addon);
  const probe = new ProbeContext(kernel);
  try {
    probe.askWhetherReadsWork();
  } finally {
    probe.dispose();
  }
  opened = kernel;
  return kernel;
}

/** The version of koffi. @throws If it can't be loaded. */
export function koffiVersion(): string {
  return loadLibc().koffiVersion;
}
