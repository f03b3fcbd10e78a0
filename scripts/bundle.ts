/**
 * Merges the modules of `dist/src` into a few files, for the package: Node.js takes half a millisecond for each file that it loads, and
 * there are well over a hundred.
 *
 * What others import stays a module of its own, at its place; everything else goes into chunks that they share, so each
 * thing exists once however it is imported. `npm run compile` undoes it.
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { rolldown } from 'rolldown';
import { importsOf } from './import-rules.ts';
import { packageRoot } from './package-root.ts';

const dist = join(packageRoot(), 'dist');
/** Programs of their own, with files beside them that they start or read. */
const APART = ['src/cli/', 'src/fuzz/'];
/** Of the package's exports; and what is imported by what stays apart. */
const EXPORTED = ['src/index.js', 'src/native/index.js', 'src/emulated/index.js'];
const IMPORTERS = ['src', 'test/conformance', 'bench'];

/** Modules of `dist`, by their paths with forward slashes. */
function modulesIn(folder: string): string[] {
  if (!existsSync(join(dist, folder))) return [];
  return readdirSync(join(dist, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.js'))
    .map((path) => join(folder, path).split(sep).join('/'));
}

function isMerged(path: string): boolean {
  return path.startsWith('src/') && !APART.some((prefix) => path.startsWith(prefix));
}

/** Merged modules that somebody imports who is not. */
function entries(): string[] {
  const wanted = new Set(EXPORTED);
  for (const importer of IMPORTERS.flatMap(modulesIn)) {
    if (isMerged(importer)) continue;
    for (const specifier of importsOf(readFileSync(join(dist, importer), 'utf8'))) {
      if (!specifier.startsWith('.')) continue;
      const target = posix.join(posix.dirname(importer), specifier);
      if (isMerged(target)) wanted.add(target);
    }
  }
  return [...wanted];
}

const before = modulesIn('src').filter(isMerged);
const input = Object.fromEntries(entries().map((path) => [path.replace(/\.js$/, ''), join(dist, path)]));
const bundle = await rolldown({
  input,
  platform: 'node',
  external: [/^node:/, 'koffi', 'node-gyp-build'],
});
const { output } = await bundle.generate({
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'src/chunks/[name].js',
});
const written = new Set(output.map(({ fileName }) => fileName));
// Everything was read by now; what is not written again is in a chunk.
await bundle.write({
  dir: dist,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: 'src/chunks/[name].js',
});
await bundle.close();
for (const path of before) {
  rmSync(join(dist, `${path}.map`), { force: true });
  if (!written.has(path)) rmSync(join(dist, path));
}
console.log(`${before.length} modules are ${written.size} files in ${relative(process.cwd(), dist) || dist}`);
