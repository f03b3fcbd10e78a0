/**
 * Runs the wake-up check, the native conformance suite and a short fuzz under every supported line of Node.js, on Linux x64: with the addon,
 * where it is built, and without; by koffi and, in lines that have it, by node:ffi without the addon. With the addon also a slice of the torture of worker threads; always one of the hostile fuzzer. The history of a simulation must be the
 * same under all of them. With `--turn` only the history is compared under each of them, and the rest runs under one that the rest of CI does not
 * run under, another one each day.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../../src/native/index.ts';
import { ofToday } from '../turn.ts';
import { canInstallNode, LINES, underEachNode } from './node-binaries.ts';

/** Its `node:ffi` is on by default. */
const FIRST_WITH_FFI = 26;

function main(): void {
  if (!canInstallNode()) {
    console.log('skipped: the Node.js binaries this check installs are for Linux x64');
    return;
  }
  const others = LINES.filter((line) => !process.version.startsWith(`v${line}.`));
  const isTurn = process.argv.includes('--turn');
  const chosen: readonly number[] = isTurn ? [ofToday(others)] : LINES;
  const ours = historyUnder(process.execPath);
  underEachNode(
    (node, line) => {
      const run = (path: string, ...rest: string[]): void => {
        const file = fileURLToPath(new URL(path, import.meta.url));
        execFileSync(node, [file, ...rest], { stdio: 'inherit', timeout: 120_000 });
      };
      const history = historyUnder(node);
      if (history !== ours)
        throw new Error(`under Node.js ${line} the same seeds make another history: ${history}, not ${ours}`);
      console.log(`Node.js ${line}: the same history as ${process.version}`);
      if (!chosen.includes(line)) return;
      const addons = loadAddon().addon === undefined ? ['0'] : ['1', '0'];
      const runs = addons.map((addon) => [addon, 'koffi'] as const);
      for (const [addon, ffi] of line >= FIRST_WITH_FFI ? [...runs, ['0', 'node'] as const] : runs) {
        process.env.KAIO_ADDON = addon;
        process.env.KAIO_FFI = ffi;
        run('./wake-up.js');
        run('../../src/cli/cli.js', 'conformance', '--backend', 'native');
        run('../../src/cli/cli.js', 'fuzz', '--operations', '20000');
        if (addon === '1') run('../stress/torture.js', '--seconds', '15');
        run('../stress/hostile/main.js', '--steps', '10000', '--backend', 'native');
        if (addon === '0') run('../stress/hostile/main.js', '--steps', '10000', '--backend', 'emulated');
      }
    },
    isTurn ? others : LINES,
  );
}

function historyUnder(node: string): string {
  const script = fileURLToPath(new URL('./history.js', import.meta.url));
  return execFileSync(node, [script], { encoding: 'utf8', timeout: 120_000 }).trim();
}

main();
