/** Makes the kernel that `kaio conformance` asks, in the child process that runs the cases. */
import { hostOf } from '../../test/conformance/index.ts';
import type { AioKernel } from '../common/kernel/aio-kernel.ts';
import { type ExecutorName, emulatedKernel, type ProfileName } from '../emulated/index.ts';
import { type BackendPreference, selectKernel } from '../select.ts';

export interface WantedKernel {
  readonly backend?: BackendPreference;
  readonly profile?: ProfileName;
  readonly executor?: ExecutorName;
}

let native: AioKernel | undefined;

/** A fresh emulation each time; there is but one native kernel. */
export default function open({ backend, profile, executor }: WantedKernel): AioKernel {
  if (native !== undefined) return native;
  if (profile !== undefined || executor !== undefined) {
    return emulatedKernel({
      ...(profile === undefined ? {} : { profile }),
      ...(executor === undefined ? {} : { executor }),
    });
  }
  const { kernel, backend: selected } = selectKernel(backend === undefined ? {} : { backend });
  if (selected === 'native') native = kernel;
  return kernel;
}

export const host = hostOf;
