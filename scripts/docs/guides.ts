/** The programs that the guides print: a block of TypeScript, and right behind it a block of what it prints. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { remark } from 'remark';
import { packageRoot } from '../package-root.ts';

export interface GuideProgram {
  /** `direct-io`, and `direct-io-2` for the second one of that page. */
  readonly name: string;
  readonly program: string;
  /** What it prints; an ellipsis in it stands for anything in a line. */
  readonly prints: string;
}

const GUIDES = join(packageRoot(), 'docs/guides');
const PAGES = [
  join(packageRoot(), 'README.md'),
  ...readdirSync(GUIDES)
    .filter((name) => name.endsWith('.md') && name !== 'README.md')
    .sort()
    .map((name) => join(GUIDES, name)),
];

/** @throws Error for a guide without a program. */
export function guidePrograms(): GuideProgram[] {
  return PAGES.flatMap((path) => {
    const name = basename(path, '.md').toLowerCase();
    const { children } = remark.parse(readFileSync(path, 'utf8'));
    const programs = children.flatMap((block, at) => {
      const next = children[at + 1];
      if (block.type !== 'code' || block.lang !== 'ts') return [];
      if (next?.type !== 'code' || next.lang !== 'text') return [];
      return [{ program: `${block.value}\n`, prints: next.value }];
    });
    if (programs.length === 0) throw new Error(`${path} has no program`);
    return programs.map((one, at) => ({ name: at === 0 ? name : `${name}-${at + 1}`, ...one }));
  });
}
