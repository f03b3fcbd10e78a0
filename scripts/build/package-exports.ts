/** What `package.json` exports: the one list of what others import. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

/** One subpath of the package. */
export interface PackageExport {
  /** As it is imported: `kaio/native`. */
  readonly specifier: string;
  /** The ES module, in `dist`: `src/native/index.js`. */
  readonly module: string;
}

/** All that has declarations, in the order of `package.json`. */
export function packageExports(): PackageExport[] {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    name: string;
    exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  return Object.entries(manifest.exports).flatMap(([subpath, target]) =>
    typeof target === 'string'
      ? []
      : [{ specifier: manifest.name + subpath.slice(1), module: target.default.replace('./dist/', '') }],
  );
}
