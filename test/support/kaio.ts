/** The `kaio` command as a user runs it: the built one, in a process of its own. */
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
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

export function kaio(args: readonly string[], options?: SpawnSyncOptions): Ended {
  return run(process.execPath, [CLI, ...args], options);
}
