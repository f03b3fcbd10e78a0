/** The fuzzer at work: on a machine without a native kernel it says so, on others it compares. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import { MAX_RW_COUNT } from '../../src/common/abi/constants.ts';
import { Arena } from '../../src/fuzz/arena.ts';
import { EnvironmentBroken, fuzz } from '../../src/fuzz/index.ts';
import { openNativeKernel } from '../../src/native/index.ts';

function availability(): true | string {
  try {
    openNativeKernel();
    return true;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const available = availability();

describe.runIf(available !== true)('the fuzzer without a native kernel', () => {
  it(`says that the environment is broken: ${available}`, async () => {
    await assert.rejects(fuzz({ seed: 1, operations: 1 }), EnvironmentBroken);
  });
});

describe.runIf(available === true)('the fuzzer', () => {
  it('finds no difference, and leaves nothing behind', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kaio-fuzz-test-'));
    const before = readdirSync('/proc/self/fd').length;
    const report = await fuzz({ seed: 20_260, operations: 3000, directory });
    assert.deepEqual(report.divergences, []);
    assert.ok(report.operations >= 3000);
    assert.deepEqual(readdirSync(directory), []);
    assert.equal(readdirSync('/proc/self/fd').length, before);
    rmSync(directory, { recursive: true });
  });

  it('runs as many programs again with the same seed', async () => {
    const one = await fuzz({ seed: 5, operations: 300 });
    const two = await fuzz({ seed: 5, operations: 300 });
    assert.deepEqual([two.programs, two.operations], [one.programs, one.operations]);
  });

  it('says that the environment is broken where no files can be made', async () => {
    await assert.rejects(
      fuzz({ seed: 1, operations: 1, directory: join(tmpdir(), 'kaio-no-such-directory') }),
      EnvironmentBroken,
    );
  });

  it('stops when asked to', async () => {
    const controller = new AbortController();
    const { operations } = await fuzz({
      seed: 1,
      signal: controller.signal,
      onProgress: (done) => {
        if (done > 0) controller.abort();
      },
    });
    assert.ok(operations > 0);
  });

  it('shows a kernel only memory behind which there is nothing for as far as it could reach', () => {
    const { regions } = new Arena(openNativeKernel());
    const mappings = readFileSync('/proc/self/maps', 'latin1')
      .split('\n')
      .flatMap((line) => {
        const [, start, end, access] = /^([0-9a-f]+)-([0-9a-f]+) (....)/.exec(line) ?? [];
        return start === undefined ? [] : [{ start: parseInt(start, 16), end: parseInt(end!, 16), access }];
      });
    const guardBehind = (address: number): number => {
      const guard = mappings.find(({ start }) => start === address);
      assert.equal(guard?.access, '---p');
      return guard.end - guard.start;
    };
    const eventsOfLargestRing = 131_199 * 32;
    for (const [name, { address, size }] of Object.entries(regions)) {
      if (name === 'nowhere') continue;
      const guard = guardBehind(address + size);
      assert.ok(guard > (name === 'data' ? MAX_RW_COUNT : eventsOfLargestRing), `${guard} behind ${name}`);
    }
  });
});
