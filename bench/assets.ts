/** Files that are no modules. Building copies them beside the modules: scripts/build/copy-assets.ts. */
import { fileURLToPath } from 'node:url';

export type Asset = 'floor.c' | 'group-commit.c';

export function assetPath(name: Asset): string {
  return fileURLToPath(new URL(`./assets/${name}`, import.meta.url));
}
