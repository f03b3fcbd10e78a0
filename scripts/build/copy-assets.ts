/** Puts what `kaio bench` needs besides modules into dist, where the package has it too. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';

const root = packageRoot();
const assets = join(root, 'dist', 'bench', 'assets');
mkdirSync(assets, { recursive: true });
copyFileSync(join(root, 'bench', 'floor.c'), join(assets, 'floor.c'));
// A page with plots has all of it in itself: Chart.js, MIT licence.
const chart = join(root, 'node_modules', 'chart.js');
copyFileSync(join(chart, 'dist', 'chart.umd.min.js'), join(assets, 'chart.umd.js'));
copyFileSync(join(chart, 'LICENSE.md'), join(assets, 'chart.LICENSE.md'));
