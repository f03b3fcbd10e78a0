/** Which of the addon's C files needs which: the headers it includes, and the functions it uses that another defines. */
import { posix } from 'node:path';
import { type Graph, GraphBuilder } from './circles.ts';
import type { SourceTree } from './source-tree.ts';

const INCLUDE = /^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"/gm;
/** A definition begins its line, and what follows the parameters is a body. `static` ones are nobody else's. */
const DEFINITION =
  /^(?!static\b|typedef\b)[A-Za-z_][\w \t*]*?\b(\w+)\([^;{}()]*(?:\([^()]*\)[^;{}()]*)*\)\s*\{/gm;
const IDENTIFIER = /[A-Za-z_]\w*/g;

/** Comments and strings become blanks. */
function codeOf(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"/g, ' ');
}

/** The functions that a C source defines for others. */
export function functionsOf(source: string): string[] {
  return [...codeOf(source).matchAll(DEFINITION)].map((match) => match[1]!);
}

/** The graph of the `.c` and `.h` files in a tree. */
export function addonGraph(tree: SourceTree): Graph {
  const files = [...tree].filter(([path]) => /\.[ch]$/.test(path));
  const builder = new GraphBuilder(files.map(([path]) => path));
  const homes = new Map<string, string>();
  for (const [path, source] of files)
    if (path.endsWith('.c')) for (const name of functionsOf(source)) homes.set(name, path);
  for (const [path, source] of files) {
    for (const match of source.matchAll(INCLUDE))
      builder.add(path, posix.join(posix.dirname(path), match[1]!), ['#include']);
    // A header declares what its C file defines, and uses nothing.
    if (!path.endsWith('.c')) continue;
    for (const [name] of codeOf(source).matchAll(IDENTIFIER)) {
      const home = homes.get(name);
      if (home !== undefined && home !== path) builder.add(path, home, [name]);
    }
  }
  return builder.graph;
}
