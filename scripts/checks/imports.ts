/** Holds the one-way rule: `cli -> index -> select -> native | emulated -> common`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { packageRoot } from '../package-root.ts';
import { violationsIn } from './import-rules.ts';

const root = packageRoot();
const files = ['src', 'test', 'bench']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path)),
  )
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.split(sep).join('/'));
const violations = files.flatMap((path) => violationsIn(path, readFileSync(join(root, path), 'utf8')));

for (const violation of violations) console.log(violation);
console.log(`${files.length} files, ${violations.length} imports against the one-way rule`);
if (violations.length > 0) process.exitCode = 1;
