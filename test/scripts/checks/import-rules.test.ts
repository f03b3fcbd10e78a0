import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { circlesIn, GraphBuilder } from '../../../scripts/checks/circles.ts';
import { ROOMS, violationsIn } from '../../../scripts/checks/import-rules.ts';
import { packageRoot } from '../../../scripts/package-root.ts';

describe('ROOMS', () => {
  const names = ROOMS.map(({ name }) => name);
  const isFile = (place: string): boolean => place.endsWith('.ts');

  it('has no two rooms of one name, and every room and file that another may import', () => {
    expect(new Set(names).size).toBe(names.length);
    for (const { imports } of ROOMS)
      for (const place of imports)
        if (isFile(place)) expect(existsSync(join(packageRoot(), place)), place).toBe(true);
        else expect(names).toContain(place);
  });

  it('has no circle, and goes from the top down', () => {
    const builder = new GraphBuilder(names);
    for (const { name, imports } of ROOMS) {
      for (const place of imports) builder.add(name, place, ['may import']);
      for (const other of imports.filter((place) => !isFile(place)))
        expect(names.indexOf(other), `${name} above ${other}`).toBeGreaterThan(names.indexOf(name));
    }
    expect(circlesIn(builder.graph)).toEqual([]);
  });
});

describe('violationsIn', () => {
  it.each([
    ['src/cli/cli.ts', '../index.ts'],
    ['src/cli/conformance.ts', '../../test/conformance/index.ts'],
    ['src/cli/bench.ts', '../../bench/index.ts'],
    ['src/cli/doctor.ts', '../native/index.ts'],
    ['src/cli/conformance-kernel.ts', '../emulated/index.ts'],
    ['src/cli/doctor.ts', '../common/file/file-results.ts'],
    ['src/cli/cli.ts', 'commander'],
    ['src/cli/cli.ts', 'kaio/package.json'],
    ['bench/engines/calls.ts', '../../src/native/index.ts'],
    ['src/index.ts', './select.ts'],
    ['src/select.ts', './native/index.ts'],
    ['src/select.ts', './emulated/emulated-kernel.ts'],
    ['src/native/koffi-ffi.ts', 'koffi'],
    ['src/native/supports.ts', '../common/kernel/aio-kernel.ts'],
    ['src/fuzz/side.ts', '../emulated/memory/mm.ts'],
    ['src/file-fuzz/print.ts', '../fuzz/print.ts'],
    ['test/conformance/signals.ts', '../../src/native/sysno.ts'],
    ['src/emulated/index.ts', './simulation/simulate.ts'],
    ['src/emulated/simulation/simulated-kernel.ts', '../emulated-kernel.ts'],
    ['src/emulated/emulated-kernel.ts', './aio/io-submit.ts'],
    ['src/emulated/executors.ts', './simulated/virtual-executor.ts'],
    ['src/emulated/aio/ops/poll.ts', '../aio-kiocb.ts'],
    ['src/emulated/aio/ops/poll.ts', '../../files/wait-queue.ts'],
    ['src/emulated/aio/ops/poll.ts', '../../../common/kernel/aio-kernel.ts'],
    ['src/emulated/simulated/simulated-file.ts', '../files/file-operations.ts'],
    ['src/emulated/files/host-file.ts', '../workqueue/aio-wq.ts'],
    ['src/emulated/workqueue/workers.ts', '../../common/memory/bounce-pool.ts'],
    ['src/emulated/memory/mm.ts', '../../common/memory/page-aligned.ts'],
    ['src/emulated/profiles.ts', '../common/abi/constants.ts'],
    ['src/common/file/aio-file.ts', '../context/aio-context.ts'],
    ['src/common/context/aio-context.ts', '../kernel/aio-kernel.ts'],
    ['src/common/kernel/mapped-ring.ts', '../abi/layout.ts'],
    ['src/common/memory/aligned.ts', '../validate.ts'],
    ['src/common/errors.ts', './abi/errno.ts'],
    ['src/common/errors.ts', 'node:os'],
    ['test/native.test.ts', '../src/native/open.ts'],
    ['test/native.test.ts', 'vitest'],
    ['scripts/demo/copies.ts', '../../src/index.ts'],
  ])('%s may import %s', (path, specifier) => {
    expect(violationsIn(path, `import '${specifier}';`)).toEqual([]);
  });

  it.each([
    // Upwards.
    ['src/common/errors.ts', '../native/index.ts', 'common/ground must not import native'],
    ['src/common/errors.ts', '../select.ts', 'common/ground must not import select'],
    ['src/common/abi/errno.ts', '../errors.ts', 'common/abi must not import common/ground'],
    ['src/common/kernel/supports.ts', '../context/turn.ts', 'common/kernel must not import common/context'],
    ['src/common/context/turn.ts', '../file/cursor.ts', 'common/context must not import common/file'],
    ['src/native/index.ts', '../select.ts', 'native must not import select'],
    ['src/emulated/files/pipe.ts', '../aio/kioctx.ts', 'emulated/files must not import emulated/aio'],
    [
      'src/emulated/workqueue/mail.ts',
      '../files/pipe.ts',
      'emulated/workqueue must not import emulated/files',
    ],
    [
      'src/emulated/memory/mm.ts',
      '../workqueue/mail.ts',
      'emulated/memory must not import emulated/workqueue',
    ],
    ['src/emulated/clock.ts', './memory/mm.ts', 'emulated/ground must not import emulated/memory'],
    ['src/emulated/emulated-kernel.ts', './simulation/simulate.ts', 'must not import emulated/simulation'],
    ['src/emulated/simulation/simulate.ts', '../index.ts', 'emulated/simulation must not import emulated'],
    ['src/select.ts', './cli/cli.ts', 'select must not import cli'],
    ['src/index.ts', './cli/cli.ts', 'index must not import cli'],
    ['src/index.ts', '../test/conformance/index.ts', 'index must not import conformance'],
    ['src/index.ts', '../bench/index.ts', 'index must not import bench'],
    // Beside.
    [
      'src/common/memory/aligned.ts',
      '../kernel/aio-kernel.ts',
      'common/memory must not import common/kernel',
    ],
    ['src/native/index.ts', '../emulated/index.ts', 'native must not import emulated'],
    ['src/emulated/index.ts', '../native/index.ts', 'emulated must not import native'],
    ['src/emulated/aio/ops/poll.ts', '../../../native/index.ts', 'emulated/aio must not import native'],
    ['src/emulated/aio/kioctx.ts', '../simulated/disk.ts', 'emulated/aio must not import emulated/simulated'],
    ['src/emulated/simulated/disk.ts', '../aio/kioctx.ts', 'emulated/simulated must not import emulated/aio'],
    // What is built upon a kernel is nothing for a kernel.
    ['src/native/memory.ts', '../common/context/turn.ts', 'native must not import common/context'],
    ['src/emulated/files/pipe.ts', '../../common/file/cursor.ts', 'must not import common/file'],
    ['src/fuzz/side.ts', '../common/context/turn.ts', 'fuzz must not import common/context'],
    ['src/file-fuzz/sides.ts', '../common/file/aio-file.ts', 'file-fuzz must not import common/file'],
    // A sibling's inside.
    ['src/select.ts', './native/native-kernel.ts', 'may import src/native/index.ts alone'],
    ['src/select.ts', './emulated/aio/kioctx.ts', 'select must not import emulated/aio'],
    ['src/native/watcher.ts', '../emulated/files/eventfd.ts', 'native must not import emulated/files'],
    ['src/cli/doctor.ts', '../emulated/aio/kioctx.ts', 'cli must not import emulated/aio'],
    ['src/cli/doctor.ts', '../native/sysno.ts', 'may import src/native/index.ts alone'],
    ['src/cli/fuzz.ts', '../fuzz/machine.ts', 'may import src/fuzz/index.ts alone'],
    ['src/cli/bench.ts', '../../bench/run.ts', 'may import bench/index.ts alone'],
    [
      'src/cli/conformance.ts',
      '../../test/conformance/runner.ts',
      'may import test/conformance/index.ts alone',
    ],
    ['src/emulated/simulation/simulate.ts', '../executors.ts', 'src/emulated/emulated-kernel.ts alone'],
    // In no room.
    ['src/elsewhere.ts', './common/errors.ts', 'belongs to no room'],
    ['src/emulated/elsewhere.ts', './clock.ts', 'belongs to no room'],
    ['src/common/elsewhere.ts', './errors.ts', 'belongs to no room'],
    ['src/common/errors.ts', '../../test/support/kaio.ts', 'must not import what is in no room'],
    ['bench/run.ts', '../scripts/package-root.ts', 'must not import what is in no room'],
    // Packages.
    ['src/common/errors.ts', 'commander', 'must not import the package commander'],
    ['src/native/index.ts', 'koffi', 'koffi belongs in src/native/koffi-ffi.ts alone'],
    ['src/emulated/index.ts', 'koffi', 'koffi belongs in src/native/koffi-ffi.ts alone'],
    ['src/cli/doctor.ts', 'koffi', 'koffi belongs in src/native/koffi-ffi.ts alone'],
    ['test/conformance/suite.ts', 'vitest', 'must not import the package vitest'],
    ['bench/page.ts', 'chart.js', 'must not import the package chart.js'],
  ])('%s must not import %s', (path, specifier, reason) => {
    const violations = violationsIn(path, `import { a } from '${specifier}';`);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toContain(`${path}: `);
    expect(violations[0]).toContain(reason);
  });
});
