/** `kaio cp`: the main job of the library on a real file. */
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { AioContext } from '../common/context/aio-context.ts';
import { selectKernel } from '../select.ts';
import { copyFile } from './copy.ts';
import { backendOption, blockSizeArgument, countArgument, type WithBackend } from './options.ts';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

interface CpOptions extends WithBackend {
  readonly direct?: boolean;
  readonly queueDepth: number;
  readonly blockSize: number;
}

async function cp(source: string, destination: string, options: CpOptions): Promise<void> {
  const { queueDepth, blockSize: blockBytes, direct = false } = options;
  const { kernel, backend } = selectKernel(options);
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: '{bar} {percentage}% | {value}/{total} bytes | {eta_formatted}',
        clearOnComplete: true,
      })
    : undefined;
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort(new Error('interrupted'));
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  const started = performance.now();
  try {
    await using context = new AioContext({ kernel, queueDepth });
    let begun = false;
    const bytes = await copyFile(source, destination, {
      context,
      queueDepth,
      blockBytes,
      direct,
      signal: interrupted.signal,
      onProgress: (done, total) => {
        if (!begun) bar?.start(total, 0);
        begun = true;
        bar?.update(done);
      },
    });
    const seconds = (performance.now() - started) / 1000;
    bar?.stop();
    console.log(`${backend}: ${bytes} bytes, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s`);
  } finally {
    bar?.stop();
    for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
  }
}

export function addCp(program: Command): void {
  program
    .command('cp')
    .description('copy a file through AIO; the destination appears when it is whole and durable')
    .argument('<source>')
    .argument('<destination>')
    .option('--direct', 'bypass the page cache with O_DIRECT on both sides')
    .option('--queue-depth <n>', 'blocks under way at once', countArgument, 32)
    .option('--block-size <bytes>', 'bytes per request, such as 65536, 64k or 1m', blockSizeArgument, 1 << 20)
    .addOption(backendOption())
    .action(cp);
}
