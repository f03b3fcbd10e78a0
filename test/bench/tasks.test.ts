/** Tasks that programs do whole: each engine really does them, and counts what it did. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { taskTitle } from '../../bench/task-job.ts';
import { TASK_TARGETS, type TasksReport } from '../../bench/tasks.ts';
import { kaio } from '../support/kaio.ts';
import { KERNELS } from '../support/kernels.ts';

const noNative = KERNELS.find(({ name }) => name === 'native')?.missing;

describe.skipIf(noNative !== undefined)('the suite of tasks', () => {
  it('measures them one by one, or tells why not', { timeout: 120_000 }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'kaio-tasks-test-'));
    try {
      const short = ['--rounds', '1', '--seconds', '0.05', '--size', '2m', '--json'];
      const { status, stdout, stderr } = kaio([
        'bench',
        '--suite',
        'tasks',
        '--directory',
        directory,
        ...short,
      ]);
      assert.equal(status, 0, stderr);
      const { targets, rounds } = JSON.parse(stdout) as TasksReport;
      assert.equal(rounds, 1);
      assert.equal(targets.length, TASK_TARGETS.length);
      for (const [index, { measure, reached, reason, bound }] of targets.entries()) {
        const target = TASK_TARGETS[index]!;
        assert.ok(measure.endsWith(taskTitle(target)), measure);
        assert.equal(bound, target.bound);
        assert.ok(reached !== null ? reached > 0 : reason !== undefined, `${measure}: ${reached} ${reason}`);
        // These need nothing of the machine.
        if (/tree|stream.*cached/.test(measure)) assert.ok(reached !== null, reason);
      }
      assert.deepEqual(readdirSync(directory), []);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
