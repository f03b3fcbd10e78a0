/** Several threads on one context. Each case is a process of its own. */
import assert from 'node:assert/strict';
import { ERRNO } from '../../src/common/abi/errno.ts';
import type { Case } from './case.ts';
import { answerOf } from './child.ts';

const { EINVAL } = ERRNO;

function answering(id: string, rule: string, title: string, scenario: string, expected: unknown): Case {
  return {
    id,
    rule,
    title,
    requires: ['threads'],
    async run() {
      assert.deepEqual(await answerOf('threads', scenario), expected);
    },
  };
}

export const threadCases: readonly Case[] = [
  {
    ...answering(
      'threads/wanting-3-and-1',
      'GET-20 GET-18',
      'waiters that want 3 and 1, events one by one: the one that wants 1 is served by the first',
      'wanting-3-and-1',
      [1, 3],
    ),
    requires: ['threads', 'batched-wait'],
  },
  answering(
    'threads/two-wanting-1',
    'GET-21',
    'two waiters that want 1, one event: one returns, the other goes on waiting',
    'two-wanting-1',
    [1, [1, 1]],
  ),
  answering(
    'threads/destroyed-while-waiting',
    'GET-22',
    'the context destroyed while one waits: EINVAL, or the count of what was collected',
    'destroyed-while-waiting',
    [-EINVAL, 1],
  ),
  answering(
    'threads/destroyed-while-submitting',
    'DESTROY-05 DESTROY-06',
    'destroyed while a thread is blocked inside io_submit: waits for it; everybody else is EINVAL at once',
    'destroyed-while-submitting',
    [[-EINVAL, -EINVAL, -EINVAL], true, 1, 0],
  ),
  answering('threads/shared', 'EXIT-07', 'what one thread submitted another reaps', 'shared-context', [1, 8]),
];
