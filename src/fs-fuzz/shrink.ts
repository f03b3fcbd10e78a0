/** Programs that are a little smaller than another. */
import type { FsProgram, Step, Value } from './program.ts';

/** Those that are much smaller first. */
export function* smallerPrograms({ steps }: FsProgram): Generator<FsProgram> {
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = steps.length - size; at >= 0; at -= size) {
      if (steps.length > size) yield { steps: [...steps.slice(0, at), ...steps.slice(at + size)] };
    }
  }
  for (const [at, step] of steps.entries()) {
    for (const simpler of simplerSteps(step)) yield { steps: steps.with(at, simpler) };
  }
}

function* simplerSteps(step: Step): Generator<Step> {
  if ('args' in step) {
    const { args } = step;
    if (args.length > 1) yield { ...step, args: args.slice(0, -1) };
    for (let at = 0; at < args.length; at++) {
      for (const simpler of simplerValues(args[at])) yield { ...step, args: args.with(at, simpler) };
    }
  }
  if ('options' in step) {
    for (const simpler of simplerValues(step.options)) yield { ...step, options: simpler };
  }
  if ('chunks' in step && step.chunks.length > 0) yield { ...step, chunks: step.chunks.slice(1) };
}

function* simplerValues(value: Value): Generator<Value> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  if ('$' in value) {
    if (value.$ === 'bytes' && (value.length as number) > 1) yield { $: 'bytes', length: 1 };
    if (value.$ === 'path' && 'as' in value) yield { $: 'path', text: value.text as string };
    return;
  }
  for (const name of Object.keys(value)) {
    const { [name]: _, ...rest } = value as Readonly<Record<string, Value>>;
    yield rest;
  }
}
