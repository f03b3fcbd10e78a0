/** `cp` of `simulation.fs` beside that of `node:fs`: all kinds of sources, targets and options. */
import * as nodeFs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { simulate } from '../../src/emulated/index.ts';
import { copiesOf, LEVELS, Place, SOURCES, titleOf } from './copies.ts';

// What it is compared with is Linux, and root may do what the simulation's only user may.
const isLikeIt = process.platform === 'linux' && process.getuid?.() === 0;
const UMASK = 0o022;
/** Since Node 22 synchronous copies are C++, with rules of their own that end the process for some of these; the simulation has those of before. */
const FACES =
  Number.parseInt(process.versions.node, 10) < 22 ? (['promise', 'sync'] as const) : (['promise'] as const);

describe.skipIf(!isLikeIt)('cp of simulation.fs', () => {
  let directory: string;
  let umask = 0;
  let places: readonly [Place, Place];

  beforeAll(() => {
    umask = process.umask(UMASK);
    directory = nodeFs.realpathSync(nodeFs.mkdtempSync(join(tmpdir(), 'kaio-copies-')));
    const fs = simulate({ seed: 1 }).fs as unknown as typeof nodeFs;
    fs.mkdirSync(directory, { recursive: true });
    places = [new Place(nodeFs, directory), new Place(fs, directory)];
  });

  afterAll(() => {
    process.umask(umask);
    nodeFs.rmSync(directory, { recursive: true });
  });

  for (const face of FACES) {
    for (const level of LEVELS) {
      it.each(Object.keys(SOURCES))(`copies as Node does, ${face}, ${level}: %s`, async (source) => {
        const different: unknown[] = [];
        for (const copy of copiesOf(source, level, face)) {
          const [node, simulated] = [await places[0].outcomeOf(copy), await places[1].outcomeOf(copy)];
          if (node !== simulated) different.push({ copy: titleOf(copy), node, simulated });
        }
        expect(different).toEqual([]);
      });
    }
  }
});
