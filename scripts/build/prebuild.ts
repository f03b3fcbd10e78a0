/**
 * Builds the addon for the package: `prebuilds/linux-<arch>/kaio.napi.<libc>.node`, as node-gyp-build looks for it.
 *
 * The compiler decides for which machine: `CC=aarch64-linux-gnu-gcc`, `CC=musl-gcc`. One file serves every version of Node.js.
 */
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeAddon } from '../../src/native/addon.ts';
import { packageRoot } from '../package-root.ts';
import { compileAddon } from './addon-compiler.ts';

const prebuilds = join(packageRoot(), 'prebuilds');

function prebuild(): string {
  mkdirSync(prebuilds, { recursive: true });
  const directory = mkdtempSync(join(prebuilds, '.build-'));
  try {
    const built = join(directory, 'kaio.node');
    compileAddon(built, ['-O2', '-s']);
    const description = describeAddon(readFileSync(built));
    if (typeof description === 'string') throw new Error(`what was built is no good: ${description}`);
    const { machine, libc } = description;
    // node-gyp-build tells the two little-endian generations of arm apart; Node.js supports the seventh.
    const tags = ['kaio', 'napi', ...(machine === 'arm' ? ['armv7'] : []), libc, 'node'];
    const path = join(prebuilds, `linux-${machine}`, tags.join('.'));
    mkdirSync(dirname(path), { recursive: true });
    renameSync(built, path);
    return path;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.platform === 'linux') console.log(prebuild());
else console.log(`nothing is built on ${process.platform}: the addon is for Linux`);
