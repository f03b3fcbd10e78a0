/**
 * Random hostile programs against kaio's public surface, in children, on one kernel: nothing that JavaScript does above the waist
 * may harm memory, the process, or somebody else's request.
 *
 *     npm run fuzz:hostile -- --steps 1000000 --backend native|emulated --addon|--no-addon [--node PATH] [--seed S] [--lanes N]
 *         [--without KIND]... [--directory DIR] [--save DIR] [--shrink-seconds 60] [--most 10] [--replay FILE] [--programs FROM-TO]
 *
 * A finding is shrunk, and printed as a program; with `--shrink-seconds 0` it is only told. `--without` leaves a kind of step, trick,
 * view or memory out (the names in program.ts), or a whole sort (arbitraries.ts), or a complaint (world.ts), for a finding that swamps
 * the rest. Exit code 1 when anything was found.
 */
import { randomInt } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { ExecutorName } from '../../../src/emulated/index.ts';
import { programs } from './arbitraries.ts';
import type { Task } from './child.ts';
import { type ChildOptions, type Ended, kindOf, runChild } from './children.ts';
import { programOf } from './generation.ts';
import { described, printed } from './printer.ts';
import type { Program } from './program.ts';
import { shrunk } from './shrink.ts';

/** Of one child. */
const BATCH_PROGRAMS = 400;
/** Of a program that is tried alone: what it finds may take some luck. */
const TIMES = 60;
const EXECUTORS: readonly ExecutorName[] = ['threadpool', 'threadpool', 'inline', 'submit'];

const { values } = parseArgs({
  allowNegative: true,
  options: {
    steps: { type: 'string', default: '100000' },
    seed: { type: 'string' },
    backend: { type: 'string', default: 'native' },
    addon: { type: 'boolean', default: true },
    node: { type: 'string', default: process.execPath },
    lanes: { type: 'string', default: '2' },
    without: { type: 'string', multiple: true, default: [] },
    directory: { type: 'string', default: tmpdir() },
    save: { type: 'string' },
    'shrink-seconds': { type: 'string', default: '60' },
    most: { type: 'string', default: '10' },
    executor: { type: 'string' },
    replay: { type: 'string' },
    programs: { type: 'string' },
    times: { type: 'string', default: String(TIMES) },
  },
});

const backend = values.backend as Task['backend'];
if (backend !== 'native' && backend !== 'emulated') throw new Error('--backend takes native or emulated');
const seed = Number(values.seed ?? randomInt(2 ** 31));
const wanted = Number(values.steps);
const most = Number(values.most);
const options: ChildOptions = { node: resolve(values.node), addon: values.addon };
const arbitrary = programs(new Set(values.without), backend === 'emulated');

interface Finding {
  readonly wrong: string;
  readonly program: Program;
  readonly isAlone: boolean;
  readonly executor: ExecutorName;
  times: number;
}

const findings = new Map<string, Finding>();
let steps = 0;
let next = 0;
let hasSaidWhere = false;

function executorOf(from: number): ExecutorName {
  const chosen = EXECUTORS.find((name) => name === values.executor);
  return chosen ?? EXECUTORS[(from / BATCH_PROGRAMS) % EXECUTORS.length]!;
}

function task(executor: ExecutorName, source: Task['source']): Task {
  return { backend, executor, directory: values.directory, without: values.without, source };
}

function alone(program: Program, executor: ExecutorName): Promise<Ended> {
  return runChild(task(executor, { programs: [program], times: Number(values.times) }), options);
}

async function judge(ended: Ended, executor: ExecutorName): Promise<void> {
  const { wrong, at, since } = ended;
  if (wrong === undefined) return;
  const kind = kindOf(wrong);
  const known = findings.get(kind);
  if (known !== undefined) {
    known.times++;
    return;
  }
  const program = at < 0 ? [] : programOf(arbitrary, seed, at);
  const finding = { wrong, program, isAlone: false, executor, times: 1 };
  findings.set(kind, finding);
  console.log(
    `\nfound by program ${at} of seed ${seed}${executor === 'threadpool' ? '' : ` (${executor})`}: ${wrong}`,
  );
  const shrinkSeconds = Number(values['shrink-seconds']);
  if (shrinkSeconds === 0) return;
  // What is found by a look at everything may be the work of any program since the last.
  for (let index = at; index >= since && index >= 0; index--) {
    const candidate = programOf(arbitrary, seed, index);
    const again = await alone(candidate, executor);
    if (again.wrong === undefined) continue;
    const shown = kindOf(again.wrong);
    const small = await shrunk(
      candidate,
      arbitrary,
      async (one) => {
        const { wrong: found } = await alone(one, executor);
        return found !== undefined && kindOf(found) === shown;
      },
      shrinkSeconds,
    );
    findings.set(kind, { ...finding, program: small, isAlone: true });
    await show(kind, small, again, executor);
    return;
  }
  const range = { seed, from: Math.max(0, since), to: at + 1 };
  const again = await runChild(task(executor, range), options);
  console.log(
    `not seen again with a program alone; ${again.wrong === undefined ? 'nor' : 'but'} with all since the last look at everything: ` +
      `--seed ${seed} --programs ${range.from}-${at} --executor ${executor}\n${ended.output}`,
  );
}

async function show(
  kind: string,
  program: Program,
  { wrong, output }: Ended,
  executor: ExecutorName,
): Promise<void> {
  const finding = { backend, executor, program, wrong: wrong!, times: Number(values.times) };
  console.log(`in ${program.length} steps: ${wrong}`);
  for (const step of program) console.log(`  ${described(step)}`);
  console.log(JSON.stringify(finding));
  console.log(output.split('\n').slice(0, 12).join('\n'));
  if (values.save === undefined) return;
  mkdirSync(values.save, { recursive: true });
  const path = join(values.save, kind.replace(/\W+/g, '-').slice(0, 60));
  writeFileSync(`${path}.json`, `${JSON.stringify(finding)}\n`);
  writeFileSync(`${path}.mjs`, await printed(finding));
}

async function lane(): Promise<void> {
  while (steps < wanted && findings.size < most) {
    const from = next;
    next += BATCH_PROGRAMS;
    const to = next;
    const executor = executorOf(from);
    // What has not been run because of a finding is run by another child.
    for (let at = from; at < to && findings.size < most; ) {
      const ended = await runChild(task(executor, { seed, from: at, to }), options);
      steps += ended.steps;
      if (!hasSaidWhere) {
        hasSaidWhere = true;
        console.log(
          `${ended.release ?? 'no kernel'}; ${ended.noDirect === undefined ? 'with direct I/O' : `no direct I/O: ${ended.noDirect}`}`,
        );
      }
      if (ended.release === undefined)
        throw new Error(`a child could not begin:\n${ended.wrong ?? ''}\n${ended.output}`);
      await judge(ended, executor);
      if (ended.wrong === undefined) break;
      at = ended.at + 1;
    }
  }
}

/** Some programs again. */
async function rerun(numbers: string): Promise<void> {
  const [from, to] = numbers.split('-').map(Number);
  const ended = await runChild(task(executorOf(0), { seed, from: from!, to: to! + 1 }), options);
  console.log(
    ended.wrong === undefined ? 'nothing is wrong' : `program ${ended.at}: ${ended.wrong}\n${ended.output}`,
  );
  process.exitCode = ended.wrong === undefined ? 0 : 1;
}

async function replay(path: string): Promise<void> {
  const { program, executor } = JSON.parse(readFileSync(path, 'utf8')) as {
    program: Program;
    executor: ExecutorName;
  };
  const { wrong, output } = await alone(program, executor);
  console.log(wrong ?? 'nothing is wrong');
  if (wrong !== undefined) console.log(output);
  process.exitCode = wrong === undefined ? 0 : 1;
}

async function main(): Promise<void> {
  const flags = [
    `--backend ${backend}`,
    values.addon ? '' : '--no-addon',
    ...values.without.map((one) => `--without '${one}'`),
  ];
  console.log(
    `seed ${seed}; again: npm run fuzz:hostile -- --seed ${seed} --steps ${wanted} ${flags.filter(Boolean).join(' ')}`,
  );
  const started = Date.now();
  await Promise.all(Array.from({ length: Number(values.lanes) }, lane));
  const seconds = (Date.now() - started) / 1000;
  console.log(
    `${steps} steps in ${seconds.toFixed(0)} s (${Math.round(steps / seconds)} a second), ${next} programs, seed ${seed}: ${findings.size} findings`,
  );
  for (const { wrong, times, isAlone } of findings.values())
    console.log(`  ${times} times${isAlone ? '' : ', not alone'}: ${wrong}`);
  if (findings.size > 0) process.exitCode = 1;
}

// Its children and their folders go with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
if (values.replay !== undefined) await replay(values.replay);
else await (values.programs === undefined ? main() : rerun(values.programs));
