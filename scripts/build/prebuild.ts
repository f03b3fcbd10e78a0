/**
 * Builds the addon for the package: `prebuilds/linux-<arch>/kaio.napi.<libc>.node`, as node-gyp-build looks for it. One file serves every
 * version of Node.js.
 *
 *     node dist/scripts/build/prebuild.js [--all]
 *
 * Without `--all`, what this machine has no compiler for is named and left out; with it, as for packing, it is an error.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeAddon } from '../../src/native/addon.ts';
import { packageRoot } from '../package-root.ts';
import { ADDON_SOURCES, compileAddon } from './addon-compiler.ts';
import { TARGETS, type Target } from './prebuild-targets.ts';

const prebuilds = join(packageRoot(), 'prebuilds');
/** Of the oldest glibc that Node.js 20 runs on. */
const GLIBC_FLOOR = 28;

function build({ arch, libc, compiler, flags }: Target): string {
  mkdirSync(prebuilds, { recursive: true });
  const directory = mkdtempSync(join(prebuilds, '.build-'));
  try {
    const built = join(directory, 'kaio.node');
    const floor = join(ADDON_SOURCES, 'glibc-floor.h');
    compileAddon(built, ['-O2', '-s', '-include', floor, ...flags(compiler)], compiler);
    const bytes = readFileSync(built);
    const description = describeAddon(bytes);
    if (typeof description === 'string') throw new Error(`what was built is no good: ${description}`);
    if (description.machine !== arch || description.libc !== libc)
      throw new Error(
        `${compiler} builds for ${description.machine} and ${description.libc}, not ${arch} and ${libc}`,
      );
    for (const [symbol, minor] of bytes.toString('latin1').matchAll(/GLIBC_2\.(\d+)/g))
      if (Number(minor) > GLIBC_FLOOR)
        throw new Error(`it needs ${symbol}: what takes that belongs in ${floor}`);
    const path = join(prebuilds, `linux-${arch}`, `kaio.napi.${libc}.node`);
    mkdirSync(dirname(path), { recursive: true });
    renameSync(built, path);
    return path;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function isThere({ compiler, needs }: Target): boolean {
  return spawnSync(compiler, ['--version']).status === 0 && needs();
}

function prebuild(all: boolean): void {
  const missing = TARGETS.filter((target) => !isThere(target));
  const told = missing
    .map(({ arch, libc, packages }) => `linux-${arch} ${libc} (install ${packages})`)
    .join('; ');
  if (all && missing.length > 0) throw new Error(`addons of the package cannot be built here: ${told}`);
  for (const target of TARGETS) if (!missing.includes(target)) console.log(build(target));
  if (missing.length > 0) console.log(`left out: ${told}`);
}

if (process.platform === 'linux') prebuild(process.argv.includes('--all'));
else console.log(`nothing is built on ${process.platform}: the addon is for Linux`);
