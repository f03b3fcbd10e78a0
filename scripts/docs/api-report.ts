/**
 * Writes `docs/api`: what each export of the package declares, as text, so that a change of the surface shows in a diff. With `--check` holds
 * that it is up to date. By API Extractor, of the declarations in `dist`.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Extractor,
  ExtractorConfig,
  ExtractorLogLevel,
  type ExtractorMessage,
} from '@microsoft/api-extractor';
import { packageExports } from '../build/package-exports.ts';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const folder = join(root, 'docs/api');
const COMPILER_OPTIONS = {
  target: 'ES2022',
  lib: ['ES2023', 'ESNext.Disposable'],
  module: 'NodeNext',
  moduleResolution: 'NodeNext',
  types: ['node'],
  strict: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  noEmit: true,
};
/** Of it only the report is wanted; what has a doc comment and what not is TypeDoc's to judge. */
const QUIET = { default: { logLevel: ExtractorLogLevel.None } };

/** @returns The report. @throws Error with what API Extractor has to complain about. */
function report(module: string, name: string, made: string): string {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: join(root, 'dist', module.replace(/\.js$/, '.d.ts')),
      compiler: {
        overrideTsconfig: {
          compilerOptions: COMPILER_OPTIONS,
          files: [join('dist', module.replace(/\.js$/, '.d.ts'))],
        },
      },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: made,
        reportTempFolder: join(made, 'new'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: QUIET,
        extractorMessageReporting: QUIET,
        tsdocMessageReporting: QUIET,
      },
    },
  });
  const faults: string[] = [];
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message: ExtractorMessage) => {
      if (message.logLevel === 'error') faults.push(message.text);
      message.handled = true;
    },
  });
  if (faults.length > 0) throw new Error(`${module}: ${faults.join('; ')}`);
  return sameQuotes(readFileSync(join(made, `${name}.api.md`), 'utf8'));
}

/** TypeScript 7 writes a type of strings with either, from run to run. */
function sameQuotes(text: string): string {
  return text.replaceAll(/'([^'"\n]*)'/g, '"$1"');
}

const made = mkdtempSync(join(tmpdir(), 'kaio-api-'));
try {
  mkdirSync(folder, { recursive: true });
  for (const { specifier, module } of packageExports()) {
    const name = specifier.replaceAll('/', '-');
    const text = report(module, name, made);
    const path = join(folder, `${name}.api.md`);
    if (!process.argv.includes('--check')) writeFileSync(path, text);
    else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
      console.log(`docs/api/${name}.api.md is not what ${specifier} declares: npm run docs:api`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}
