/** A program as source, to be kept as a test. */
import { inspect } from 'node:util';
import type { Difference, Program } from './program.ts';

/** The program as a literal. */
export function literalOf(program: object): string {
  return inspect(program, {
    depth: Infinity,
    maxArrayLength: null,
    maxStringLength: null,
    breakLength: 100,
    compact: 8,
    sorted: false,
  });
}

/** A test for `test/regression/fuzz.test.ts`. @param title - Where the program comes from. */
export function testCaseOf(title: string, program: Program, { what, native, emulated }: Difference): string {
  const comment = `// ${what}: Linux ${firstLine(native)}, the emulation ${firstLine(emulated)}`;
  const literal = literalOf(program)
    .split('\n')
    .map((line, at) => (at === 0 ? line : `  ${line}`))
    .join('\n');
  return `${comment}\nit(${JSON.stringify(title)}, () =>\n  bothAgree(${literal}));\n`;
}

function firstLine(text: string): string {
  return text.split('\n')[0]!;
}
