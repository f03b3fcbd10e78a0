/**
 * The declarations as users' programs see them: the package is packed and installed beside each line of `@types/node`, and the programs in
 * `test/types` are compiled against it by each TypeScript, in each way of resolving modules. FileHandle differs from line to line,
 * and an AioFile has to pass for each of them; what must not compile is marked in the programs. Those in `test/types/old` are for every
 * TypeScript from 4.9 on, also where modules are required.
 *
 * What is packed is the present `dist`, so that must be compiled. With `--turn` beside one line of `@types/node` alone, another one each day.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { ofToday } from '../turn.ts';

/** Of `@types/node`, the newest last. */
const LINES = ['20', '22', '24', '25', '26'] as const;
const COMPILERS = ['5.9', '7'] as const;
/** The first that works, and some between: they know neither `using` nor all that the other programs try. */
const OLD_COMPILERS = ['4.9', '5.0', '5.4'] as const;
const OLD_LINE = '20';
const LIBRARIES = ['es2023', 'esnext.disposable'];

/** Ways of resolving modules. Programs for bundlers have the browser's types beside those of Node.js, and some have the same names. */
const RESOLUTIONS: Readonly<Record<string, object>> = {
  node16: { module: 'node16', moduleResolution: 'node16', lib: LIBRARIES },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext', lib: LIBRARIES },
  bundler: { module: 'esnext', moduleResolution: 'bundler', lib: [...LIBRARIES, 'dom'] },
};

/** What old compilers are asked for. The last one knows no `exports`: the way before there were any. */
const OLD_RESOLUTIONS: Readonly<Record<string, object>> = {
  node16: { module: 'node16', moduleResolution: 'node16', lib: ['es2022'] },
  node10: { module: 'commonjs', moduleResolution: 'node', lib: ['es2022'] },
};

/** A line of `@types/node` that is installed with kaio, or a compiler. */
interface Installed {
  readonly directory: string;
  readonly version: string;
}

/** How many lines of what a compiler says are shown. */
const SHOWN_LINES = 30;

const root = packageRoot();
const home = mkdtempSync(join(tmpdir(), 'kaio-types-'));

function npm(directory: string, ...args: string[]): string {
  return execFileSync('npm', args, {
    cwd: directory,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function pack(): string {
  // Merged, or there would be nothing to require. The addon has no declarations.
  execFileSync('npm', ['run', '--silent', 'bundle'], { cwd: root, stdio: 'inherit' });
  const output = npm(root, 'pack', '--ignore-scripts', '--silent', '--pack-destination', home);
  return join(home, output.trim());
}

/** @returns The project's folder, in which `name` is installed, and the version of that. */
function install(folder: string, name: string, range: string, ...packages: string[]): Installed {
  const directory = join(home, folder);
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "type": "module", "private": true }');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--silent'];
  npm(directory, 'install', ...flags, `${name}@${range}`, ...packages);
  const manifest = readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  assert.ok(version.startsWith(`${range}.`), `${name}@${range} is ${version}`);
  return { directory, version };
}

/** @returns What a compiler has against the programs of a project; nothing if it has nothing. */
function compile(
  project: Installed,
  compiler: Installed,
  resolution: object,
  skipLibCheck: boolean,
  programs: string,
): string {
  const compilerOptions = {
    ...resolution,
    target: 'es2022',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck,
    noEmit: true,
  };
  const { directory } = project;
  const settings = { compilerOptions, include: [programs] };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(settings, null, 2));
  const tsc = join(compiler.directory, 'node_modules/typescript/bin/tsc');
  const { status, stdout, stderr, error } = spawnSync(
    process.execPath,
    [tsc, '--project', directory, '--pretty', 'false'],
    { cwd: directory, encoding: 'utf8', timeout: 120_000 },
  );
  if (error !== undefined) throw error;
  if (status === 0) return '';
  return `${stdout}${stderr}`.trim() || `the compiler ended with status ${status}`;
}

function indented(text: string): string {
  const lines = text.split('\n');
  const more = lines.length > SHOWN_LINES ? [`… and ${lines.length - SHOWN_LINES} lines more`] : [];
  return [...lines.slice(0, SHOWN_LINES), ...more].map((line) => `    ${line}`).join('\n');
}

function main(): void {
  const tarball = pack();
  const compilers = COMPILERS.map((range) => install(`typescript-${range}`, 'typescript', range));
  let passed = 0;
  let failed = 0;
  const shown = new Set<string>();
  const compileWithEach = (
    project: Installed,
    skipLibCheck: boolean,
    { by, resolutions, programs } = { by: compilers, resolutions: RESOLUTIONS, programs: 'programs' },
  ): void => {
    for (const compiler of by)
      for (const [resolution, options] of Object.entries(resolutions)) {
        const faults = compile(project, compiler, options, skipLibCheck, programs);
        const title = `@types/node ${project.version}, TypeScript ${compiler.version}, ${resolution}`;
        const scope = skipLibCheck ? '' : ', declarations too';
        const verdict = faults === '' ? 'compiles' : 'fails';
        console.log(`${title}${scope}: ${verdict}${shown.has(faults) ? ', as above' : ''}`);
        if (faults === '') passed++;
        else failed++;
        if (faults === '' || shown.has(faults)) continue;
        console.log(indented(faults));
        shown.add(faults);
      }
  };
  const lines = process.argv.includes('--turn') ? [ofToday(LINES)] : LINES;
  for (const line of lines) {
    const project = install(`node-${line}`, '@types/node', line, tarball);
    cpSync(join(root, 'test/types'), join(project.directory, 'programs'), { recursive: true });
    compileWithEach(project, true);
    // Where types are newest, which the declarations were not made with, they are looked at themselves.
    if (line === LINES.at(-1)) compileWithEach(project, false);
    if (line !== OLD_LINE) continue;
    const by = OLD_COMPILERS.map((range) => install(`typescript-${range}`, 'typescript', range));
    compileWithEach(project, false, { by, resolutions: OLD_RESOLUTIONS, programs: 'programs/old' });
  }
  console.log(`types: ${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

try {
  main();
} finally {
  rmSync(home, { recursive: true, force: true });
}
