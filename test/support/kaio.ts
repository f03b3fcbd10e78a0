/** The `kaio` command as a user runs it: the built one, in a process of its own. */
import { type SpawnOptions, type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CLI = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'dist/src/cli/cli.js');

/** Long enough for a loaded machine; what hangs ends here. */
const TIME_LIMIT_MS = 50_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(command: string, args: readonly string[], options: SpawnSyncOptions = {}): Ended {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    timeout: TIME_LIMIT_MS,
    ...options,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** The same, for tests that have several run at once. */
export async function start(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    timeout: TIME_LIMIT_MS,
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const told = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (text: string) => {
      told[name] += text;
    });
  const [status] = (await once(child, 'close')) as [number | null];
  if (child.killed)
    throw new Error(
      `not over in ${options.timeout ?? TIME_LIMIT_MS} ms: ${command}\n${told.stdout}${told.stderr}`,
    );
  return { status, ...told };
}

export function kaio(args: readonly string[], options?: SpawnSyncOptions): Ended {
  return run(process.execPath, [CLI, ...args], options);
}
