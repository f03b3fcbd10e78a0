import { describe, expect, it } from 'vitest';
import { addonGraph, functionsOf } from '../../../scripts/checks/addon-graph.ts';

describe('functionsOf', () => {
  it.each([
    ['a function', 'int f(void) { return 0; }', ['f']],
    ['one that gives a pointer', 'struct job *job_new(struct environment *e,\n    int n) {\n}', ['job_new']],
    ['one that takes a function', 'int start(int a, void *(*main)(void *), void *b) {\n}', ['start']],
    ['no static one', 'static int f(void) { return 0; }', []],
    ['no declaration', 'int f(void);', []],
    ['no use', 'static int g(void) {\n  if (f(1)) {\n  }\n  return 0;\n}', []],
    ['nothing in a comment', '/*\nint f(void) {\n*/', []],
    ['no macro', 'NAPI_MODULE_INIT() {\n}', []],
  ])('%s', (_title, source, names) => {
    expect(functionsOf(source)).toEqual(names);
  });
});

describe('addonGraph', () => {
  it('ties by functions and headers', () => {
    const tree = new Map([
      [
        'c/a.c',
        '#include "b.h"\n#include <stdio.h>\nint a(void) {\n  return b() + printf("c()"); /* c() */\n}\n',
      ],
      ['c/b.h', 'int b(void);\n'],
      ['c/b.c', 'int b(void) {\n  return 0;\n}\n'],
      ['c/c.c', 'static int b2(void) {\n  return 0;\n}\nint c(void) {\n  return b2();\n}\n'],
      ['c/d.ts', ''],
    ]);
    expect(addonGraph(tree)).toEqual(
      new Map([
        [
          'c/a.c',
          new Map([
            ['c/b.h', new Set(['#include'])],
            ['c/b.c', new Set(['b'])],
          ]),
        ],
        ['c/b.h', new Map()],
        ['c/b.c', new Map()],
        ['c/c.c', new Map()],
      ]),
    );
  });
});
