/** The kernels of this machine, for tests that run on each. */
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';

export interface KernelUnderTest {
  readonly name: 'native' | 'emulated';
  readonly open: () => AioKernel;
  /** Why it cannot be tested here. */
  readonly missing?: string;
}

function native(): KernelUnderTest {
  try {
    openNativeKernel();
    return { name: 'native', open: openNativeKernel };
  } catch (error) {
    return {
      name: 'native',
      open: openNativeKernel,
      missing: error instanceof Error ? error.message : String(error),
    };
  }
}

export const KERNELS: readonly KernelUnderTest[] = [
  native(),
  { name: 'emulated', open: () => emulatedKernel() },
];

/** A kernel with some calls replaced; everything else goes to the one behind it. */
export function replacing(kernel: AioKernel, calls: Partial<AioKernel>): AioKernel {
  return new Proxy(kernel, {
    get(target, property) {
      const replaced: unknown = Reflect.get(calls, property);
      if (replaced !== undefined) return replaced;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
