/** The sources of the package, as one map. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The text of each file, by its path from the package's root with forward slashes. */
export type SourceTree = ReadonlyMap<string, string>;

const FOLDERS = ['src', 'bench', 'scripts', 'test', 'examples'];

/** Reads what TypeScript and C there is. */
export function readSourceTree(root: string): SourceTree {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  ).filter((path) => /\.(?:ts|c|h)$/.test(path));
  return new Map(
    paths.sort().map((path) => [path.split(sep).join('/'), readFileSync(join(root, path), 'utf8')]),
  );
}
