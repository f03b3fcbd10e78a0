/**
 * Merges the modules of `dist/src` into a few files, for the package: Node.js takes half a millisecond for each ES module that it
 * loads, most of it waiting for the thread pool, and there are well over a hundred.
 *
 * What others import stays an ES module at its place, which is a face only: everything behind the faces is CommonJS, in chunks
 * under `dist/src/chunks`, because Node.js loads that at once and without waiting; who requires the package gets the same. Each thing
 * exists once however it is imported.
 * `npm run compile` undoes it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix, relative, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type OutputChunk, rolldown } from 'rolldown';
import { importsOf } from '../checks/import-reader.ts';
import { packageRoot } from '../package-root.ts';
import { writeDeclarations } from './declarations.ts';
import { packageExports } from './package-exports.ts';

const dist = join(packageRoot(), 'dist');
const exported = packageExports().map(({ module }) => module);
/** Programs of their own, with files beside them that they start or read. */
const APART = [
  'src/cli/',
  'src/command/',
  'src/fuzz/',
  'src/file-fuzz/',
  'src/fs-fuzz/',
  'src/simulated/hooks.js',
  'src/native/trial-program.js',
];
/** Who imports merged modules without being one. */
const IMPORTERS = ['src', 'test/conformance', 'bench'];
const CHUNKS = 'src/chunks/';
/** Folders whose modules go into one chunk each, whoever imports them; the first that fits. Later ones import earlier ones only. */
const GROUPS = ['src/common/', 'src/native/', 'src/page/', 'src/emulated/', 'src/'];
/** Whoever uses one of them loads it alone: they are in no chunk of others. */
const ALONE = ['src/adapters/', 'src/simulated'];
/** What is only required when it is first used: who runs on the real kernel does not load the emulated one, the largest of all. */
const ON_FIRST_USE = { chunk: 'emulated', by: 'index' };

const STRICT = '"use strict";\n';
const BUILTIN = 'const builtin = process.getBuiltinModule;\n';

/**
 * Where the native kernel looks for koffi and the addon, and a page for its libraries. In an application that was merged into one ES module there is no `__filename`:
 * V8 tells in an error where that lies, and else it is where the program lies.
 */
const MODULE_URL = `const { pathToFileURL } = builtin("node:url");
const moduleUrl = typeof __filename === "string"
	? pathToFileURL(__filename).href
	: /file:\\S+?(?=:\\d+:\\d+)/.exec(new Error().stack)?.[0] ?? pathToFileURL(process.argv[1] ?? process.execPath).href;
`;
/**
 * What is never called is for tools that trace what a deployment needs: so they find koffi, node-gyp-build and the addon. They know
 * `module.createRequire` by these very names, which bundlers do not follow.
 */
const TRACED = `const traced = () => {
	const near = module.createRequire(moduleUrl);
	near("koffi");
	near("@koromix/koffi-linux-x64/linux_x64/koffi.node");
	near("@koromix/koffi-linux-x64/musl_x64/koffi.node");
	near("@koromix/koffi-linux-arm64/linux_arm64/koffi.node");
	near("@koromix/koffi-linux-arm64/musl_arm64/koffi.node");
	near("node-gyp-build");
	builtin("node:fs").existsSync(require("path").join(__dirname, "../../../prebuilds"));
};
`;

/** Modules of `dist`, by their paths with forward slashes. What is in a folder of assets is none of them, whatever its name. */
function modulesIn(folder: string): string[] {
  if (!existsSync(join(dist, folder))) return [];
  return readdirSync(join(dist, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path).split(sep).join('/'))
    .filter((path) => path.endsWith('.js') && !path.includes('/assets/'));
}

function isMerged(path: string): boolean {
  return path.startsWith('src/') && !APART.some((prefix) => path.startsWith(prefix));
}

/** Merged modules that somebody imports who is not. */
function entries(): string[] {
  const wanted = new Set(exported.filter(isMerged));
  for (const importer of IMPORTERS.flatMap(modulesIn)) {
    if (isMerged(importer)) continue;
    for (const { specifier } of importsOf(readFileSync(join(dist, importer), 'utf8'))) {
      if (!specifier.startsWith('.')) continue;
      const target = posix.join(posix.dirname(importer), specifier);
      if (isMerged(target)) wanted.add(target);
    }
  }
  return [...wanted];
}

function isIn(folder: string, path: string): boolean {
  return path.startsWith(folder) && !ALONE.some((prefix) => path.startsWith(prefix));
}

/** `src/emulated/` is `emulated`, `src/` is `index`. */
function chunkName(folder: string): string {
  return folder.slice('src/'.length, -1).replaceAll('/', '-') || 'index';
}

/**
 * Makes a chunk's `const x = require('…')` of another one a function, called at each use.
 *
 * @throws Error if the chunk does not require the other, or uses it otherwise than by the names in it.
 */
function requireOnFirstUse(code: string, chunk: string): string {
  const required = new RegExp(`^const (\\w+) = (require\\("\\./${chunk}\\.cjs"\\));$`, 'm').exec(code);
  if (required === null) throw new Error(`nothing requires the chunk ${chunk}`);
  const [declaration, name, call] = required;
  const lazy = code
    .replace(declaration, `const ${name} = () => ${call};`)
    .replace(new RegExp(`\\b${name}\\.`, 'g'), `${name}().`);
  if (new RegExp(`\\b${name}\\b(?! = |\\(\\))`).test(lazy))
    throw new Error(`the chunk ${chunk} is used as a whole`);
  return lazy;
}

/**
 * Makes a chunk take the modules of Node.js from the process: a `require` in it is no longer one when a bundler makes an ES module of
 * it, and does not know them then.
 *
 * @throws Error if one is left.
 */
function takeBuiltins({ name }: OutputChunk, code: string): string {
  const taken = code.replace(STRICT, '').replace(/\brequire\("(?=node:)/g, 'builtin("');
  if (taken.includes('require("node:')) throw new Error('a module of Node.js is still required');
  return `${STRICT}${BUILTIN}${/\bmoduleUrl\b/.test(code) ? MODULE_URL : ''}${name === 'native' ? TRACED : ''}${taken}`;
}

/** An ES module at the place of a merged one, with its names. By `import`, which the bundlers of applications follow. */
function face({ exports, fileName }: OutputChunk): string {
  return `import chunk from './${posix.basename(fileName)}';
export const { ${exports.join(', ')} } = chunk;
`;
}

const before = modulesIn('src').filter(isMerged);
const faces = new Map(entries().map((path) => [path.replace(/\.js$/, ''), path]));
const bundle = await rolldown({
  input: Object.fromEntries([...faces].map(([name, path]) => [name, join(dist, path)])),
  platform: 'node',
  external: [/^node:/, 'koffi', 'node-gyp-build'],
  preserveEntrySignatures: 'allow-extension',
  transform: { define: { 'import.meta.url': 'moduleUrl' } },
});
const { output } = await bundle.generate({
  format: 'cjs',
  strict: true,
  entryFileNames: '[name].cjs',
  chunkFileNames: `${CHUNKS}[name].cjs`,
  comments: false,
  codeSplitting: {
    includeDependenciesRecursively: false,
    groups: GROUPS.map((folder, index) => ({
      name: chunkName(folder),
      test: (id: string) => isIn(folder, relative(dist, id).split(sep).join('/')),
      priority: GROUPS.length - index,
    })),
  },
});
await bundle.close();
for (const path of before) {
  rmSync(join(dist, `${path}.map`), { force: true });
  rmSync(join(dist, path));
}
rmSync(join(dist, CHUNKS), { recursive: true, force: true });
mkdirSync(join(dist, CHUNKS));
const order = GROUPS.map((folder) => `${CHUNKS}${chunkName(folder)}.cjs`);
for (const chunk of output) {
  if (chunk.type !== 'chunk') throw new Error(`${chunk.fileName} is no code`);
  // A circle would find a class undefined that another one extends.
  const place = order.indexOf(chunk.fileName);
  const later = chunk.imports.find((name) => place >= 0 && order.indexOf(name) > place);
  if (later !== undefined) throw new Error(`${chunk.fileName} imports ${later}`);
  const lazy = chunk.name === ON_FIRST_USE.by;
  const code = lazy ? requireOnFirstUse(chunk.code, ON_FIRST_USE.chunk) : chunk.code;
  writeFileSync(join(dist, chunk.fileName), takeBuiltins(chunk, code));
  if (chunk.isEntry) writeFileSync(join(dist, faces.get(chunk.name)!), face(chunk));
}
// What stays an ES module is required as one, which every Node.js does that this package is for.
for (const path of exported.filter((one) => !isMerged(one)))
  writeFileSync(
    join(dist, path.replace(/\.js$/, '.cjs')),
    `module.exports = require('./${posix.basename(path)}');\n`,
  );
const declarations = writeDeclarations(dist, exported);
// A map without the sources tells nobody anything.
for (const path of IMPORTERS.flatMap(modulesIn)) {
  rmSync(join(dist, `${path}.map`), { force: true });
  const code = readFileSync(join(dist, path), 'utf8');
  writeFileSync(join(dist, path), code.replace(/^\/\/# sourceMappingURL=.*\n?/m, ''));
}

// Its comments are for who reads the sources; they were a sixth of it.
for (const path of modulesIn('test/conformance')) {
  const file = join(dist, path);
  const one = await rolldown({
    input: file,
    platform: 'neutral',
    external: (id) => id !== file,
    treeshake: false,
    preserveEntrySignatures: 'strict',
  });
  const { output: parts } = await one.generate({ format: 'esm', comments: false });
  await one.close();
  if (parts.length !== 1) throw new Error(`${path} is not one module`);
  writeFileSync(file, parts[0].code);
}

/** Loading the package must load nothing that is for first use. */
const loaded = execFileSync(
  process.execPath,
  [
    ...['--input-type=module', '--eval'],
    `import ${JSON.stringify(pathToFileURL(join(dist, exported[0]!)).href)};
     import { createRequire } from 'node:module';
     console.log(Object.keys(createRequire(import.meta.url).cache).join());`,
  ],
  { encoding: 'utf8' },
);
if (loaded.includes(`${ON_FIRST_USE.chunk}.cjs`) || !loaded.includes(`${ON_FIRST_USE.by}.cjs`))
  throw new Error(`what is loaded at once is not what should be: ${loaded}`);
console.log(
  `${before.length} modules are ${output.length} chunks behind ${faces.size} faces; ${declarations} declarations`,
);
