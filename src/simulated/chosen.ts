/** Which modules see the simulation. */
import { sep } from 'node:path';
import { invalidArgType } from '../common/validate.ts';

export interface Chosen {
  /** Names of packages, wherever in a `node_modules` they are. Those that they depend upon are packages of their own. */
  readonly packages?: readonly string[];
  /** Folders, as absolute paths: all that is below them, but for what is in a `node_modules` there. */
  readonly folders?: readonly string[];
}

const MODULES = `${sep}node_modules${sep}`;

/** @returns Whether a module, by its path, is one of them. */
export function chooserOf({ packages = [], folders = [] }: Chosen): (path: string | undefined) => boolean {
  validateNames('options.packages', packages);
  validateNames('options.folders', folders);
  const below = folders.map((folder) => (folder.endsWith(sep) ? folder : folder + sep));
  return (path) => {
    if (path === undefined) return false;
    const at = path.lastIndexOf(MODULES);
    if (at !== -1 && packages.includes(packageAt(path.slice(at + MODULES.length)))) return true;
    return below.some(
      (folder) => path.startsWith(folder) && !path.slice(folder.length - 1).includes(MODULES),
    );
  };
}

function packageAt(path: string): string {
  return path
    .split(sep)
    .slice(0, path.startsWith('@') ? 2 : 1)
    .join('/');
}

function validateNames(name: string, names: unknown): void {
  if (!Array.isArray(names) || names.some((one) => typeof one !== 'string'))
    throw invalidArgType(name, 'an array of strings', names);
}
