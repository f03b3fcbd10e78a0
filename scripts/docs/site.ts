/**
 * Makes the site `docs/site`, which opens from disk: the API reference, of the doc comments, and the pages of `docs`. With `--check` makes
 * nothing, and holds that everything that is exported has a doc comment and that links in them lead somewhere.
 */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { TypeDocOptions } from 'typedoc';
import { packageExports } from '../build/package-exports.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
/** TypeDoc asks the compiler by its interface in JavaScript, which TypeScript 7 has not: it gets version 6, which is beside it. */
function provideCompiler(): void {
  const place = join(root, 'node_modules/typedoc/node_modules');
  if (existsSync(join(place, 'typescript'))) return;
  mkdirSync(place, { recursive: true });
  symlinkSync('../../typescript6', join(place, 'typescript'), 'junction');
}

const OPTIONS: TypeDocOptions = {
  name: 'kaio',
  entryPoints: packageExports().map(({ module }) => join(root, module.replace(/\.js$/, '.ts'))),
  tsconfig: join(root, 'tsconfig.json'),
  skipErrorChecking: true,
  readme: join(root, 'README.md'),
  projectDocuments: ['docs/guides/*.md', 'docs/*.md', 'docs/internals/*.md'].map((glob) => join(root, glob)),
  out: join(root, 'docs/site'),
  highlightLanguages: [
    'bash',
    'console',
    'css',
    'html',
    'javascript',
    'json',
    'jsonc',
    'json5',
    'tsx',
    'typescript',
    'diff',
  ],
  // The repository has no address yet.
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  validation: { notExported: false, invalidLink: true, notDocumented: true, invalidPath: true },
  // All that a reader of the reference comes upon, down to the members of types without a name. What parameters mean is said where their names
  // do not.
  requiredToBeDocumented: [
    'Module',
    'Namespace',
    'Variable',
    'Function',
    'Class',
    'Constructor',
    'Interface',
    'TypeAlias',
    'Enum',
    'EnumMember',
    'Property',
    'Accessor',
    'Method',
    'CallSignature',
    'IndexSignature',
  ],
  treatValidationWarningsAsErrors: true,
};

provideCompiler();
const { Application, TSConfigReader } = await import('typedoc');
const app = await Application.bootstrapWithPlugins(OPTIONS, [new TSConfigReader()]);
const project = await app.convert();
if (project !== undefined) {
  app.validate(project);
  if (!process.argv.includes('--check')) await app.generateOutputs(project);
}
if (project === undefined || app.logger.hasErrors() || app.logger.hasWarnings()) process.exitCode = 1;
