/** The child process of a {@link ConformanceSession}: runs the cases that it is told to, and reports. */
import type { AioKernel } from '../../src/common/kernel/aio-kernel.ts';
import { ALL_CASES } from './cases.ts';
import { setDeadline } from './child.ts';
import type { Divergence } from './divergences.ts';
import type { Host } from './host.ts';
import type { CaseReport } from './outcome.ts';
import { runCase } from './runner.ts';

/** A case to run. */
export interface ToWorker {
  readonly id: string;
}

export type FromWorker =
  | { readonly kind: 'ready'; readonly identity: { readonly name: string; readonly release: string } }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'report'; readonly report: CaseReport };

/** What a module that makes a kernel exports. */
export interface KernelModule {
  /** Opens a kernel: a fresh one for each case, where that can be. */
  default(options: unknown): AioKernel | Promise<AioKernel>;
  /** Where it answers otherwise on purpose. */
  readonly divergences?: readonly Divergence[];
  /** What surrounds that kernel, if it is not this machine. */
  host?(kernel: AioKernel): Host | undefined;
}

function say(message: FromWorker): void {
  process.send!(message);
}

async function main(module: string, directory: string, options: unknown): Promise<void> {
  const { default: open, divergences, host } = (await import(module)) as KernelModule;
  if (typeof open !== 'function') throw new Error(`${module} has no function as its default export`);
  const { name, release } = await open(options);
  process.on('message', async ({ id }: ToWorker) => {
    const kernel = await open(options);
    const report = await runCase(ALL_CASES.find((one) => one.id === id)!, {
      kernel,
      directory,
      ...(divergences === undefined ? {} : { divergences }),
      ...(host === undefined ? {} : { host: host(kernel) }),
    });
    say({ kind: 'report', report });
  });
  say({ kind: 'ready', identity: { name, release } });
}

// Whoever started this has gone.
process.on('disconnect', () => process.exit());
const [module, directory, options, deadlineMs] = process.argv.slice(2);
setDeadline(Number(deadlineMs));
try {
  await main(module!, directory!, JSON.parse(options!));
} catch (error) {
  say({ kind: 'broken', reason: error instanceof Error ? error.message : String(error) });
  process.disconnect();
}
