/**
 * Faults injected by strace into the real system calls, and what the upper half makes of them: each scenario runs in a child process
 * under `strace -e inject=...`, and its whole outcome is compared.
 *
 * An injected error means that the call did not happen, so short counts, which would be lies, come about by real means: a ring filled
 * with requests that never end, and a descriptor that is not open in the middle of a batch.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./fault-program.js', import.meta.url));
const DEADLINE_MS = 60_000;
const CALLS = ['io_setup', 'io_submit', 'io_getevents', 'io_cancel', 'io_destroy', 'eventfd2'];
const RING_FILTERED = ['EPERM', 'ENOSYS'].map((code) => ({ code, inject: `process_vm_readv:error=${code}` }));

interface Scenario {
  readonly title: string;
  readonly program: string;
  /** What `-e inject=` is given; without any, the fault comes about in the program. */
  readonly inject?: string;
  readonly alsoInject?: string;
  readonly backend?: 'native' | 'auto';
  /** Only calls that concern this file are seen and injected. */
  readonly path?: string;
  /** Also without the addon. */
  readonly addon?: '0';
  /** What must be seen in the trace. Default: that something was injected. */
  readonly trace?: RegExp;
  judge(answer: unknown): void;
}

const ALL = { writes: { 4096: 64 }, reads: { 4096: 64 }, left: 0 };

function is(expected: unknown): Scenario['judge'] {
  return (answer) => assert.deepEqual(answer, expected);
}

function readsCalling(answer: unknown): void {
  assert.deepEqual(answer, { ...ALL, eagains: false });
}

/** Every operation brought its bytes, or that error; none was lost. */
function allOr(error: string): Scenario['judge'] {
  return (answer) => {
    const { writes, reads, left } = answer as Record<'writes' | 'reads', Record<string, number>> & {
      left: number;
    };
    for (const ends of [writes, reads]) {
      assert.deepEqual(
        Object.keys(ends).filter((end) => end !== '4096' && end !== error),
        [],
      );
      assert.equal((ends['4096'] ?? 0) + (ends[error] ?? 0), 64);
    }
    assert.equal(left, 0);
  };
}

function falls(code: string): Scenario['judge'] {
  return (answer) => {
    const { backend, reason } = answer as { backend: string; reason: string };
    assert.equal(backend, 'emulated');
    assert.match(reason, new RegExp(`^the native kernel is unavailable: ${code}: `));
  };
}

function throwsUnavailable(cause: string, remedy: RegExp): Scenario['judge'] {
  return (answer) => {
    const { message, ...rest } = answer as { message: string };
    assert.deepEqual(rest, { code: 'ERR_AIO_BACKEND_UNAVAILABLE', cause });
    assert.match(message, remedy);
  };
}

function choices(inject: string, code: string, remedy: RegExp): Scenario[] {
  return [
    {
      title: `${inject}: the automatic choice falls to the emulation`,
      program: 'choice',
      inject,
      judge: falls(code),
    },
    {
      title: `${inject}: asking for native throws, with the remedy`,
      program: 'choice',
      inject,
      backend: 'native',
      judge: throwsUnavailable(code, remedy),
    },
  ];
}

const SCENARIOS: readonly Scenario[] = [
  ...choices('io_setup:error=ENOSYS', 'ENOSYS', /CONFIG_AIO/),
  ...choices('io_setup:error=EPERM', 'EPERM', /seccomp/),
  ...choices('io_setup:error=EAGAIN', 'EAGAIN', /aio-nr is \d+ of aio-max-nr \d+.*Raise fs\.aio-max-nr/),
  // Some filters know io_setup, and forbid what comes after it.
  ...choices('io_submit:error=EPERM', 'EPERM', /seccomp/),
  ...choices('io_getevents:error=ENOSYS', 'ENOSYS', /CONFIG_AIO/),
  // A context that cannot be destroyed would stay for good, one for each file that is opened.
  ...choices('io_destroy:error=EPERM', 'EPERM', /seccomp/),
  ...RING_FILTERED.flatMap(({ inject }) => [
    {
      title: `${inject}: native, with a pipe in its place`,
      program: 'supports',
      inject,
      judge: is({ backend: 'native', nowait: true, cuts: true, ring: true }),
    },
    { title: `${inject}: all is done, by io_getevents`, program: 'context', inject, judge: readsCalling },
    {
      title: `${inject}, and io_getevents is interrupted: the same`,
      program: 'context',
      inject,
      alsoInject: 'io_getevents:error=EINTR:when=2+2',
      judge: readsCalling,
    },
    {
      title: `${inject}: open() works, natively`,
      program: 'file',
      inject,
      judge: is({ backend: 'native', bytesWritten: 262144, bytesRead: 4096, right: true }),
    },
    {
      title: `${inject}, without the addon: open() works, natively`,
      program: 'file',
      inject,
      addon: '0' as const,
      judge: is({ backend: 'native', bytesWritten: 262144, bytesRead: 4096, right: true }),
    },
  ]),
  {
    title: 'Node.js itself may be run but not read: what it was read for is found out otherwise',
    program: 'supports',
    inject: 'openat:error=EACCES',
    path: process.execPath,
    judge: is({ backend: 'native', ring: true, nowait: true, cuts: true }),
  },
  {
    title: 'the probe’s wait is interrupted three times: native',
    program: 'choice',
    inject: 'io_getevents:error=EINTR:when=1..3',
    judge: is({ backend: 'native', reason: 'a probe request has gone through the kernel' }),
  },
  {
    title: 'io_submit EAGAIN every second time, nothing in flight: the head fails, the rest goes on',
    program: 'context',
    inject: 'io_submit:error=EAGAIN:when=3+2',
    judge: allOr('EAGAIN io_submit'),
  },
  {
    title: 'io_submit EAGAIN every third time while a poll waits for somebody: all are submitted in the end',
    program: 'context-while-polling',
    inject: 'io_submit:error=EAGAIN:when=5+3',
    judge: is({ reads: { 4096: 64 }, eagains: true }),
  },
  {
    title: 'io_submit EAGAIN five times in a row while a poll waits for somebody: the same',
    program: 'context-while-polling',
    inject: 'io_submit:error=EAGAIN:when=5..9',
    judge: is({ reads: { 4096: 64 }, eagains: true }),
  },
  {
    title: 'io_submit EAGAIN on the submit thread: nothing is lost',
    program: 'context-submit-thread',
    inject: 'io_submit:error=EAGAIN:when=1+3',
    judge: allOr('EAGAIN io_submit'),
  },
  {
    title: 'io_submit EINTR: submitted again',
    program: 'context',
    inject: 'io_submit:error=EINTR:when=3+2',
    judge: is({ ...ALL, eagains: false }),
  },
  {
    title: 'io_submit EINVAL once: one request fails, alone',
    program: 'context',
    inject: 'io_submit:error=EINVAL:when=5',
    judge: is({ ...ALL, writes: { 4096: 63, 'EINVAL io_submit': 1 }, eagains: false }),
  },
  {
    title: 'io_submit is slow: 20 ms before each call and after it',
    program: 'context',
    inject: 'io_submit:delay_enter=20000:delay_exit=20000',
    trace: /\(DELAYED\)/,
    judge: is({ ...ALL, eagains: false }),
  },
  {
    title: 'io_getevents EINTR every second time, where events are fetched by calls: none is left behind',
    program: 'context-calling',
    inject: 'io_getevents:error=EINTR:when=2+2',
    judge: is({ ...ALL, eagains: false }),
  },
  {
    title: 'a ring with three slots left: io_submit takes three of eight, then none, and all are done',
    program: 'full-ring',
    trace: /io_submit\(\w+, 8, .* = 3\n(?:.*\n)*?.*io_submit\(\w+, 5, .* = -1 EAGAIN/,
    judge: is({ ...ALL, eagains: true }),
  },
  {
    title: 'a closed descriptor in the middle of a batch: io_submit is short, one request fails, alone',
    program: 'short-submit',
    trace:
      /io_submit\(\w+, 64, .* = 31\n(?:.*\n)*?.*io_submit\(\w+, 33, .* = -1 EBADF(?:.*\n)*?.*io_submit\(\w+, 32, .* = 32/,
    judge: is({ 4096: 63, 'EBADF io_submit': 1 }),
  },
  {
    title: 'io_setup EAGAIN after the choice: AioContext throws it with the numbers',
    program: 'context-made',
    inject: 'io_setup:error=EAGAIN:when=2+',
    judge(answer) {
      const { told, message } = answer as { told: string; message: string };
      assert.equal(told, 'EAGAIN io_setup');
      assert.match(message, /8 requests were asked for, aio-nr is \d+ of aio-max-nr \d+: raise it/);
    },
  },
  {
    title: 'io_destroy EINVAL: close() rejects with it',
    program: 'context-made',
    inject: 'io_destroy:error=EINVAL',
    judge: is({ told: 'EINVAL io_destroy', message: 'EINVAL: invalid argument, io_destroy' }),
  },
  {
    title: 'io_setup ENOSYS: open() works on the emulation',
    program: 'file',
    inject: 'io_setup:error=ENOSYS',
    judge: is({ backend: 'emulated', bytesWritten: 262144, bytesRead: 4096, right: true }),
  },
  {
    title: 'io_setup EAGAIN after the choice: open() works on the emulation',
    program: 'file',
    inject: 'io_setup:error=EAGAIN:when=2+',
    judge: is({ backend: 'emulated', bytesWritten: 262144, bytesRead: 4096, right: true }),
  },
  {
    // It makes the file longer, and without RWF_NOWAIT such writes take the pool; where its blocks lie is not known then, so the first read does too.
    title:
      'io_submit EPERM after the choice: a direct write needs it not, nor does the first read of what was written',
    program: 'file',
    inject: 'io_submit:error=EPERM:when=4+',
    judge: is({ backend: 'native', bytesWritten: 262144, bytesRead: 4096, right: true }),
  },
  {
    title: 'io_submit knows no RWF_NOWAIT: buffered reads go to the thread pool',
    program: 'buffered-file',
    inject: 'io_submit:error=EOPNOTSUPP:when=3+',
    judge: is({ backend: 'native', bytesWritten: 262144, reads: { 4096: 64 } }),
  },
  {
    title: 'io_submit EAGAIN from then on: buffered reads go to the thread pool',
    program: 'buffered-file',
    inject: 'io_submit:error=EAGAIN:when=3+',
    judge: is({ backend: 'native', bytesWritten: 262144, reads: { 4096: 64 } }),
  },
];

function runs(command: string): boolean {
  return spawnSync(command, ['-V'], { stdio: 'ignore' }).error === undefined;
}

function check(
  { program, inject, alsoInject, backend = 'auto', addon, path, trace, judge }: Scenario,
  log: string,
): void {
  const injections = [inject, alsoInject].filter((one) => one !== undefined);
  const calls = [...CALLS, ...injections.map((one) => one.split(':')[0]!)];
  // Slots are given out by CPU: the ring is full for the CPU that filled it.
  const [command, ...args] = [
    'taskset',
    '-c',
    '0',
    'strace',
    '-f',
    '-qq',
    '--seccomp-bpf',
    '-o',
    log,
  ] as const;
  const { status, signal, stdout, stderr } = spawnSync(
    command,
    [
      ...args,
      ...(path === undefined ? [] : ['-P', path]),
      ...['-e', `trace=${calls.join(',')}`],
      ...injections.flatMap((one) => ['-e', `inject=${one}`]),
      ...[process.execPath, PROGRAM, program],
    ],
    {
      encoding: 'utf8',
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
      env: { ...process.env, KAIO_BACKEND: backend, ...(addon === undefined ? {} : { KAIO_ADDON: addon }) },
    },
  );
  assert.equal(signal, null, `not over after ${DEADLINE_MS / 1000} s`);
  assert.equal(status, 0, `exit code ${status}: ${stderr}`);
  assert.match(readFileSync(log, 'latin1'), trace ?? /\(INJECTED\)/, 'the fault did not come about');
  judge(JSON.parse(stdout));
}

function main(): void {
  if (process.platform !== 'linux' || !runs('strace') || !runs('taskset')) {
    console.log('skipped: faults are injected by strace and taskset, which are not here');
    return;
  }
  const directory = mkdtempSync(join(tmpdir(), 'kaio-strace-'));
  let failures = 0;
  try {
    for (const scenario of SCENARIOS) {
      try {
        check(scenario, join(directory, 'trace'));
        console.log(`ok      ${scenario.title}`);
      } catch (error) {
        failures++;
        console.log(`failed  ${scenario.title}\n${error instanceof Error ? error.message : String(error)}`);
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(`faults: ${SCENARIOS.length} scenarios, ${failures} failed`);
  if (failures > 0) process.exitCode = 1;
}

main();
