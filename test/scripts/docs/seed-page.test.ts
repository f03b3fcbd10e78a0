/** Whether docs/internals/seed.md is true as far as names go: places, words of the kernel, cases and tests exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALL_CASES as cases } from '../../conformance/cases.ts';

const docs = join(import.meta.dirname, '..', '..', '..', 'docs', 'internals');
const rows = readFileSync(join(docs, 'seed.md'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' | '));
const contentOf = (link: string): string => {
  const path = join(docs, link);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};
const links = (cell: string): string[] => [...cell.matchAll(/\]\(([^)#]+)\)/g)].map(([, link]) => link!);
const words = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word!);

describe('docs/internals/seed.md', () => {
  it('has every function of fs/aio.c once', () => {
    const functions = rows.flatMap(([first]) => words(first!));
    expect(functions.length).toBeGreaterThan(40);
    expect(new Set(functions).size).toBe(functions.length);
  });

  it.each(rows)('%s', (_functions, where, shown = '') => {
    const sources = links(where!).map(contentOf);
    expect(sources.every((source) => source !== '')).toBe(true);
    for (const word of words(where!)) expect(sources.some((source) => source.includes(word))).toBe(true);
    for (const id of words(shown)) {
      const wanted = id.endsWith('*')
        ? cases.some((one) => one.id.startsWith(id.slice(0, -1)))
        : cases.some((one) => one.id === id);
      expect(wanted, `case ${id}`).toBe(true);
    }
    for (const [, link, title] of shown.matchAll(/\]\(([^)]+)\): "([^"]+)"/g))
      expect(contentOf(link!), `${link}: ${title}`).toContain(`('${title}'`);
  });
});
