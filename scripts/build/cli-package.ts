/**
 * Makes the package kaio-cli in `dist/cli-package`, from the bundled `dist`: the commands that take packages, with the fuzzers, the
 * benchmark and the libraries of pages with plots. Applications get none of that with kaio.
 *
 * Its modules lie where they lie in kaio, and what they import of kaio's is at its place a face that loads it from the kaio beside it,
 * of the very same version. So kaio exports nothing more than it does.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { importsOf } from '../checks/import-reader.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const dist = join(root, 'dist');
const home = join(dist, 'cli-package');

const FOLDERS = ['src/cli', 'src/fuzz', 'src/file-fuzz', 'src/fs-fuzz', 'bench'];
const ASSETS = 'src/page/assets';
/** Besides kaio. */
const DEPENDENCIES = ['cli-progress', 'cli-table3', 'commander', 'pure-rand', 'xmlbuilder'];

type Versions = Readonly<Record<string, string>>;

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly engines: Versions;
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
}

function writeManifest(): void {
  const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const versions: Versions = { ...own.devDependencies, ...own.dependencies };
  const manifest = {
    name: 'kaio-cli',
    version: own.version,
    description: 'The commands of kaio beyond `kaio doctor`: conformance, fuzz, bench and cp.',
    license: own.license,
    type: 'module',
    engines: own.engines,
    bin: { 'kaio-cli': 'dist/src/cli/cli.js' },
    exports: { './package.json': './package.json' },
    dependencies: {
      kaio: own.version,
      ...Object.fromEntries(DEPENDENCIES.map((name) => [name, versions[name]!])),
    },
  };
  writeFileSync(join(home, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

function modules(): string[] {
  return FOLDERS.flatMap((folder) =>
    readdirSync(join(dist, folder), { recursive: true, encoding: 'utf8' })
      .map((path) => posix.join(folder, path.split(sep).join('/')))
      .filter((path) => path.endsWith('.js')),
  );
}

/** Modules of kaio's that those of this package import. */
function foreign(own: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const path of own)
    for (const { specifier } of importsOf(readFileSync(join(dist, path), 'utf8'))) {
      const target = posix.join(posix.dirname(path), specifier);
      if (specifier.startsWith('.') && !own.includes(target)) found.add(target);
    }
  // Children of the benchmark import it by its address.
  return found.add('src/index.js');
}

async function face(path: string): Promise<string> {
  const names = Object.keys(await import(pathToFileURL(join(dist, path)).href));
  const merged = path.replace(/\.js$/, '.cjs');
  const target = existsSync(join(dist, merged)) ? merged : path;
  return `import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
const require = createRequire(import.meta.url);
export const { ${names.join(', ')} } = require(join(dirname(require.resolve('kaio/package.json')), 'dist/${target}'));
`;
}

function write(path: string, text: string): void {
  mkdirSync(join(home, 'dist', posix.dirname(path)), { recursive: true });
  writeFileSync(join(home, 'dist', path), text);
}

rmSync(home, { recursive: true, force: true });
const own = modules();
for (const path of own) write(path, readFileSync(join(dist, path), 'utf8'));
for (const path of foreign(own)) write(path, await face(path));
for (const assets of ['bench/assets', ASSETS])
  cpSync(join(dist, assets), join(home, 'dist', assets), { recursive: true });
cpSync(join(root, 'LICENSE'), join(home, 'LICENSE'));
writeFileSync(
  join(home, 'README.md'),
  `# kaio-cli

The commands of the package kaio that applications need not have in their \`node_modules\`:
\`npx kaio-cli conformance\`, \`fuzz\`, \`bench\`, \`cp\` and \`doctor\`. Installed beside kaio, they are commands of \`npx kaio\` too.
`,
);
writeManifest();
