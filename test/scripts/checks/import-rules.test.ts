import { describe, expect, it } from 'vitest';
import { importsOf, violationsIn } from '../../../scripts/checks/import-rules.ts';

describe('importsOf', () => {
  it.each([
    ['a static import', "import { a } from './a.ts';"],
    ['a type import', "import type { A } from './a.ts';"],
    ['an export', "export * from './a.ts';"],
    ['a type export', "export type { A } from './a.ts';"],
    ['a dynamic import', "const a = await import('./a.ts');"],
    ['a type query', "let a: import('./a.ts').A;"],
    ['require', "const a = require('./a.ts');"],
    ['a made require', "const a = createRequire(import.meta.url)('./a.ts') as A;"],
    ['require.resolve', "const a = require.resolve('./a.ts');"],
  ])('finds %s', (_title, source) => {
    expect(importsOf(source)).toContain('./a.ts');
  });

  it('finds nothing in comments and strings', () => {
    expect(importsOf("// import './a.ts'\nconst a = \"import './a.ts'\";\n")).toEqual([]);
  });
});

describe('violationsIn', () => {
  it.each([
    ['src/cli/cli.ts', '../index.ts'],
    ['src/cli/conformance.ts', '../../conformance/index.ts'],
    ['src/cli/bench.ts', '../../../bench/index.ts'],
    ['bench/engines/calls.ts', '../../../src/native/index.ts'],
    ['src/cli/cli.ts', 'commander'],
    ['src/cli/cli.ts', 'kaio/package.json'],
    ['src/index.ts', './select.ts'],
    ['src/select.ts', './native/index.ts'],
    ['src/select.ts', './emulated/index.ts'],
    ['src/native/libc.ts', 'koffi'],
    ['src/emulated/index.ts', '../common/kernel.ts'],
    ['src/emulated/aio/ops/poll.ts', '../kiocb.ts'],
    ['src/emulated/aio/ops/poll.ts', '../../common/kernel.ts'],
    ['src/common/errors.ts', 'node:os'],
    ['test/native.test.ts', '../src/native/index.ts'],
    ['test/native.test.ts', 'vitest'],
    ['scripts/demo.ts', '../src/index.ts'],
  ])('%s may import %s', (path, specifier) => {
    expect(violationsIn(path, `import '${specifier}';`)).toEqual([]);
  });

  it.each([
    ['src/common/errors.ts', '../native/index.ts'],
    ['src/common/errors.ts', '../emulated/index.ts'],
    ['src/common/errors.ts', '../select.ts'],
    ['src/common/errors.ts', '../../test/support/gate.ts'],
    ['src/common/errors.ts', 'commander'],
    ['src/native/index.ts', '../emulated/index.ts'],
    ['src/native/index.ts', 'koffi'],
    ['src/emulated/index.ts', '../native/index.ts'],
    ['src/emulated/index.ts', '../select.ts'],
    ['src/emulated/aio/ops/poll.ts', '../../native/index.ts'],
    ['src/emulated/index.ts', 'koffi'],
    ['src/select.ts', './cli/cli.ts'],
    ['src/index.ts', './cli/cli.ts'],
    ['src/index.ts', '../test/conformance/index.ts'],
    ['src/cli/doctor.ts', 'koffi'],
    ['src/elsewhere.ts', './common/kernel.ts'],
    ['test/conformance/suite.ts', 'vitest'],
    ['bench/page.ts', 'chart.js'],
    ['bench/run.ts', '../scripts/package-root.ts'],
    ['src/index.ts', '../bench/index.ts'],
  ])('%s must not import %s', (path, specifier) => {
    expect(violationsIn(path, `import '${specifier}';`)).toHaveLength(1);
  });
});
