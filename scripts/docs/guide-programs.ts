/**
 * Writes the programs of the guides to `test/docs/programs`, as they are printed, so that they are compiled, looked through by the linter,
 * and run by a test. With `--check` holds that they are up to date.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { guidePrograms } from './guides.ts';

const folder = join(packageRoot(), 'test/docs/programs');
const programs = new Map(guidePrograms().map(({ name, program }) => [`${name}.ts`, program]));

if (process.argv.includes('--check')) {
  const found = new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const differing = [...new Set([...programs.keys(), ...found.keys()])].filter(
    (name) => programs.get(name) !== found.get(name),
  );
  for (const name of differing)
    console.log(`test/docs/programs/${name} is not what the guide prints: npm run docs:guides`);
  if (differing.length > 0) process.exitCode = 1;
} else {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const [name, program] of programs) writeFileSync(join(folder, name), program);
}
