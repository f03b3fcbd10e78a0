import { describe, expect, it } from 'vitest';
import { circlesIn, describeCircle, type Graph, GraphBuilder } from '../../../scripts/checks/circles.ts';

/** `a>b` is: a needs what b calls B. */
function graphOf(...ties: readonly string[]): Graph {
  const pairs = ties.map((tie) => tie.split('>') as [string, string]);
  const builder = new GraphBuilder(new Set(pairs.flat()));
  for (const [from, to] of pairs) builder.add(from, to, [to.toUpperCase()]);
  return builder.graph;
}

describe('circlesIn', () => {
  it.each([
    ['a chain', ['a>b', 'b>c', 'a>c'], []],
    ['two', ['a>b', 'b>a'], [['a', 'b']]],
    ['three with a tail', ['x>a', 'a>b', 'b>c', 'c>a', 'c>y'], [['a', 'b', 'c']]],
    ['one that needs itself', ['a>a'], [['a']]],
    [
      'two apart',
      ['a>b', 'b>a', 'b>c', 'c>d', 'd>c'],
      [
        ['c', 'd'],
        ['a', 'b'],
      ],
    ],
    ['two that share a file', ['a>b', 'b>a', 'b>c', 'c>b'], [['a', 'b', 'c']]],
    ['a way back into what is done', ['a>b', 'a>c', 'c>b'], []],
  ])('%s', (_title, ties, circles) => {
    expect(circlesIn(graphOf(...ties))).toEqual(circles);
  });
});

describe('describeCircle', () => {
  it('tells the files and the names that tie them, and no others', () => {
    const graph = graphOf('a>b', 'b>a', 'b>c');
    expect(describeCircle(graph, ['a', 'b'])).toBe('a circle of 2: a, b\n  a -> b: B\n  b -> a: A');
  });
});

describe('GraphBuilder', () => {
  it('knows nothing of files outside', () => {
    const builder = new GraphBuilder(['a']);
    builder.add('a', 'b', ['B']);
    builder.add('b', 'a', ['A']);
    expect(builder.graph).toEqual(new Map([['a', new Map()]]));
  });
});
