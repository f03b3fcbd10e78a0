/**
 * One of the machines of other kinds each day, for CI: an architecture, a kernel that is booted, or another implementation. What cannot be
 * downloaded is said and passed over.
 *
 * `npm run check:kernel-of-today`, or with the name of one. All of them, by hand: `check:architectures` (8 minutes), `check:machines` (an
 * hour), `check:gvisor` (4 minutes).
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { ofToday } from '../turn.ts';
import { ARCHITECTURES, MACHINES, named } from './targets.ts';

interface Target {
  readonly name: string;
  readonly command: readonly string[];
}

const TARGETS: readonly Target[] = [
  ...MACHINES.map(({ name }) => ({ name, command: ['machines.js', name, '--native'] })),
  ...ARCHITECTURES.map(({ name }) => ({
    name: `emulator of ${name}`,
    command: ['architectures.js', name],
  })),
  { name: 'gvisor', command: ['gvisor.js'] },
];

const names = process.argv.slice(2);
const { name, command } = names.length === 0 ? ofToday(TARGETS) : named(TARGETS, names)[0]!;
console.log(`today: ${name}`);
const [script, ...args] = command;
const program = join(packageRoot(), 'dist', 'scripts', 'kernels', script!);
const { status } = spawnSync(process.execPath, [program, ...args, '--may-be-missing'], { stdio: 'inherit' });
process.exitCode = status ?? 1;
