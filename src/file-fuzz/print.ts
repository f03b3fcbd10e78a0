/** A program over files as source, to be kept as a test. */
import { literalOf } from '../fuzz/print.ts';
import type { FileDifference, FileProgram } from './program.ts';

/** A test for `test/regression/file-fuzz.test.ts`. @param title - Where the program comes from. */
export function fileTestCaseOf(
  title: string,
  program: FileProgram,
  { step, what, side, fileHandle, other }: FileDifference,
): string {
  const comment = [
    `// step ${step}, ${what}:`,
    `//   FileHandle ${oneLine(fileHandle)}`,
    `//   AioFile (${side}) ${oneLine(other)}`,
  ].join('\n');
  const literal = literalOf(program)
    .split('\n')
    .map((line, at) => (at === 0 ? line : `  ${line}`))
    .join('\n');
  return `${comment}\nit(${JSON.stringify(title)}, () =>\n  asFileHandle(${literal}));\n`;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]/g, ' ');
}
