/** System calls per transfer: they do not depend on the clock, so a test can hold them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, it } from 'vitest';
import type { Case, NodeEngine } from '../../bench/job.ts';
import { impossible, makeTestFile } from '../../bench/test-file.ts';
import { CLI, run } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

// The built one: it starts processes of built modules.
const built = pathToFileURL(join(dirname(CLI), '../../bench/system-calls.js')).href;
const { systemCallsPerOperation } = (await import(built)) as typeof import('../../bench/system-calls.ts');

const DIRECT: Case = { rw: 'randread', mode: 'direct', blockSize: 4096, queueDepth: 32 };
const SIZE = 16 << 20;
const OPERATIONS = 40_000;
const RUNS = 12;

const noStrace =
  run('sh', ['-c', 'command -v strace || true']).stdout === '' ? 'there is no strace' : undefined;
const missing = KERNELS.find(({ name }) => name === 'native')?.missing ?? noStrace;
const directory = mkdtempSync(join(tmpdir(), 'kaio-calls-'));
const path = join(directory, 'file');

describe.skipIf(missing !== undefined)(
  `system calls per transfer${missing === undefined ? '' : `: ${missing}`}`,
  () => {
    beforeAll(() => makeTestFile(path, SIZE));
    afterAll(() => rmSync(directory, { recursive: true, force: true }));

    const LIMITS: [NodeEngine, Case, number][] = [
      ['context', DIRECT, 0.15],
      ['file', DIRECT, 0.3],
      ['context', { ...DIRECT, mode: 'cached' }, 0.15],
    ];
    it.each(LIMITS)('%s, %j: at most %d', async (engine, one, limit) => {
      assert.equal(await impossible(path, one, 10_000), undefined);
      const counted: number[] = [];
      // How many transfers end together is up to the device and to who else is at work: one run of several may show what it can do.
      while (counted.length < RUNS && !counted.some((calls) => calls <= limit))
        counted.push(
          await systemCallsPerOperation({
            ...one,
            engine,
            path,
            size: SIZE,
            operations: OPERATIONS,
            directory,
          }),
        );
      assert.ok(
        counted.some((calls) => calls <= limit),
        `${counted.join(', ')} system calls per transfer`,
      );
    });
  },
);
