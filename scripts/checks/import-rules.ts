/** Which file may import which: the one-way rule as data, and the reading of imports out of TypeScript. */
import { posix } from 'node:path';
import { initSync, parse } from 'es-module-lexer';

initSync();

/** Where koffi may be named. */
const KOFFI_HOME = 'src/native/libc.ts';

interface Layer {
  readonly name: string;
  /** Paths from the package's root that begin so belong to the layer. */
  readonly prefix: string;
  /** The other layers that it may import. */
  readonly imports: readonly string[];
  /** The packages that it may import besides `node:`. */
  readonly packages: readonly string[];
}

/** The first whose prefix fits. What belongs to none (scripts, examples) may import anything. */
const LAYERS: readonly Layer[] = [
  {
    name: 'cli',
    prefix: 'src/cli/',
    imports: ['index', 'select', 'native', 'emulated', 'common', 'conformance', 'bench', 'fuzz'],
    packages: ['commander', 'cli-progress', 'cli-table3', 'xmlbuilder'],
  },
  {
    name: 'index',
    prefix: 'src/index.ts',
    imports: ['open', 'select', 'native', 'emulated', 'common'],
    packages: [],
  },
  { name: 'open', prefix: 'src/open.ts', imports: ['shared-context', 'select', 'common'], packages: [] },
  { name: 'shared-context', prefix: 'src/shared-context.ts', imports: ['select', 'common'], packages: [] },
  { name: 'select', prefix: 'src/select.ts', imports: ['native', 'emulated', 'common'], packages: [] },
  { name: 'native', prefix: 'src/native/', imports: ['common'], packages: ['koffi', 'node-gyp-build'] },
  { name: 'emulated', prefix: 'src/emulated/', imports: ['common'], packages: [] },
  { name: 'common', prefix: 'src/common/', imports: [], packages: [] },
  { name: 'fuzz', prefix: 'src/fuzz/', imports: ['native', 'emulated', 'common'], packages: ['pure-rand'] },
  { name: 'unknown', prefix: 'src/', imports: [], packages: [] },
  // It is part of the published package, where development dependencies are missing.
  {
    name: 'conformance',
    prefix: 'test/conformance/',
    imports: ['index', 'select', 'native', 'emulated', 'common'],
    packages: [],
  },
  // So is this.
  {
    name: 'bench',
    prefix: 'bench/',
    imports: ['index', 'select', 'native', 'emulated', 'common'],
    packages: [],
  },
];

function layerOf(path: string): Layer | undefined {
  return LAYERS.find(({ prefix }) => path.startsWith(prefix));
}

/** The module names that a TypeScript source imports: statically, dynamically, as types, and by `require`. */
export function importsOf(source: string): string[] {
  // The lexer is one for JavaScript. It copes with `import type` and with types; `export type { } from` it overlooks.
  const [imports] = parse(source.replace(/\bexport type (?=[{*])/g, 'export '));
  const names = imports.flatMap(({ n }) => (n === undefined ? [] : [n]));
  for (const match of source.matchAll(/\b(?:require|resolve)\??\.?(?:\.resolve)?\(\s*(['"])([^'"\n]+)\1/g)) {
    names.push(match[2]!);
  }
  for (const match of source.matchAll(/createRequire\([^()]*\)\(\s*(['"])([^'"\n]+)\1/g))
    names.push(match[2]!);
  return names;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * What is wrong with the imports of one file.
 *
 * @param path - From the package's root, with forward slashes.
 * @returns A sentence for each violation.
 */
export function violationsIn(path: string, source: string): string[] {
  const layer = layerOf(path);
  if (layer === undefined) return [];
  return importsOf(source).flatMap((specifier) => {
    const fault = specifier.startsWith('.')
      ? relativeFault(layer, posix.join(posix.dirname(path), specifier))
      : packageFault(layer, path, specifier);
    return fault === undefined ? [] : [`${path}: imports ${specifier}: ${fault}`];
  });
}

function relativeFault(layer: Layer, target: string): string | undefined {
  const other = layerOf(target);
  if (other === undefined) return `${layer.name} must not import what is not published`;
  if (other.name === layer.name || layer.imports.includes(other.name)) return undefined;
  return `${layer.name} must not import ${other.name}`;
}

function packageFault(layer: Layer, path: string, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  // The package's own name and version: no code comes with it.
  if (specifier === 'kaio/package.json') return undefined;
  const name = packageOf(specifier);
  if (name === 'koffi' && path !== KOFFI_HOME) return `koffi belongs in ${KOFFI_HOME} alone`;
  if (layer.packages.includes(name)) return undefined;
  return `${layer.name} must not import the package ${name}`;
}
