/** Programs that are a little smaller than another. */
import { smallestOf } from '../fuzz/smallest.ts';
import type { FileProgram, Step, Value } from './program.ts';

/** The smallest program that still shows it, as far as leaving out and simplifying go. @param most - Programs to try at most. */
export function shrinkFileProgram(
  program: FileProgram,
  shows: (program: FileProgram) => Promise<boolean>,
  most = 400,
): Promise<FileProgram> {
  return smallestOf(program, smallerPrograms, shows, most);
}

/** Those that are much smaller first. */
export function* smallerPrograms(program: FileProgram): Generator<FileProgram> {
  const { steps } = program;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = Math.floor(size / 2))
    for (let at = steps.length - size; at >= 0; at -= size)
      if (steps.length > size)
        yield { ...program, steps: [...steps.slice(0, at), ...steps.slice(at + size)] };
  if (program.surroundings !== undefined) yield { steps };
  for (let at = 0; at < steps.length; at++)
    for (const simpler of simplerSteps(steps[at]!)) yield { ...program, steps: steps.with(at, simpler) };
}

const USUAL_FLAGS = ['r', 'r+'];

function* simplerSteps(step: Step): Generator<Step> {
  if ('wait' in step) {
    const { wait: _, ...rest } = step;
    yield rest as Step;
  }
  if ('options' in step) {
    const { options, ...rest } = step;
    yield rest as Step;
    for (const simpler of simplerValues(options)) yield { ...step, options: simpler } as Step;
  }
  if (step.op === 'open') {
    const { mode, ...rest } = step;
    if ('mode' in step) yield rest;
    for (const flags of USUAL_FLAGS) {
      if (step.flags === flags) break;
      yield { ...step, flags };
    }
    if (step.place !== 'text') yield { ...step, place: 'text' };
  }
  if (step.op === 'call') {
    const { args } = step;
    for (let at = args.length - 1; at >= 0; at--)
      if (at === args.length - 1) yield { ...step, args: args.slice(0, at) };
    for (let at = 0; at < args.length; at++)
      for (const simpler of simplerValues(args[at])) yield { ...step, args: args.with(at, simpler) };
  }
  if (step.op === 'read-stream') {
    const { by, at, stop } = step.plan;
    if (at !== undefined) yield { ...step, plan: { by } };
    if (at !== undefined && at > 1 && stop !== undefined) yield { ...step, plan: { by, at: 1, stop } };
    if (by !== 'data') yield { ...step, plan: { ...step.plan, by: 'data' } };
  }
  if (step.op === 'write-stream') {
    const { plan } = step;
    const { oneByOne, ...rest } = plan;
    if (oneByOne === true) yield { ...step, plan: rest };
    for (let at = 0; at < plan.chunks.length; at++)
      yield { ...step, plan: { ...plan, chunks: plan.chunks.toSpliced(at, 1) } };
    for (let at = 0; at < plan.chunks.length; at++)
      for (const simpler of simplerValues(plan.chunks[at]))
        yield { ...step, plan: { ...plan, chunks: plan.chunks.with(at, simpler) } };
  }
  if (step.op === 'web-stream' && step.reads > 0) yield { ...step, reads: step.reads - 1 };
  if (step.op === 'lines' && 'most' in step) {
    const { most: _, ...rest } = step;
    yield rest;
  }
  if ('slot' in step && step.slot > 0) yield { ...step, slot: 0 };
}

/** Values that are simpler: fewer, shorter, usual ones. */
function* simplerValues(value: Value): Generator<Value> {
  if (typeof value === 'number' && value > 1 && Number.isInteger(value)) {
    yield 0;
    yield Math.floor(value / 2);
  }
  if (typeof value === 'string' && value.length > 1) yield value.slice(0, 1);
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const values = value as readonly Value[];
    for (let at = 0; at < values.length; at++) {
      yield values.toSpliced(at, 1);
      for (const simpler of simplerValues(values[at])) yield values.with(at, simpler);
    }
    return;
  }
  const fields = value as Readonly<Record<string, Value>>;
  for (const name of Object.keys(fields)) {
    if (['$', 'length', 'items', 'state', 'ms'].includes(name) && '$' in fields) {
      if (name !== 'length' && name !== 'items') continue;
    } else {
      const { [name]: _, ...rest } = fields;
      yield rest;
    }
    for (const simpler of simplerValues(fields[name])) yield { ...fields, [name]: simpler };
  }
}
