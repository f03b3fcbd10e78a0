/**
 * Makes `docs/filehandle.md`: the calls that the tests make on FileHandle and AioFile side by side, and every difference.
 * With `--check` holds that the page is up to date and that the table is true, by making every call on every kernel here.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { selectKernel } from '../../src/select.ts';
import { CALLS, isDifferent } from '../../test/common/file/file-handle/calls.ts';
import { compare } from '../../test/common/file/file-handle/compare.ts';
import { packageRoot } from '../package-root.ts';

const page = join(packageRoot(), 'docs', 'filehandle.md');

/** Beyond the calls: what AioFile has, or does otherwise, by design. */
const BY_DESIGN = [
  '`open(path, flags, mode, options)` takes options that FileHandle has not: `direct`, `unaligned`, `backend`, `context`.',
  "`read` and `write` take a `signal`; FileHandle's ignore it.",
  '`read`, `write`, `readv` and `writev` take a `priority`, and `write` and `writev` take `dsync`, where FileHandle looks at nothing; other types than theirs are refused.',
  '`sync` and `datasync` that wait for one of the same file share the next one (docs/durability.md). An error of a sync is told to those, too, who asked while it was under way.',
  '`readFully` and `writeFully` go on after short transfers.',
  '`allocate`, `punchHole` and `blockDevice` are beyond FileHandle (docs/storage.md).',
  'Direct files keep their place by `lseek(2)`, transfers at it one after the other; on the emulation, which has no such call, in the AioFile: others who use the descriptor do not see that move.',
  'A length of a read that is no integer is taken as in Node.js 26, made one; it ends the process in Node.js 20 to 24.',
  'Resizable buffers are refused with `ERR_INVALID_ARG_VALUE`: the kernel could be left writing to memory that is gone.',
  '`readableWebStream()` is always a byte stream, as from Node.js 24 on.',
  'Errors of the kernel are `AioError`s with the `name`, `code`, `errno` and `syscall` that FileHandle has; `cause` has what the kernel said.',
  '`close()` ends write streams that have ended or failed with `autoClose: false`, and lines that somebody waits for: those of FileHandle wait for ever.',
  'Files over a descriptor (`fromDescriptor()`) and those of a simulated disk have these methods, and are no FileHandle: what asks for one refuses them. One that is dropped without `close()` is closed with a warning, on every version of Node.js.',
];

function table(): string {
  const rows = CALLS.map((call) => {
    const { title, differs, differsOn } = call;
    const verdict =
      differs === undefined ? 'same' : `differs${differsOn ? ` on ${differsOn}x` : ''}: ${differs}`;
    return `| \`${title.replaceAll('|', '\\|')}\` | ${verdict} |`;
  });
  return [
    '# AioFile beside FileHandle',
    '',
    '<!-- Made by `npm run docs:filehandle`; do not edit. -->',
    '',
    'Each of these calls is made on `fs.promises.FileHandle` and on `AioFile`, on both kernels, and everything is compared: what it',
    'answers, what is in the file afterwards, what it throws (`name`, `code`, `errno`, `syscall`), and whether at once or later.',
    '',
    '| call | outcome |',
    '| --- | --- |',
    ...rows,
    '',
    '## By design',
    '',
    ...BY_DESIGN.map((line) => `- ${line}`),
    '',
  ].join('\n');
}

async function untrue(): Promise<string[]> {
  const found: string[] = [];
  const backends =
    selectKernel().backend === 'native' ? (['native', 'emulated'] as const) : (['emulated'] as const);
  for (const backend of backends) {
    for (const call of CALLS) {
      const { fileHandle, aioFile } = await compare(call, backend);
      if (isDeepStrictEqual(fileHandle, aioFile) === isDifferent(call))
        found.push(`${backend}: ${call.title}`);
    }
  }
  return found;
}

if (process.argv.includes('--check')) {
  const problems = await untrue();
  if (readFileSync(page, 'utf8') !== table())
    problems.push('docs/filehandle.md is out of date: npm run docs:filehandle');
  for (const problem of problems) console.error(problem);
  console.log(`${CALLS.length} calls compared, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
} else {
  writeFileSync(page, table());
}
