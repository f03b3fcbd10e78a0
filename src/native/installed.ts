/**
 * Where packages lie that are loaded at run time: beside kaio, also where kaio was merged into an application. Bundlers do not follow
 * what is loaded so, and have no place for what is no JavaScript.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { codeOf } from '../common/errors.ts';

let root: { readonly path: string | undefined } | undefined;

/** kaio's own folder. `undefined` where it was merged into an application and cannot be found near that. */
export function packageRoot(): string | undefined {
  root ??= { path: ownRoot() ?? installedRoot() };
  return root.path;
}

/** The next `package.json` above this file, if it is kaio's. */
function ownRoot(): string | undefined {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest)) return isOwn(manifest) ? folder : undefined;
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
}

function isOwn(manifest: string): boolean {
  try {
    return (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'kaio';
  } catch {
    // Not ours to judge; another one may be found.
    return false;
  }
}

/** What the `package.json` of a folder says. @throws Where it cannot be read. */
export function versionOf(folder: string): string | undefined {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return (JSON.parse(text) as { version?: string }).version;
}

function installedRoot(): string | undefined {
  try {
    return dirname(createRequire(import.meta.url).resolve('kaio/package.json'));
  } catch {
    // A single file, moved to where nothing else is.
    return undefined;
  }
}

/**
 * Tries places one after the other: this file, kaio's own folder. Never the working directory, which may be anybody's.
 *
 * @throws What the first said, if the package is in none of them; what the package threw, if that is found and cannot be loaded.
 */
export function loadFromNear<T>(load: (place: string) => T): T {
  let missing: unknown;
  for (const place of places())
    try {
      return load(place);
    } catch (error) {
      if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error;
      missing ??= error;
    }
  throw missing;
}

function* places(): Generator<string> {
  yield import.meta.url;
  const folder = packageRoot();
  if (folder !== undefined) yield pathToFileURL(join(folder, 'package.json')).href;
}
