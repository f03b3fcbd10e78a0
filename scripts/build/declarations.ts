/**
 * Declarations for both kinds of modules. Those of TypeScript's are of ES modules, and a program that requires kaio may not use them. So
 * what the exports need becomes declarations of CommonJS modules, `.d.cts`, and what is imported as an ES module takes everything from
 * there: each type exists once however it is imported.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, posix } from 'node:path';

const RELATIVE = /(['"])(\.{1,2}\/[^'"\n]+)\.[jt]s\1/g;

/** @param modules - In `dist`, by paths with forward slashes. @returns Of those, and of all that their declarations name. */
function closure(dist: string, modules: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const waiting = modules.map((path) => path.replace(/\.js$/, ''));
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (found.has(path)) continue;
    const text = readFileSync(join(dist, `${path}.d.ts`), 'utf8');
    found.set(path, text);
    for (const [, , specifier] of text.matchAll(RELATIVE))
      waiting.push(posix.join(posix.dirname(path), specifier!));
  }
  return found;
}

/** @returns How many declarations there are. */
export function writeDeclarations(dist: string, exported: readonly string[]): number {
  const needed = closure(dist, exported);
  for (const [path, text] of needed) {
    writeFileSync(join(dist, `${path}.d.cts`), text.replace(RELATIVE, '$1$2.cjs$1'));
    rmSync(join(dist, `${path}.d.ts`));
  }
  for (const path of exported) {
    const name = basename(path, '.js');
    writeFileSync(join(dist, path.replace(/\.js$/, '.d.ts')), `export * from './${name}.cjs';\n`);
  }
  return needed.size;
}
