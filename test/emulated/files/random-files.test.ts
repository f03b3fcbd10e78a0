/** Files that do anything in any order: whatever they do, every request ends once, and the kernel's assertions hold. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileAnswer, FileRequest } from '../../../src/emulated/index.ts';
import { user } from '../user.ts';

const PREAD = 0;
const PWRITE = 1;
const BYTES = 8;
const MOST_KICKS = 1000;
const EAGAIN = -11;
const EINPROGRESS = -115;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** How a method answers: a count, an error, a promise, later, or retry after some progress. */
const answers = fc.oneof(
  fc.record({ kind: fc.constant('now' as const), count: fc.integer({ min: -20, max: BYTES + 2 }) }),
  fc.record({ kind: fc.constant('promise' as const), count: fc.integer({ min: -20, max: BYTES }) }),
  fc.record({ kind: fc.constant('later' as const) }),
  fc.record({
    kind: fc.constant('retry' as const),
    advance: fc.integer({ min: 0, max: 3 }),
    kicks: fc.nat(2),
  }),
  fc.record({ kind: fc.constant('throw' as const) }),
);

const steps = fc.oneof(
  fc.record({
    do: fc.constant('submit' as const),
    opcode: fc.constantFrom(PREAD, PWRITE),
    count: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    do: fc.constantFrom('kick', 'complete', 'cancel').map(String),
    which: fc.nat(20),
    count: fc.integer({ min: -20, max: BYTES }),
  }),
  fc.record({ do: fc.constant('reap' as const) }),
  fc.record({ do: fc.constant('turn' as const) }),
  fc.record({ do: fc.constant('destroy' as const), background: fc.boolean() }),
);

const program = fc.record({
  profile: fc.constantFrom('linux-6.x' as const, 'linux-2.6.20' as const),
  answers: fc.array(answers, { minLength: 1, maxLength: 8 }),
  lets: fc.boolean(),
  steps: fc.array(steps, { maxLength: 30 }),
});

type Program = typeof program extends fc.Arbitrary<infer T> ? T : never;

async function run({ profile, answers, lets, steps }: Program): Promise<void> {
  const u = user({ profile });
  const seen: FileRequest[] = [];
  const running = new Set<FileRequest>();
  let next = 0;
  let kicks = 0;
  let released = 0;
  let ending = false;
  const method = (request: FileRequest): FileAnswer | Promise<FileAnswer> | undefined => {
    expect(running.has(request), 'one run at a time').toBe(false);
    if (!seen.includes(request)) seen.push(request);
    const answer = answers[next++ % answers.length]!;
    const { bytes } = request;
    bytes.fill(7);
    switch (answer.kind) {
      case 'now':
        return answer.count;
      case 'promise':
        running.add(request);
        return Promise.resolve().then(() => {
          running.delete(request);
          return answer.count;
        });
      case 'later':
        return undefined;
      case 'throw':
        throw Object.assign(new Error('no'), { code: 'ENOSPC' });
      default:
        request.advance(Math.min(answer.advance, bytes.length));
        // A request that kicks itself is drained again and again, 65,536 times: a few programs of those take a minute.
        for (let kick = 0; kick < answer.kicks && kicks < MOST_KICKS; kick++, kicks++) request.kick();
        return ending ? 0 : 'retry';
    }
  };
  const fd = u.kernel.install({
    read: method,
    write: method,
    ...(lets ? { cancel: () => true } : {}),
    release: () => void released++,
  });
  let ctx = u.setup(4);
  const destroying: Promise<number>[] = [];
  const target = u.keep(new Uint8Array(BYTES));
  const aio_buf = u.addressOf(target);
  const [room, now] = [u.addressOf(u.keep(new Uint8Array(32))), u.timespec(0, 0)];
  const iocbs: number[] = [];
  let accepted = 0;
  let ended = 0;
  const reap = (): void => {
    // In 2007 only who would sleep drains the run list.
    const taken = u.kernel.io_getevents(ctx, 1, 1, room, now);
    ended += Math.max(0, taken) + u.results(ctx).length;
  };
  for (const step of steps) {
    switch (step.do) {
      case 'submit': {
        const { opcode, count } = step as { opcode: number; count: number };
        const addresses = Array.from({ length: count }, () =>
          u.iocb({ aio_lio_opcode: opcode, aio_fildes: fd, aio_buf, aio_nbytes: BYTES }),
        );
        const answer = u.submit(ctx, ...addresses);
        if (answer > 0) {
          accepted += answer;
          iocbs.push(...addresses.slice(0, answer));
        } else expect(answer).toBe(EAGAIN);
        break;
      }
      case 'kick':
      case 'complete': {
        const { which, count } = step as { which: number; count: number };
        const request = seen[which % Math.max(1, seen.length)];
        if (step.do === 'kick') request?.kick();
        else request?.complete(Math.min(count, request.length));
        break;
      }
      case 'cancel': {
        const { which } = step as { which: number };
        const iocb = iocbs[which % Math.max(1, iocbs.length)];
        if (iocb === undefined) break;
        const answer = u.kernel.io_cancel(ctx, iocb, u.addressOf(u.keep(new Uint8Array(32))));
        // In 2007 whoever cancels has the event.
        if (answer === 0) ended++;
        else expect([EINPROGRESS, -22]).toContain(answer);
        break;
      }
      case 'reap':
        reap();
        break;
      case 'turn':
        await turn();
        break;
      default: {
        const { background } = step as { background: boolean };
        if (background) destroying.push(u.kernel.destroyInBackground(ctx));
        else expect(u.kernel.io_destroy(ctx)).toBe(0);
        accepted = 0;
        ended = 0;
        iocbs.length = 0;
        ctx = u.setup(4);
      }
    }
  }
  // Everything that can still end is brought to its end.
  ending = true;
  for (let round = 0; round < 60 && ended < accepted; round++) {
    for (const request of seen) {
      request.kick();
      if (!request.isOver) request.complete(0);
    }
    await turn();
    reap();
  }
  expect(ended).toBe(accepted);
  expect(u.kernel.io_destroy(ctx)).toBe(0);
  // A destroy in the background waits, and until it settles the memory is the kernel's.
  for (const request of seen) if (!request.isOver) request.complete(0);
  expect(await Promise.all(destroying)).toEqual(destroying.map(() => 0));
  const before = target.slice();
  for (const request of seen) {
    request.kick();
    request.complete(BYTES);
  }
  u.kernel.close(fd);
  await u.kernel.exit();
  await turn();
  await turn();
  expect([...target]).toEqual([...before]);
  expect(released, 'every request has let go of its file').toBe(1);
  expect(u.kernel.limits.aio_nr()).toBe(0);
}

describe('files that do anything', () => {
  const quiet = process.emitWarning;
  beforeAll(() => {
    process.emitWarning = () => {};
  });
  afterAll(() => {
    process.emitWarning = quiet;
  });
  it('leave every request ended once, and nothing behind', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(program, run), { numRuns: Number(process.env.RUNS ?? 400) });
  });
});
