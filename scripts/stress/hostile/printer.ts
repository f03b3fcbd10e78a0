/** Writes a finding as a program that needs nothing but kaio. */
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import type { Body, Extras, Place, Program, Step, ViewShape } from './program.ts';
import type { WorldOptions } from './world.ts';

/** What was found, and by which program. */
export interface Printed extends Pick<WorldOptions, 'backend' | 'executor'> {
  readonly wrong: string;
  readonly program: Program;
  readonly times: number;
}

let machinery: Promise<string> | undefined;

/** Everything that runs a program, in one piece; what is the product's is imported from its package. */
async function bundled(): Promise<string> {
  const bundle = await rolldown({
    input: fileURLToPath(new URL('./alone.js', import.meta.url)),
    platform: 'node',
    external: (id) => id.startsWith('node:') || /\bsrc\/(emulated\/)?index\.js$/.test(id),
  });
  const { output } = await bundle.generate({ format: 'esm' });
  await bundle.close();
  return output[0].code
    .replace(/"[^"]*\/src\/index\.js"/g, '"kaio"')
    .replace(/"[^"]*\/src\/emulated\/index\.js"/g, '"kaio/emulated"')
    .replace(/^export \{[^}]*\};?$/m, '')
    .replace(/^\/\/# sourceMappingURL.*$/m, '');
}

/** A program that shows the finding: it ends with 1 while it is there, and with 0 when it is mended. */
export async function printed({ backend, executor, wrong, program, times }: Printed): Promise<string> {
  machinery ??= bundled();
  const steps = program.map((step) => `  // ${described(step)}\n  ${JSON.stringify(step)},`).join('\n');
  const lines = [
    `// Found: ${wrong}`,
    '// Expected: every promise settles, bytes are those of their place, memory outside the views and of new owners is untouched,',
    '// nothing is left behind, and the process lives.',
    `// KAIO_BACKEND=${backend} node --expose-gc THIS_FILE`,
    'const program = [',
    steps,
    '];',
    '',
    await machinery,
    `await alone(${JSON.stringify({ backend, executor })}, ${times}, program);`,
    '',
  ];
  return lines.join('\n');
}

function bodyOf(body: Body | undefined): string {
  return body === undefined ? '' : `, and when asked: { ${body.map(described).join('; ')} }`;
}

function viewOf({ memory, at, bytes, type, lie, asked }: ViewShape): string {
  return `${type} of ${bytes} bytes at sector ${at} of memory ${memory}${lie === undefined ? '' : ` (${lie})`}${bodyOf(asked)}`;
}

function placeOf({ target, index, page, asked, changes }: Place): string {
  return `page ${page} of '${target}' ${index}${changes === true ? ' (changes)' : ''}${bodyOf(asked)}`;
}

function extrasOf({ signal, signalLie, nowait, asked, changes }: Extras): string {
  const parts = [
    signal === undefined ? '' : `, signal ${signal}${signalLie === undefined ? '' : ` (${signalLie})`}`,
    nowait === true ? ', RWF_NOWAIT' : '',
    changes === true ? ', options that change' : '',
    bodyOf(asked),
  ];
  return parts.join('');
}

/** A step in words. */
export function described(step: Step): string {
  switch (step.do) {
    case 'memory':
      return `memory ${step.memory} is ${step.sectors} sectors of the kind ${step.kind}`;
    case 'read':
    case 'write':
      return `context ${step.context}: ${step.do} ${placeOf(step.place)}; ${viewOf(step.view)}${extrasOf(step.extras)}`;
    case 'readv':
    case 'writev':
      return `context ${step.context}: ${step.do} ${placeOf(step.place)}; [${step.views.map(viewOf).join('; ')}]${step.lie === undefined ? '' : ` (${step.lie})`}${extrasOf(step.extras)}`;
    case 'submit':
      return `context ${step.context}: submit [${step.requests.map(({ write, place, view, extras }) => `${write ? 'write' : 'read'} ${placeOf(place)}; ${viewOf(view)}${extrasOf(extras)}`).join(' | ')}]${step.lie === undefined ? '' : ` (${step.lie})`}`;
    case 'sync':
      return `context ${step.context}: ${step.data ? 'fdatasync' : 'fsync'} ${placeOf(step.place)}`;
    case 'poll':
      return `context ${step.context}: poll event ${step.event}${extrasOf(step.extras)}`;
    case 'wake':
      return `event ${step.event} is signalled`;
    case 'hand over':
      return `memory ${step.memory} is handed on by ${step.how}`;
    case 'resize':
      return `memory ${step.memory} grows, or becomes ${step.sectors} sectors`;
    case 'abort':
      return `signal ${step.signal} fires`;
    case 'file read':
    case 'file write':
    case 'file readFully':
    case 'file writeFully':
      return `${step.do} of file ${step.file}, ${step.cursor === true ? 'at the cursor' : `page ${step.page}`}; ${viewOf(step.view)}${extrasOf(step.extras)}`;
    case 'file readv':
    case 'file writev':
      return `${step.do} of file ${step.file}, page ${step.page}; [${step.views.map(viewOf).join('; ')}]${step.lie === undefined ? '' : ` (${step.lie})`}`;
    default: {
      const { do: what, body, ...rest } = step as { do: string; body?: Body } & Record<string, unknown>;
      const facts = Object.entries(rest)
        .filter(([, value]) => value !== undefined)
        .map(
          ([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
        );
      return `${what}${facts.length > 0 ? `: ${facts.join(', ')}` : ''}${body === undefined ? '' : ` { ${body.map(described).join('; ')} }`}`;
    }
  }
}
