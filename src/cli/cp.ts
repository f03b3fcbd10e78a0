/** `kaio cp`: the main job of the library on a real file. */
import { SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import { AioContext } from '../common/context/aio-context.ts';
import { selectKernel } from '../select.ts';
import { copyFile } from './copy.ts';
import { backendOption, blockSizeArgument, countArgument, type WithBackend } from './options.ts';
import { pathArguments } from './path-arguments.ts';

/** All that end a process whose terminal or session goes away, or that people type. */
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

const MANNERS = `
The destination is the name of one regular file, and so is the source. Where the destination is new, it has the
source's mode without what the umask takes off and without set-id bits. Where it exists, it must be writable, keeps
its mode and owner, and is replaced by a rename: at any moment, also after a crash, it is the old file or the new one.
Where a replacement would lose something of it (other links, set-id bits, an owner or mode that cannot be given to
another file, access control lists and other attributes, a folder that takes no file, a mount), it is overwritten in
place as cp(1) does. A line on standard error then says so and why: until the copy has ended it is neither old nor new.

Holes stay holes. A source that changes its size meanwhile is an error, and so is a link to nothing. A run that is
killed (SIGKILL) may leave a file .NAME.kaio-..., which no later run minds; remove it at will.

Not copied, with --preserve neither: access control lists, extended attributes, capabilities, file flags, times finer
than a microsecond. Without koffi the attributes of an older file cannot be looked at, and are lost when it is replaced.`;

interface CpOptions extends WithBackend {
  readonly direct?: boolean;
  readonly preserve?: boolean;
  readonly queueDepth: number;
  readonly blockSize: number;
}

/** What people see meanwhile, where they look. */
class Progress {
  readonly #bar = process.stderr.isTTY
    ? new SingleBar({
        format: '{bar} {percentage}% | {value}/{total} bytes | {eta_formatted}',
        clearOnComplete: true,
      })
    : undefined;
  #total: number | undefined;

  update(done: number, total: number): void {
    if (this.#total === undefined) this.#bar?.start(total, 0);
    else if (this.#total !== total) this.#bar?.setTotal(total);
    this.#total = total;
    this.#bar?.update(done);
  }

  stop(): void {
    this.#bar?.stop();
    this.#total = undefined;
  }
}

async function cp(source: string, destination: string, options: CpOptions): Promise<void> {
  const { queueDepth, blockSize: blockBytes, direct = false, preserve = false } = options;
  const [sourcePath, destinationPath] = pathArguments([source, destination]) as [Buffer, Buffer];
  const { kernel, backend } = selectKernel(options);
  const progress = new Progress();
  const interrupted = new AbortController();
  const onSignal = (): void => interrupted.abort(new Error('interrupted'));
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
  // A terminal that is gone takes no more progress; the copy must clean up all the same.
  process.stderr.on('error', () => {});
  const started = performance.now();
  try {
    await using context = new AioContext({ kernel, queueDepth });
    const bytes = await copyFile(sourcePath, destinationPath, {
      context,
      queueDepth,
      blockBytes,
      direct,
      preserve,
      signal: interrupted.signal,
      onProgress: (done, total) => progress.update(done, total),
      onNote: (line) => {
        progress.stop();
        console.error(`kaio: ${line}`);
      },
    });
    const seconds = (performance.now() - started) / 1000;
    progress.stop();
    console.log(`${backend}: ${bytes} bytes, ${(bytes / 1e6 / seconds).toFixed(0)} MB/s`);
  } finally {
    progress.stop();
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
    .option('-p, --preserve', "give the copy the source's mode with set-id bits, its owner and its times")
    .option('--queue-depth <n>', 'blocks under way at once', countArgument, 32)
    .option('--block-size <bytes>', 'bytes per request, such as 65536, 64k or 1m', blockSizeArgument, 1 << 20)
    .addOption(backendOption())
    .addHelpText('after', MANNERS)
    .action(cp);
}
