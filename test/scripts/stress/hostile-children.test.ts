import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../../scripts/package-root.ts';
import type { Task } from '../../../scripts/stress/hostile/child.ts';
import { type Ended, kindOf, runChild } from '../../../scripts/stress/hostile/children.ts';
import type { Program } from '../../../scripts/stress/hostile/program.ts';

const root = packageRoot();
const directory = mkdtempSync(join(tmpdir(), 'kaio-children-'));
afterAll(() => rmSync(directory, { recursive: true }));

const honest: Program = [
  { do: 'memory', memory: 0, kind: 'aligned', sectors: 128 },
  { do: 'open', file: 0, opening: 'direct' },
  {
    do: 'read',
    context: 1,
    place: { target: 'direct', index: 0, page: 3 },
    view: { memory: 0, at: 0, bytes: 4096, type: 'Uint8Array' },
    extras: {},
  },
  {
    do: 'file write',
    file: 0,
    page: 1,
    view: { memory: 1, at: 0, bytes: 4096, type: 'Buffer' },
    extras: {},
  },
  { do: 'poll', context: 0, event: 0, extras: { signal: 0 } },
  { do: 'wait', how: 'tick' },
  { do: 'abort', signal: 0 },
];

function task(programs: readonly Program[]): Task {
  return {
    backend: 'emulated',
    executor: 'threadpool',
    directory,
    without: [],
    source: { programs, times: 3 },
  };
}

/** A child that does something else. */
function instead(source: string, silentMs?: number): Promise<Ended> {
  const script = join(directory, `child-${Math.random()}.mjs`);
  writeFileSync(
    script,
    `import { writeSync } from 'node:fs'; writeSync(3, '{"at":7,"steps":5}\\n'); ${source}`,
  );
  return runChild(task([honest]), { node: process.execPath, addon: true, script, silentMs });
}

describe.runIf(process.platform === 'linux')('runChild', () => {
  const script = join(root, 'dist/scripts/stress/hostile/child.js');

  it('runs programs, and counts their steps', async () => {
    const { wrong, steps, release } = await runChild(task([honest, honest]), {
      node: process.execPath,
      addon: true,
      script,
    });
    expect({ wrong, steps }).toEqual({ wrong: undefined, steps: 6 * honest.length });
    expect(release).toMatch('emulation');
  });

  it('finds a process that dies, one that ends too soon, and one that holds its event loop', async () => {
    expect(await instead('process.abort();')).toMatchObject({
      at: 7,
      steps: 5,
      wrong: expect.stringMatching('died: SIGABRT'),
    });
    expect((await instead('process.exit(3);')).wrong).toMatch('died: exit code 3');
    expect((await instead('for (;;);', 500)).wrong).toMatch('event loop is held');
  });

  it('leaves no folder of a child behind, however that ends', async () => {
    const makes =
      "const { mkdirSync } = await import('node:fs'); mkdirSync(JSON.parse(process.argv[2]).directory + '/made');";
    expect((await instead(`${makes} process.abort();`)).wrong).toMatch('died: SIGABRT');
    expect(readdirSync(directory).filter((name) => name.startsWith('kaio-hostile-'))).toEqual([]);
  });

  it('tells what an uncaught error was', async () => {
    expect((await instead("throw new RangeError('of a test');")).wrong).toMatch('RangeError: of a test');
  });
});

describe('kindOf', () => {
  it('takes for the same what differs in numbers, names of transfers and ways to hand memory on', () => {
    expect(kindOf('read of 512 bytes at 4096 (direct) moved 5 of 7')).toBe(
      kindOf('file writev of 1 bytes at 0 (written) moved 3 of 4'),
    );
    expect(kindOf('after transfer had given')).toBe(kindOf('after structuredClone had given'));
    expect(kindOf('uncaught: a')).not.toBe(kindOf('uncaught: b'));
  });
});

describe.runIf(process.platform === 'linux')('a printed finding', () => {
  it('runs with nothing but kaio', async () => {
    // Its machinery is the compiled one's.
    const { printed } = (await import(join(root, 'dist/scripts/stress/hostile/printer.js'))) as {
      printed: (finding: object) => Promise<string>;
    };
    const path = join(directory, 'finding.mjs');
    mkdirSync(join(directory, 'node_modules'), { recursive: true });
    symlinkSync(root, join(directory, 'node_modules', 'kaio'));
    const text = await printed({
      backend: 'emulated',
      executor: 'inline',
      wrong: 'nothing',
      program: honest,
      times: 2,
    });
    expect(text).toMatch(/^\/\/ Found: nothing\n/);
    writeFileSync(path, text);
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', path], {
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'right\n', stderr: '' });
  });
});
