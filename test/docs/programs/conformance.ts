import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { abi } from 'kaio';
import { type AioKernel, runConformance } from 'kaio/conformance';
import { emulatedKernel } from 'kaio/emulated';

/** The emulation with one call replaced. */
function sandbox(isWrong: boolean): AioKernel {
  const inner = emulatedKernel();
  const io_cancel: AioKernel['io_cancel'] = (ctx, iocb, result) => {
    const answer = inner.io_cancel(ctx, iocb, result);
    // Linux says EINVAL of a request that is not there.
    return isWrong && answer === -abi.ERRNO.EINVAL ? 0 : answer;
  };
  return new Proxy(inner, {
    get(target, property) {
      if (property === 'name') return 'sandbox';
      if (property === 'io_cancel') return io_cancel;
      const value = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const directory = mkdtempSync(join(tmpdir(), 'conformance-'));
for (const isWrong of [false, true]) {
  const report = await runConformance({ kernel: sandbox(isWrong), directory, rule: 'CANCEL-07' });
  console.log(report.cases.map(({ outcome }) => outcome).join(', '));
}
