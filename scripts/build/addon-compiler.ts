/** Compiling the addon: by node-gyp, or by the C compiler alone. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findCompiler } from '../checks/abi-probe.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
export const ADDON_SOURCES = join(root, 'src/native/addon');
/** Where node-gyp puts it, and node-gyp-build looks first. */
export const BUILT_ADDON = join(root, 'build/Release/kaio.node');

/** As in binding.gyp, which says why. */
const FLAGS = [
  '-shared',
  '-fPIC',
  '-pthread',
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fvisibility=hidden',
  '-DNAPI_VERSION=8',
  '-D_GNU_SOURCE',
  '-Wl,-z,now',
  '-Wl,-z,relro',
  '-Wl,-z,nodelete',
];

/** A program that must succeed. @throws Error with what it said. */
export function runOrThrow(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { ...options, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/**
 * The folder whose `include/node` has Node's headers.
 *
 * Those of another version do: the addon uses Node-API 8 and libuv 1, which are the same in all of them.
 */
export function headersHome(): string | undefined {
  const homes = [process.env.npm_config_nodedir, dirname(dirname(process.execPath)), '/usr/local', '/usr'];
  return homes.find((home) => home !== undefined && existsSync(join(home, 'include/node/node_api.h')));
}

/**
 * Compiles and seals the result. The compiler is the environment variable CC, else cc, gcc, clang, where none is given.
 *
 * @throws Error without a compiler or headers, or with what the compiler said.
 */
export function compileAddon(output: string, flags: readonly string[], compiler = findCompiler()): void {
  if (compiler === undefined) throw new Error('there is no C compiler: install gcc or clang');
  const home = headersHome();
  if (home === undefined)
    throw new Error("there are no headers of Node.js: set npm_config_nodedir to Node's folder");
  const sources = readdirSync(ADDON_SOURCES)
    .filter((name) => name.endsWith('.c'))
    .map((name) => join(ADDON_SOURCES, name));
  mkdirSync(dirname(output), { recursive: true });
  runOrThrow(compiler, [
    ...FLAGS,
    ...flags,
    `-I${join(home, 'include/node')}`,
    ...sources,
    ...libraries(flags),
    '-o',
    output,
  ]);
  runOrThrow(process.execPath, [join(ADDON_SOURCES, 'seal.cjs'), output]);
}

/** Behind the sources, where nothing is linked by itself. */
function libraries(flags: readonly string[]): string[] {
  return flags.includes('-nostdlib') ? ['-lc', '-lgcc'] : [];
}

/** Builds with node-gyp, offline where the headers are there. @throws Error with what it said. */
export function buildByNodeGyp(): void {
  const home = headersHome();
  const gyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  const nodedir = home === undefined ? [] : [`--nodedir=${home}`];
  runOrThrow(process.execPath, [gyp, 'rebuild', ...nodedir], { cwd: root });
}
