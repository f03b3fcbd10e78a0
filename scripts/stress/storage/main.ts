/**
 * A stress with a model: eight handles of the same file, direct and buffered, of both kernels, write, append, truncate, sync and read at once,
 * unaligned and aligned; some order of the calls has to explain every byte and every size that is seen meanwhile and at the end.
 *
 *     npm run stress:storage -- --seconds 600 [--seed N] [--backend native|emulated|both] [--directory DIR]
 *         [--handles mixed|direct|buffered|aligned] [--without NAME]... [--rounds FROM-TO [--times 20]] [--lanes 2] [--most 10]
 *     npm run stress:storage -- --kills 1000 ...
 *
 * With `--kills`, children do it, and are killed at random moments: what had ended is in the file, and of what had not, at most a part.
 *
 * `--handles buffered` and `--handles aligned` (O_DIRECT, whole blocks) are controls. `--without` leaves out a kind of handle, operation or
 * theme (the names in plan.ts), or a kind of finding (in history.ts). Exit code 1 when anything was found.
 */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { selectKernel } from '../../../src/index.ts';
import { findingsOf } from './check.ts';
import type { Finding, History } from './history.ts';
import { KillRounds } from './kills.ts';
import { type Mix, type Opening, type PlanOptions, planOf } from './plan.ts';
import { report } from './report.ts';
import { makeFile, Round } from './round.ts';

const MIXES: readonly string[] = ['mixed', 'direct', 'buffered', 'aligned'];
const BACKENDS: Record<string, readonly Opening['backend'][]> = {
  native: ['native'],
  emulated: ['emulated'],
  both: ['native', 'emulated'],
};
const STUCK_MS = 60_000;
const CHANGES = 200;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    kills: { type: 'string' },
    seed: { type: 'string' },
    backend: { type: 'string', default: 'both' },
    directory: { type: 'string', default: tmpdir() },
    handles: { type: 'string', default: 'mixed' },
    without: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    times: { type: 'string', default: '20' },
    lanes: { type: 'string' },
    most: { type: 'string', default: '10' },
  },
});
const seed = Number(values.seed ?? randomInt(2 ** 31));
const backends = BACKENDS[values.backend];
if (backends === undefined) throw new Error('--backend takes native, emulated or both');
if (!MIXES.includes(values.handles)) throw new Error(`--handles takes one of ${MIXES.join(', ')}`);
const without = new Set(values.without);
const most = Number(values.most);
const options: Omit<PlanOptions, 'round'> = {
  seed,
  backends,
  mix: values.handles as Mix,
  without,
  changes: CHANGES,
};
const flags = [
  `--backend ${values.backend}`,
  values.handles === 'mixed' ? '' : `--handles ${values.handles}`,
  ...values.without.map((one) => `--without ${one}`),
  values.kills === undefined ? '' : '--kills 1',
]
  .filter(Boolean)
  .join(' ');

const found = new Map<string, number>();
const counts = { rounds: 0, changes: 0, looks: 0, bytes: 0, finished: 0 };
let files = 0;
const startedMs = performance.now();
const elapsed = (): string => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;

/** Tells of the first ones, and counts all. */
function tell(round: number, findings: readonly Finding[], history: History): void {
  for (const finding of findings) {
    if (without.has(finding.kind)) continue;
    const total = [...found.values()].reduce((sum, count) => sum + count, 0);
    found.set(finding.kind, (found.get(finding.kind) ?? 0) + 1);
    if (total >= most) continue;
    console.log(`\nround ${round}, after ${elapsed()}: ${report(finding, history)}`);
    const again = `--seed ${seed} --rounds ${round} ${flags}`;
    console.log(`  again: npm run stress:storage -- ${again}`);
  }
}

function count({ changes, looks }: History): void {
  counts.rounds++;
  counts.changes += changes.length;
  counts.finished += changes.filter(({ end }) => end !== Number.POSITIVE_INFINITY).length;
  counts.looks += looks.length;
  counts.bytes += looks.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

async function live(directory: string, number: number): Promise<void> {
  const plan = planOf({ ...options, round: number });
  const path = join(directory, `file-${files++}-${number}`);
  makeFile(path, plan);
  const round = new Round(path, plan);
  const timer = setTimeout(() => {
    console.error(`round ${number} of seed ${seed} is stuck:\n${round.underWay.join('\n')}`);
    process.exit(1);
  }, STUCK_MS);
  try {
    await round.open();
    await round.run();
    await round.finish();
  } finally {
    clearTimeout(timer);
    await round.close();
    rmSync(path, { force: true });
  }
  count(round.history);
  tell(number, [...round.refused, ...findingsOf(round.history)], round.history);
}

/** The numbers of the rounds, for as long as there is time. */
function* numbers(): Generator<number> {
  if (values.rounds !== undefined) {
    const [from, to = from] = values.rounds.split('-').map(Number);
    for (let time = 0; time < Number(values.times); time++)
      for (let number = from!; number <= to!; number++) yield number;
    return;
  }
  const { kills } = values;
  const endMs = startedMs + Number(values.seconds) * 1000;
  for (let number = 0; kills === undefined ? performance.now() < endMs : number < Number(kills); number++)
    yield number;
}

async function main(): Promise<void> {
  const names = backends!.map((backend) => selectKernel({ backend }).kernel.release);
  console.log(
    `${[...new Set(names)].join(' and ')}, seed ${seed}; again: npm run stress:storage -- --seed ${seed} ` +
      `${values.kills === undefined ? `--seconds ${values.seconds}` : `--kills ${values.kills}`} ${flags.replace('--kills 1', '').trim()}`,
  );
  const directory = mkdtempSync(join(values.directory, 'kaio-storage-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  const source = numbers();
  const killer = values.kills === undefined ? undefined : new KillRounds(directory, options);
  const lanes = Number(values.lanes ?? (killer === undefined ? 2 : 3));
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (const number of source) {
        if (killer === undefined) await live(directory, number);
        else {
          const { history, findings } = await killer.run(number);
          count(history);
          tell(number, findings, history);
        }
      }
    }),
  );
  killer?.end();
  const { rounds, changes, finished, looks, bytes } = counts;
  const kinds = [...found].map(([kind, times]) => `${kind} ${times}`).join(', ');
  console.log(
    `${rounds} ${killer === undefined ? 'rounds' : 'kills'} in ${elapsed()}: ${changes} changes (${finished} had ended), ${looks} looks at ` +
      `${(bytes / 1e6).toFixed(0)} MB; ${killer === undefined ? '' : killer.told()}` +
      `${kinds === '' ? 'every byte and size explained' : `not explained: ${kinds}`}`,
  );
  if (found.size > 0) process.exitCode = 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
await main();
