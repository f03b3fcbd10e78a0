/** Puts what is needed besides modules into dist, where the package has it too. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();

function copy(folder: string, files: Readonly<Record<string, string>>): void {
  const assets = join(root, 'dist', folder, 'assets');
  mkdirSync(assets, { recursive: true });
  for (const [name, source] of Object.entries(files)) copyFileSync(join(root, source), join(assets, name));
}

copy('bench', { 'floor.c': 'bench/floor.c', 'group-commit.c': 'bench/group-commit.c' });
// A page with plots has all of it in itself: MIT licences, which go with them.
copy('src/page', {
  'chart.umd.js': 'node_modules/chart.js/dist/chart.umd.min.js',
  'chart.LICENSE.md': 'node_modules/chart.js/LICENSE.md',
  'chart-zoom.umd.js': 'node_modules/chartjs-plugin-zoom/dist/chartjs-plugin-zoom.min.js',
  'chart-zoom.LICENSE.md': 'node_modules/chartjs-plugin-zoom/LICENSE.md',
  'hammer.js': 'node_modules/hammerjs/hammer.min.js',
  'hammer.LICENSE.md': 'node_modules/hammerjs/LICENSE.md',
});
