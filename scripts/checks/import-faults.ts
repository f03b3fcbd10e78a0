/** All that is wrong with who imports whom. */
import { posix } from 'node:path';
import { addonGraph } from './addon-graph.ts';
import { circlesIn, describeCircle, type Graph, GraphBuilder } from './circles.ts';
import { importsOf } from './import-reader.ts';
import { violationsIn } from './import-rules.ts';
import type { SourceTree } from './source-tree.ts';

/** The graph of the TypeScript files in a tree. Types tie as values do: whoever reads the one has to read the other. */
function importGraph(tree: SourceTree): Graph {
  const sources = [...tree].filter(([path]) => path.endsWith('.ts'));
  const builder = new GraphBuilder(sources.map(([path]) => path));
  for (const [path, source] of sources)
    for (const { specifier, names } of importsOf(source))
      if (specifier.startsWith('.')) builder.add(path, posix.join(posix.dirname(path), specifier), names);
  return builder.graph;
}

/** Imports against the rules of the rooms, and circles. @returns A text for each fault. */
export function importFaults(tree: SourceTree): string[] {
  const violations = [...tree]
    .filter(([path]) => path.endsWith('.ts'))
    .flatMap(([path, source]) => violationsIn(path, source));
  const circles = [importGraph(tree), addonGraph(tree)].flatMap((graph) =>
    circlesIn(graph).map((circle) => describeCircle(graph, circle)),
  );
  return [...violations, ...circles];
}
