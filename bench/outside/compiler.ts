/** Programs in C beside the benchmarks, compiled on the spot. */
import { join } from 'node:path';
import { type Asset, assetPath } from '../assets.ts';
import { codeOf } from '../errors.ts';
import { runProgram } from '../process.ts';

const COMPILE_LIMIT_MS = 60_000;

/**
 * Compiles a program into `directory`.
 *
 * @returns Its path.
 * @throws Error that tells why there is none: no compiler, no headers.
 */
export async function compiled(source: Asset, directory: string, signal?: AbortSignal): Promise<string> {
  if (process.platform !== 'linux') throw new Error(`there is no Linux AIO on ${process.platform}`);
  const program = join(directory, source.replace(/\.c$/, ''));
  const compiler = process.env.CC || 'cc';
  const args = ['-O2', '-o', program, assetPath(source)];
  try {
    const { status, stderr } = await runProgram(compiler, args, { limitMs: COMPILE_LIMIT_MS, signal });
    if (status !== 0) throw new Error(`${compiler} cannot compile it: ${stderr.trim().split('\n')[0]}`);
  } catch (error) {
    signal?.throwIfAborted();
    if (codeOf(error) !== 'ENOENT') throw error;
    throw new Error(`there is no C compiler ('${compiler}'): install gcc, or name one in CC`, {
      cause: error,
    });
  }
  return program;
}
