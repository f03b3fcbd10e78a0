/** What signals do to calls that wait. Each case is a process of its own. */
import assert from 'node:assert/strict';
import { ERRNO } from '../../src/common/abi/errno.ts';
import type { Feature } from '../../src/common/kernel/supports.ts';
import { SYSNO } from '../../src/native/sysno.ts';
import type { Case } from './case.ts';
import { answerOf, start } from './child.ts';

const requires: readonly Feature[] = ['signals'];
const { EINTR, EINVAL, EFBIG } = ERRNO;

function number(call: 'io_getevents' | 'io_pgetevents' | 'io_submit'): number {
  return SYSNO[process.arch]![call];
}

/** A scenario whose whole answer is known. */
function answering(id: string, rule: string, title: string, scenario: string, expected: unknown): Case {
  return {
    id,
    rule,
    title,
    requires,
    async run() {
      assert.deepEqual(await answerOf('signals', scenario), expected);
    },
  };
}

/** A scenario that waits, is stopped and continued. */
function stopped(
  id: string,
  rule: string,
  title: string,
  scenario: string,
  call: 'io_getevents' | 'io_pgetevents',
  expected: number,
): Case {
  return {
    id,
    rule,
    title,
    requires,
    async run() {
      const child = start('signals', scenario);
      await child.line();
      await child.insideSyscall(number(call));
      child.kill('SIGSTOP');
      await child.inState('T');
      child.kill('SIGCONT');
      // The event that a call waits for which has begun again.
      child.write('go on');
      const { code, answer, errors } = await child.ended();
      assert.equal(code, 0, errors);
      assert.equal(answer, expected);
    },
  };
}

export const signalCases: readonly Case[] = [
  answering(
    'signal/getevents',
    'GET-10',
    'a handler ran, SA_RESTART or not: EINTR, or the count of what was collected',
    'getevents-interrupted',
    [-EINTR, 1, -EINTR, 1],
  ),
  stopped(
    'signal/getevents-stopped',
    'GET-11',
    'stopped and continued without any handler: EINTR',
    'getevents-stopped',
    'io_getevents',
    -EINTR,
  ),
  answering(
    'signal/getevents-undisturbed',
    'GET-12',
    'an ignored signal and a blocked one disturb nothing',
    'getevents-undisturbed',
    [0, 0],
  ),
  answering(
    'signal/pgetevents-pending',
    'PGET-03 PGET-04 PGET-05',
    'a pending signal that the mask lets in: EINTR, or the count of what is ready; its handler runs, also when the context is refused; the old mask is back afterwards',
    'pgetevents-pending',
    [-EINTR, -EINTR, 1, -EINVAL, 4, 5],
  ),
  answering(
    'signal/pgetevents-mask',
    'PGET-06',
    'a signal that the mask blocks disturbs nothing and is delivered on return; another is EINTR in spite of SA_RESTART',
    'pgetevents-blocks',
    [0, -EINTR],
  ),
  stopped(
    'signal/pgetevents-stopped',
    'PGET-07',
    'stopped and continued: restarted, not EINTR',
    'pgetevents-stopped',
    'io_pgetevents',
    1,
  ),
  answering(
    'signal/submit',
    'BLOCK-07 BLOCK-08',
    'a signal inside io_submit: event EINTR, also for the next request that would wait; what need not wait succeeds; all are counted',
    'submit-interrupted',
    [3, -EINTR, -EINTR, 4],
  ),
  {
    id: 'signal/submit-killed',
    rule: 'BLOCK-09',
    title: 'SIGKILL ends a process that is blocked inside io_submit',
    requires,
    async run() {
      const child = start('signals', 'submit-killed');
      await child.line();
      await child.insideSyscall(number('io_submit'));
      child.kill('SIGKILL');
      assert.equal((await child.ended()).signal, 'SIGKILL');
    },
  },
  {
    id: 'signal/submit-sigpipe',
    rule: 'BLOCK-10 FILE-03',
    title: 'a pipe without a reader: SIGPIPE to the thread inside io_submit; its default ends the process',
    requires,
    async run() {
      assert.equal((await start('signals', 'submit-sigpipe').ended()).signal, 'SIGPIPE');
    },
  },
  answering(
    'signal/file-size-limit',
    'OFF-07',
    'RLIMIT_FSIZE: a write across it is short, one at it is event EFBIG, one of length 0 is 0',
    'file-size-limit',
    [4096, -EFBIG, 0],
  ),
  {
    id: 'signal/file-size-signal',
    rule: 'OFF-07',
    title: 'a write at RLIMIT_FSIZE: SIGXFSZ; its default ends the process',
    requires,
    async run() {
      assert.equal((await start('signals', 'file-size-signal').ended()).signal, 'SIGXFSZ');
    },
  },
];
