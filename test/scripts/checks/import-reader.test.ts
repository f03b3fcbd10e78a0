import { describe, expect, it } from 'vitest';
import { importsOf } from '../../../scripts/checks/import-reader.ts';

describe('importsOf', () => {
  it.each([
    ['a static import', "import { a } from './a.ts';", ['a']],
    ['several and new names', "import { a, type B, c as d } from './a.ts';", ['a', 'B', 'c']],
    ['an import of several lines', "import {\n  a, // first\n  /* and */ b,\n} from './a.ts';", ['a', 'b']],
    ['a default import', "import a from './a.ts';", ['default']],
    ['a default import besides others', "import a, { b } from './a.ts';", ['default', 'b']],
    ['an import of everything', "import * as a from './a.ts';", ['*']],
    ['an import that only runs', "import './a.ts';", []],
    ['a type import', "import type { A } from './a.ts';", ['A']],
    ['an export of everything', "export * from './a.ts';", ['*']],
    ['an export', "export { a as b } from './a.ts';", ['a']],
    ['a type export', "export type { A } from './a.ts';", ['A']],
    ['a dynamic import', "const a = await import('./a.ts');", ['*']],
    ['a dynamic import that is taken apart', "const { a, b: c } = await import('./a.ts');", ['a', 'b']],
    ['a dynamic import that is gone on with', "import('./a.ts').then((a) => a);", ['*']],
    ['a type query', "let a: import('./a.ts').A;", ['A']],
    ['require', "const a = require('./a.ts');", ['*']],
    ['a made require', "const a = createRequire(import.meta.url)('./a.ts') as A;", ['*']],
    ['require.resolve', "const a = require.resolve('./a.ts');", ['*']],
  ])('finds %s', (_title, source, names) => {
    expect(importsOf(source)).toEqual([{ specifier: './a.ts', names }]);
  });

  it('finds nothing in comments and strings', () => {
    expect(importsOf("// import './a.ts'\nconst a = \"import './a.ts'\";\n")).toEqual([]);
  });
});
