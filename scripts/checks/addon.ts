/**
 * The addon under AddressSanitizer and UndefinedBehaviorSanitizer: its tests, the wake-up check, and slices of the torture and of the hostile fuzzer.
 *
 * `npm run check:addon`; needs gcc or clang with the sanitizers' libraries. Leaks are not looked for: Node.js itself keeps much.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileAddon, runOrThrow } from '../build/addon-compiler.ts';
import { packageRoot } from '../package-root.ts';
import { findCompiler } from './abi-probe.ts';

const SANITIZERS = [
  '-g',
  '-O1',
  '-fsanitize=address,undefined',
  '-fno-sanitize-recover=all',
  '-fno-omit-frame-pointer',
];
const root = packageRoot();
const script = (name: string): string => join(root, 'dist/scripts', name);

const CHECKS: readonly (readonly string[])[] = [
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    'test/native/addon.test.ts',
    'test/native/pins.test.ts',
    'test/native/refusals.test.ts',
    'test/common/context/aio-context.test.ts',
  ],
  [script('checks/wake-up.js')],
  [join(root, 'dist/src/cli/cli.js'), 'conformance', '--backend', 'native'],
  [script('stress/torture.js'), '--seconds', '10'],
  [script('stress/hostile/main.js'), '--steps', '10000', '--lanes', '1'],
];

/** The runtimes must come before everything else in the process: Node.js itself was not built with them. */
function runtimes(): string {
  const compiler = findCompiler()!;
  return ['libasan.so', 'libubsan.so']
    .map((name) => runOrThrow(compiler, [`-print-file-name=${name}`]).trim())
    .join(' ');
}

function main(): void {
  if (process.platform !== 'linux') {
    console.log('skipped: the addon is for Linux');
    return;
  }
  const home = mkdtempSync(join(tmpdir(), 'kaio-sanitized-'));
  try {
    compileAddon(join(home, 'build/Release/kaio.node'), SANITIZERS);
    const env = {
      ...process.env,
      KAIO_PREBUILD: home,
      LD_PRELOAD: runtimes(),
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    };
    const doctor = runOrThrow(process.execPath, [join(root, 'dist/src/cli/cli.js'), 'doctor', '--json'], {
      env,
    });
    const { addon } = JSON.parse(doctor) as { addon: string };
    if (!addon.startsWith(home)) throw new Error(`the sanitized addon was not loaded: ${addon}`);
    for (const [path, ...rest] of CHECKS) {
      const { status, signal } = spawnSync(process.execPath, [path!, ...rest], {
        cwd: root,
        env,
        stdio: 'inherit',
      });
      if (status !== 0) throw new Error(`${path} ended with ${status ?? signal}`);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

main();
