/** The libraries that pages have in them. Building copies them out of development dependencies: scripts/build/copy-assets.ts. */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { AioStateError } from '../common/errors.ts';

/** Chart.js; what moves and magnifies its plots; what that reads touches and drags with. All MIT. */
export type Library = 'chart.umd.js' | 'chart-zoom.umd.js' | 'hammer.js';

/** From the folder of package.json. */
const ASSETS = 'dist/src/page/assets';

/**
 * The source of a library, for a page's `scripts`.
 *
 * @throws AioStateError `ERR_AIO_UNSUPPORTED` where it is not: without the package kaio-cli, which brings them.
 */
export function librarySource(name: Library): string {
  const path = find(name) ?? findInCli(name);
  if (path === undefined) {
    throw new AioStateError(
      'ERR_AIO_UNSUPPORTED',
      `A page needs ${name} of the package kaio-cli, which is not here. Install it: npm install --save-dev kaio-cli`,
    );
  }
  return readFileSync(path, 'utf8').replaceAll('</script', '<\\/script');
}

/** This may run from `src`, from `dist/src`, or merged with other modules. */
function find(name: Library): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const path = join(folder, ASSETS, name);
    if (existsSync(path)) return path;
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

/** The library is a few times smaller without them. Beside this package, or of the program that runs. */
function findInCli(name: Library): string | undefined {
  for (const place of [import.meta.url, pathToFileURL(process.argv[1] ?? process.execPath).href])
    try {
      return join(dirname(createRequire(place).resolve('kaio-cli/package.json')), ASSETS, name);
    } catch {
      // Not there.
    }
  return undefined;
}
