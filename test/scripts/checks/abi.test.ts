import { describe, expect, it } from 'vitest';
import { LIBC, parseAssembly, program } from '../../../scripts/checks/abi-probe.ts';
import { compare, type Expectation } from '../../../src/common/abi/expectations.ts';

const expectations: Expectation[] = [
  { title: 'sizeof iocb', expression: 'sizeof(struct iocb)', expected: 64 },
  { title: 'EAGAIN', expression: 'EAGAIN', identifier: 'EAGAIN', expected: 11 },
  {
    title: 'AIO_RING_MAGIC',
    expression: 'AIO_RING_MAGIC',
    identifier: 'AIO_RING_MAGIC',
    expected: 0xa10a10a1,
  },
];

describe('compare', () => {
  it('finds agreement, also of numbers that C prints as negative', () => {
    expect(compare(expectations, [64, 11, 0xa10a10a1 | 0])).toEqual({
      compared: 3,
      differences: [],
      unknown: [],
    });
  });

  it('reports every difference', () => {
    expect(compare(expectations, [56, 35, 0xa10a10a1 | 0]).differences).toEqual([
      { title: 'sizeof iocb', expected: 64, actual: 56 },
      { title: 'EAGAIN', expected: 11, actual: 35 },
    ]);
  });

  it('lists what the headers do not know, and does not count it', () => {
    expect(compare(expectations, [64, 11, undefined])).toEqual({
      compared: 2,
      differences: [],
      unknown: ['AIO_RING_MAGIC'],
    });
  });
});

describe('program', () => {
  it('asks for every value but those to skip', () => {
    const source = program(LIBC, expectations, new Set(['AIO_RING_MAGIC']));
    expect(source).toContain('#include <linux/aio_abi.h>');
    expect(source).toContain('sizeof(struct iocb)');
    expect(source).toContain('EAGAIN');
    expect(source).not.toContain('AIO_RING_MAGIC');
  });
});

describe('parseAssembly', () => {
  it('reads the values by index', () => {
    expect(parseAssembly('\t.text\n@kaio 0 64\n#APP\n@kaio 2 -1593175903\n', 3)).toEqual([
      64,
      undefined,
      -1593175903,
    ]);
  });
});
