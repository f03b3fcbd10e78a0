import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importFaults } from '../../../scripts/checks/import-faults.ts';
import { readSourceTree, type SourceTree } from '../../../scripts/checks/source-tree.ts';
import { packageRoot } from '../../../scripts/package-root.ts';

const sources = readSourceTree(packageRoot());
const CHECK = join(packageRoot(), 'dist/scripts/checks/imports.js');

/** The tree with a line more at the end of one file. */
function withLine(path: string, line: string): SourceTree {
  const source = sources.get(path);
  if (source === undefined) throw new Error(`there is no ${path}`);
  return new Map(sources).set(path, `${source}${line}\n`);
}

/** The check as it is run, on a copy of a tree. */
function check(tree: SourceTree): { status: number | null; output: string } {
  const root = mkdtempSync(join(tmpdir(), 'kaio-imports-'));
  try {
    for (const [path, source] of tree) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), source);
    }
    const { status, stdout, stderr } = spawnSync(process.execPath, [CHECK, root], { encoding: 'utf8' });
    return { status, output: stdout + stderr };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const BREAKS: readonly {
  title: string;
  path: string;
  line: string;
  culprits: readonly string[];
}[] = [
  {
    title: 'an arrow upwards',
    path: 'src/common/kernel/supports.ts',
    line: "export type { PollForecast } from '../context/poll-forecast.ts';",
    culprits: [
      'src/common/kernel/supports.ts: imports PollForecast from ../context/poll-forecast.ts: common/kernel must not import common/context',
    ],
  },
  {
    title: 'a circle of types',
    path: 'src/native/sysno.ts',
    line: "export type { NativeKernel } from './native-kernel.ts';",
    culprits: [
      'a circle of 2: src/native/native-kernel.ts, src/native/sysno.ts',
      '  src/native/native-kernel.ts -> src/native/sysno.ts: AioSysno',
      '  src/native/sysno.ts -> src/native/native-kernel.ts: NativeKernel',
    ],
  },
  {
    title: "an import from a sibling's inside",
    path: 'src/native/watcher.ts',
    line: "export { EventFd } from '../emulated/files/eventfd.ts';",
    culprits: [
      'src/native/watcher.ts: imports EventFd from ../emulated/files/eventfd.ts: native must not import emulated/files',
    ],
  },
  {
    title: 'an import past the face of a room',
    path: 'src/cli/doctor.ts',
    line: "export type { Libc } from '../native/libc.ts';",
    culprits: [
      'src/cli/doctor.ts: imports Libc from ../native/libc.ts: of native, other rooms may import src/native/index.ts alone',
    ],
  },
  {
    title: 'a circle in the addon',
    path: 'src/native/addon/environment.c',
    line: 'void environment_quit(struct environment *one) { guard_close(one); }',
    culprits: [
      'src/native/addon/environment.c -> src/native/addon/guard.c: guard_close',
      'src/native/addon/mailbox.c -> src/native/addon/environment.c: environment_handle_closed, environment_handle_opened',
    ],
  },
];

describe('check:imports', () => {
  it('finds nothing wrong with this package', () => {
    expect(importFaults(sources)).toEqual([]);
    expect(check(sources)).toEqual({ status: 0, output: expect.stringContaining(' 0 imports against') });
  });

  it.each(BREAKS)('turns red at $title, and names it', ({ path, line, culprits }) => {
    const { status, output } = check(withLine(path, line));
    expect(status).toBe(1);
    for (const culprit of culprits)
      expect(output.split('\n').map((one) => one.trim())).toContain(culprit.trim());
    expect(output).toMatch(/ 1 imports against/);
  });
});
