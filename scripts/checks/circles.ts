/** Circles: files that, from one to the next, need each other. */

/** For each file the files it needs, and what of them. */
export type Graph = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** A graph that is being made. */
export class GraphBuilder {
  readonly graph = new Map<string, Map<string, Set<string>>>();

  constructor(files: Iterable<string>) {
    for (const file of files) this.graph.set(file, new Map());
  }

  /** Does nothing where one of the two is not a file of the graph. */
  add(from: string, to: string, names: Iterable<string>): void {
    const needed = this.graph.get(from);
    if (needed === undefined || !this.graph.has(to)) return;
    const known = needed.get(to) ?? new Set();
    for (const name of names) known.add(name);
    needed.set(to, known);
  }
}

/**
 * The strongly connected components that are circles, each sorted: of two files and more, or of one that needs itself.
 *
 * By Tarjan's algorithm.
 */
export function circlesIn(graph: Graph): string[][] {
  const circles: string[][] = [];
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const path: string[] = [];
  const onPath = new Set<string>();

  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    path.push(file);
    onPath.add(file);
    for (const needed of graph.get(file)!.keys()) {
      if (!order.has(needed)) visit(needed);
      else if (!onPath.has(needed)) continue;
      lowest.set(file, Math.min(lowest.get(file)!, lowest.get(needed)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const component = path.splice(path.indexOf(file));
    for (const member of component) onPath.delete(member);
    if (component.length > 1 || graph.get(file)!.has(file)) circles.push(component.sort());
  };

  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return circles;
}

/** A circle for people: its files, and on a line each what one of them needs of another. */
export function describeCircle(graph: Graph, circle: readonly string[]): string {
  const members = new Set(circle);
  const ties = circle.flatMap((file) =>
    [...graph.get(file)!]
      .filter(([needed]) => members.has(needed))
      .map(
        ([needed, names]) => `  ${file} -> ${needed}: ${[...names].sort().join(', ') || 'nothing by name'}`,
      ),
  );
  return [`a circle of ${circle.length}: ${circle.join(', ')}`, ...ties].join('\n');
}
