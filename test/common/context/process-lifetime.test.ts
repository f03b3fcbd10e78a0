import assert from 'node:assert/strict';
import { describe, it } from 'vitest';
import { run } from '../../support/kaio.ts';
import { KERNELS } from '../../support/kernels.ts';

const index = new URL('../../../dist/src/index.js', import.meta.url).href;

for (const { name, missing } of KERNELS) {
  describe.skipIf(missing !== undefined)(`a process with an AioContext, ${name}`, () => {
    const program = (source: string): string => {
      const prologue = `
        import { AioContext, selectKernel } from '${index}';
        const { kernel } = selectKernel({ backend: '${name}' });
        const context = new AioContext({ kernel });
        const eventfd = kernel.eventfd(0, 2048);`;
      const { status, stdout, stderr } = run(process.execPath, [
        '--input-type=module',
        '-e',
        prologue + source,
      ]);
      assert.equal(stderr, '');
      assert.equal(status, 0);
      return stdout;
    };

    it('ends by itself when the context is idle', () => {
      const source = `
        kernel.eventfd_write(eventfd, 1n);
        console.log(await context.poll(eventfd, 1) & 1);`;
      assert.equal(program(source), '1\n');
    });

    it('stays while many short reads are in flight, and ends by itself after them', () => {
      const source = `
        const fd = (await import('node:fs')).openSync(process.execPath);
        let bytes = 0;
        for (let round = 0; round < 100; round++) {
          const reads = Array.from({ length: 32 }, (_, block) => context.read(fd, Buffer.alloc(64), block * 64));
          for (const count of await Promise.all(reads)) bytes += count;
        }
        console.log(bytes);`;
      assert.equal(program(source), '204800\n');
    });

    it('stays while a request is in flight', () => {
      // The timer alone would not keep it.
      const source = `
        context.poll(eventfd, 1).then((events) => console.log(events & 1));
        setTimeout(() => kernel.eventfd_write(eventfd, 1n), 100).unref();`;
      assert.equal(program(source), '1\n');
    });
  });
}
