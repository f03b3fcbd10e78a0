/** A kernel as somebody else would bring it: an implementation with a name of its own. */
import { emulatedKernel } from 'kaio/emulated';

/** @returns {import('kaio/conformance').AioKernel} */
export default function open() {
  const kernel = emulatedKernel();
  return new Proxy(kernel, {
    get(target, property) {
      if (property === 'name') return 'somebody';
      if (property === 'io_cancel' && process.env.WRONG === 'io_cancel') return () => 0;
      const value = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
