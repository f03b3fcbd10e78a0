// node --import: `vitest` is the module beside this one.
import { register } from 'node:module';

const shim = new URL('../../../dist/test/support/node-test/vitest.js', import.meta.url).href;
const hook = `export async function resolve(specifier, context, next) {
  return specifier === 'vitest' ? { url: ${JSON.stringify(shim)}, shortCircuit: true } : next(specifier, context);
}`;
register(`data:text/javascript,${encodeURIComponent(hook)}`);
