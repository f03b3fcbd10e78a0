/**
 * The package as its users get it: packed, and installed into empty projects with npm, scripts disabled or not, with and without
 * koffi, with and without the prebuilt addon, on a machine without a compiler, and merged into an application. `kaio doctor` must
 * tell the truth in each.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { packageRoot } from '../package-root.ts';

interface Project {
  readonly title: string;
  readonly koffi: boolean;
  readonly scripts: boolean;
  readonly addon: boolean;
}

const PROJECTS: readonly Project[] = [
  { title: 'everything', koffi: true, scripts: true, addon: true },
  { title: 'without scripts', koffi: true, scripts: false, addon: true },
  { title: 'without the addon', koffi: true, scripts: false, addon: false },
  { title: 'without koffi', koffi: false, scripts: false, addon: true },
];

interface Doctor {
  readonly trial: string;
  readonly backend: string;
  readonly reason: string;
  readonly ffi: string;
  readonly addon: string;
  readonly probe: string;
}

/** What every application gets. Whoever needs more says why here. */
const BUDGET_BYTES = 2_000_000;
/** For who builds the package, and not for who uses it: Yarn compiles whatever has a binding.gyp. */
const NOT_PACKED = /(?:^binding\.gyp|\.c|\.h|\.map|\.tsbuildinfo)$/;

const root = packageRoot();
const home = mkdtempSync(join(tmpdir(), 'kaio-package-'));
/** Of programs: Node.js and a shell, and so no compiler, no make, no Python. */
const bin = join(home, 'bin');

function prepareBin(): void {
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const program of ['sh', 'uname'])
    for (const folder of ['/bin', '/usr/bin'])
      if (existsSync(join(folder, program)) && !existsSync(join(bin, program)))
        symlinkSync(join(folder, program), join(bin, program));
}

function npm(directory: string, ...args: string[]): string {
  // npm beside this Node.js, or the first one in PATH: found before PATH is narrowed.
  const program = execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim();
  return execFileSync(program, args, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, PATH: args[0] === 'pack' ? process.env.PATH : `${bin}:${dirname(program)}` },
  });
}

function weigh(installed: string): void {
  let bytes = 0;
  for (const entry of readdirSync(installed, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = relative(installed, join(entry.parentPath, entry.name));
    assert.ok(!NOT_PACKED.test(path), `${path} is in the package`);
    bytes += statSync(join(installed, path)).size;
  }
  console.log(`the package has ${bytes} bytes of ${BUDGET_BYTES}`);
  assert.ok(bytes <= BUDGET_BYTES, 'the package has grown');
}

async function check(
  { title, koffi, scripts, addon }: Project,
  tarball: string,
  cliTarball: string,
): Promise<void> {
  const directory = join(home, title.replaceAll(' ', '-'));
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "type": "module", "private": true }');
  const flags = ['--no-audit', '--no-fund', ...(scripts ? [] : ['--ignore-scripts'])];
  npm(directory, 'install', ...flags, tarball, ...(koffi ? ['koffi'] : []));
  const installed = join(directory, 'node_modules/kaio');
  const modules = readdirSync(join(directory, 'node_modules')).filter((name) => !name.startsWith('.'));
  const expected = ['kaio', 'node-gyp-build', 'pure-rand', ...(koffi ? ['@koromix', 'koffi'] : [])];
  assert.deepEqual(modules.sort(), expected.sort(), 'an application gets the library');
  if (title === PROJECTS[0]!.title) weigh(installed);
  if (!addon) rmSync(join(installed, 'prebuilds'), { recursive: true });
  assert.equal(existsSync(join(directory, 'node_modules/koffi')), koffi, 'koffi is installed if asked for');
  assert.equal(existsSync(join(installed, 'build')), false, 'nothing is built at install');

  const node = (args: readonly string[], env: NodeJS.ProcessEnv = {}): string =>
    execFileSync(process.execPath, args, {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: bin, KAIO_FFI: 'koffi', ...env },
    });
  const command = join(installed, 'dist/src/command/kaio.js');
  const report = JSON.parse(node([command, 'doctor', '--json'])) as Doctor;
  assert.equal(report.backend, koffi ? 'native' : 'emulated');
  assert.match(
    report.addon,
    addon ? /prebuilds\/linux-.*\.node, Node-API \d+/ : /^no: No native build was found/,
  );
  assert.match(report.ffi, koffi ? /^koffi \d+\.\d+\.\d+$/ : /koffi/);
  if (!koffi) assert.match(report.reason, /koffi/);
  // What nobody has seen work is tried by a program that is in the package.
  const cache = { XDG_CACHE_HOME: directory, KAIO_TRIAL: 'always' };
  for (const known of [/^works: tried in a process of its own, /, /^works: remembered in /]) {
    const tried = JSON.parse(node([command, 'doctor', '--json'], cache)) as Doctor;
    assert.match(tried.trial, known);
    assert.equal(tried.backend, report.backend);
  }
  assert.match(report.probe, koffi ? /brought the right bytes/ : /koffi/);

  const missing = spawnSync(process.execPath, [command, 'bench'], { cwd: directory, encoding: 'utf8' });
  assert.match(missing.stderr, /npm install --save-dev kaio-cli/);
  const history = `
    import { simulate } from 'kaio/emulated';
    try { console.log(/Chart\\.js[^]*chartjs-plugin-zoom/.test(simulate({ seed: 1 }).trace.html())); }
    catch ({ message }) { console.log(message); }`;
  writeFileSync(join(directory, 'history.mjs'), history);
  assert.match(node(['history.mjs']), /Install it: npm install --save-dev kaio-cli/);
  npm(directory, 'install', ...flags, '--save-dev', cliTarball);
  // As `kaio`, which finds the other package.
  const cli = command;

  const { passed, failed, broken } = JSON.parse(
    node([cli, 'conformance', '--json', '--backend', report.backend, '--rule', 'SETUP-03']),
  ) as { passed: number; failed: number; broken: number };
  assert.ok(passed > 0 && failed + broken === 0, 'the suite is in the package, and runs');

  // It needs the real kernel, and brings all else.
  const fuzzed = spawnSync(process.execPath, [cli, 'fuzz', '--operations', '500', '--json'], {
    cwd: directory,
    env: { PATH: bin, KAIO_FFI: 'koffi' },
    encoding: 'utf8',
  });
  assert.equal(fuzzed.status, koffi ? 0 : 2, fuzzed.stderr);

  const use = `
    import { open } from 'kaio';
    import { Worker, isMainThread } from 'node:worker_threads';
    await using file = await open(process.execPath);
    const { bytesRead } = await file.read(Buffer.alloc(100), 0, 100, 0);
    console.log(file.backend, bytesRead);`;
  writeFileSync(join(directory, 'use.mjs'), use.replace('await using', 'const'));
  assert.equal(node(['use.mjs']), `${report.backend} 100\n`);
  writeFileSync(
    join(directory, 'worker.mjs'),
    `import { Worker } from 'node:worker_threads'; new Worker(new URL('use.mjs', import.meta.url));`,
  );
  assert.equal(node(['worker.mjs']), `${koffi && addon ? 'native' : 'emulated'} 100\n`);
  checkFirstExample(directory, node, report.backend);
  checkAdapters(directory, node, title === PROJECTS[0]!.title);
  // In an application that is merged into one file itself.
  const bundle = await rolldown({
    input: join(directory, 'use.mjs'),
    platform: 'node',
    external: ['koffi', 'node-gyp-build'],
  });
  await bundle.write({ file: join(directory, 'merged.mjs'), codeSplitting: false });
  await bundle.close();
  assert.equal(node(['merged.mjs']), `${report.backend} 100\n`);
  // With the library of the plots, which is no dependency, in the package.
  const page = join(directory, 'page.html');
  const short = ['--rounds', '1', '--seconds', '0.02', '--size', '2m', '--mode', 'cached', '--html', page];
  node([cli, 'bench', '--engines', 'emulation,fs.promises', ...short]);
  assert.match(readFileSync(page, 'utf8'), /Chart\.js/);
  assert.equal(node(['history.mjs']), 'true\n');
  console.log(
    `${title}: ${report.backend}; addon: ${addon ? 'prebuilt' : 'none'}; a worker thread: ${koffi && addon ? 'native' : 'emulated'}`,
  );
}

/** `await using` is plain JavaScript from there on. */
const FIRST_WITH_USING = 24;

/** What README shows first, pasted; with the change that it tells of where this Node.js wants it. */
function checkFirstExample(
  directory: string,
  node: (args: readonly string[]) => string,
  backend: string,
): void {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, example = ''] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  const isPlain = Number.parseInt(process.versions.node, 10) >= FIRST_WITH_USING;
  const program = isPlain ? example : `${example.replace('await using', 'const')}await file.close();\n`;
  writeFileSync(join(directory, 'first.mjs'), program);
  assert.match(node(['first.mjs']), new RegExp(`^262144 ${backend} (?:true|false)\n$`));
}

const PEERS = ['random-access-storage', '@journeyapps/wa-sqlite'];

/** Also where it fails: Node.js 20 throws what a required module has thrown once more, although the import is caught. */
function printedBy(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return (error as { stdout: string }).stdout;
  }
}

/** Each adapter is imported and required; without its package it tells how to get that. */
function checkAdapters(
  directory: string,
  node: (args: readonly string[]) => string,
  withPeers: boolean,
): void {
  if (withPeers) npm(directory, 'install', '--no-audit', '--no-fund', '--ignore-scripts', ...PEERS);
  for (const adapter of ['random-access', 'sqlite-vfs', 'chunk-store', 'parquet'])
    for (const load of [
      `import('kaio/${adapter}')`,
      `Promise.resolve().then(() => require('kaio/${adapter}'))`,
    ]) {
      const told = printedBy(() =>
        node(['--eval', `${load}.then(() => console.log('loaded'), ({ message }) => console.log(message))`]),
      );
      const isMissing = !withPeers && /^(random-access|sqlite-vfs)$/.test(adapter);
      assert.match(told, isMissing ? /^kaio\/.* which is not installed: npm install / : /^loaded$/m);
    }
}

try {
  prepareBin();
  npm(root, 'pack', '--pack-destination', home);
  npm(join(root, 'dist/cli-package'), 'pack', '--pack-destination', home);
  const tarball = (name: RegExp): string => join(home, readdirSync(home).find((file) => name.test(file))!);
  for (const project of PROJECTS)
    await check(project, tarball(/^kaio-\d.*\.tgz$/), tarball(/^kaio-cli-.*\.tgz$/));
} finally {
  rmSync(home, { recursive: true, force: true });
}
