/**
 * Everything that must hold before a version goes out: `npm run release:check`, on Linux x64 as root, for some hours.
 *
 *     npm run release:check -- [--list] [--from SCRIPT] [--only SCRIPT]... [--keep-going]
 *
 * What `.ci/run` does at each change is the first part, with more programs and more time; then what CI has no time for. A test holds that each
 * `check:` script of package.json is in here.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../package-root.ts';
import { STEPS, type Step } from './release-steps.ts';

const root = packageRoot();
const MINUTE_MS = 60_000;

/** What makes a tree one that can be published. @returns What is against it. */
export function faultsOfTree(
  version: string,
  changelog: string,
  upgrading: string,
  changes: string,
): string[] {
  const faults: string[] = [];
  const heading = changelog.split('\n').find((line) => line.startsWith('## '));
  if (heading === undefined || !heading.startsWith(`## ${version} (`))
    faults.push(`the first version in CHANGELOG.md is not ${version}: ${heading}`);
  else if (!/\(\d{4}-\d{2}-\d{2}\)$/.test(heading))
    faults.push(`CHANGELOG.md does not say the day of ${version}: ${heading}`);
  if (!upgrading.includes(version)) faults.push(`UPGRADING.md does not know ${version}`);
  if (changes !== '') faults.push(`not everything is committed:\n${changes}`);
  return faults;
}

function read(name: string): string {
  return readFileSync(join(root, name), 'utf8');
}

function run({ script, args = [], env = {} }: Step): boolean {
  const rest = args.length === 0 ? [] : ['--', ...args];
  const { status } = spawnSync('npm', ['run', script, ...rest], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return status === 0;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      list: { type: 'boolean', default: false },
      from: { type: 'string' },
      only: { type: 'string', multiple: true },
      'keep-going': { type: 'boolean', default: false },
    },
  });
  const { from, only } = values;
  const start = from === undefined ? 0 : STEPS.findIndex(({ script }) => script === from);
  if (start < 0) throw new Error(`there is no step ${from}`);
  const chosen = STEPS.slice(start).filter(({ script }) => only === undefined || only.includes(script));
  if (values.list) {
    for (const { script, args = [], why } of chosen) console.log([script, ...args].join(' ').padEnd(60), why);
    return;
  }
  const { version } = JSON.parse(read('package.json')) as { version: string };
  const changes = execFileSync('git', ['status', '--porcelain'], { cwd: root, encoding: 'utf8' }).trim();
  const failed = faultsOfTree(version, read('CHANGELOG.md'), read('UPGRADING.md'), changes);
  for (const step of chosen) {
    const before = Date.now();
    const passed = run(step);
    console.log(
      `release: ${step.script} ${passed ? 'passed' : 'FAILED'} in ${((Date.now() - before) / MINUTE_MS).toFixed(1)} min`,
    );
    if (!passed) failed.push(`npm run ${step.script} failed`);
    if (!passed && !values['keep-going']) break;
  }
  if (failed.length > 0) {
    console.error(`release: kaio ${version} must not go out:\n${failed.map((one) => `- ${one}`).join('\n')}`);
    process.exitCode = 1;
    return;
  }
  console.log(
    `release: kaio ${version} may go out: npm pack, then npm pack in dist/cli-package; publish kaio first`,
  );
}

if (process.argv[1]?.endsWith('release.js')) main();
