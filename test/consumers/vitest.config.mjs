// As long as the children of a case have on a loaded machine.
export default { test: { include: ['vitest.spec.mjs'], testTimeout: 60_000 } };
