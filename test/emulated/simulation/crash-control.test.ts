import { deepStrictEqual, ok, strictEqual } from 'node:assert';
import { describe, expect, it } from 'vitest';
import { ERRNO } from '../../../src/common/abi/errno.ts';
import { errnoException } from '../../../src/common/errors.ts';
import {
  type CrashPoint,
  everyCrash,
  isOfDeadMachine,
  type Operation,
  type Simulation,
  SimulationError,
  simulate,
} from '../../../src/emulated/index.ts';
import { PagedBytes } from '../../../src/emulated/simulated/paged-bytes.ts';
import { user } from '../user.ts';
import { calm, openOn, read, sync, write } from './simulated.ts';

const LOSES = { faults: { lost: 1, zeroed: 0, torn: 0 } };

/** Replaces `/file` by way of another name. */
async function replace(simulation: Simulation, content: string, syncs: readonly ('file' | 'name')[]) {
  await write(simulation, '/temporary', content);
  if (syncs.includes('file')) await sync(simulation, '/temporary');
  await simulation.fs.promises.rename('/temporary', '/file');
  if (syncs.includes('name')) await sync(simulation, '/');
}

async function withOldFile(options = {}): Promise<Simulation> {
  const simulation = simulate({ seed: 1, kernel: { debug: true }, ...options });
  await write(simulation, '/file', 'old');
  await sync(simulation, '/file');
  await sync(simulation, '/');
  return simulation;
}

describe('a crash at an operation that is named', () => {
  const renames = ({ syscall, path }: Operation): boolean => syscall === 'rename' && path === '/one';

  it.each([
    ['before', ['one']],
    ['during', ['one']],
    ['after', ['two']],
  ] as const)('%s it', async (side, names) => {
    // What has happened is kept, so that it shows whether it had.
    const simulation = calm();
    await write(simulation, '/one', 'x');
    const after = await simulation.crashWhen(() => simulation.fs.promises.rename('/one', '/two'), renames, {
      side,
    });
    expect(await after.fs.promises.readdir('/')).toEqual(names);
    expect(after.ending).toMatchObject({
      how: 'crash',
      isOver: side === 'after',
      operation: { syscall: 'rename' },
    });
  });

  it('finds nothing of a write before it, perhaps a part during it, and all after it', async () => {
    const found: Record<string, Set<number>> = { before: new Set(), during: new Set(), after: new Set() };
    for (const side of ['before', 'during', 'after'] as const) {
      for (let seed = 0; seed < 30; seed++) {
        const simulation = simulate({ seed, faults: { lost: 0, torn: side === 'after' ? 0 : 1 } });
        await write(simulation, '/file', '');
        await sync(simulation, '/file');
        const after = await simulation.crashWhen(
          () => write(simulation, '/file', 'x'.repeat(2048), 'r+'),
          ({ syscall, length }) => syscall === 'write' && length === 2048,
          { side },
        );
        const content = await after.fs.promises.readFile('/file', 'latin1');
        found[side]!.add(content.split('x').length - 1);
      }
    }
    expect([...found.before!]).toEqual([0]);
    expect([...found.after!]).toEqual([2048]);
    expect(found.during!.size).toBeGreaterThan(2);
  });

  it('is where the operations are told apart: what was called, path, place and length', async () => {
    const simulation = calm();
    const seen: Omit<Operation, 'id' | 'text'>[] = [];
    await simulation.crashWhen(
      async () => {
        await write(simulation, '/a file', 'content');
        await sync(simulation, '/a file', 'datasync');
        await simulation.fs.promises.rename('/a file', '/b');
      },
      ({ id, text, ...operation }) => {
        expect(text.startsWith(operation.syscall)).toBe(true);
        expect(id).toBeGreaterThan(0);
        seen.push(operation);
        return false;
      },
    );
    expect(seen.filter(({ syscall }) => syscall !== 'fstat' && syscall !== 'open')).toEqual([
      { syscall: 'write', path: '/a file', position: 0, length: 7 },
      { syscall: 'fdatasync', path: '/a file', position: undefined, length: undefined },
      { syscall: 'rename', path: '/a file', dest: '/b', position: undefined, length: undefined },
    ]);
  });

  it('is at the end where there is none, and that is told', async () => {
    const simulation = calm();
    const after = await simulation.crashWhen(
      () => write(simulation, '/file', 'x'),
      () => false,
      { kill: true },
    );
    expect(after.ending).toMatchObject({ how: 'kill', operation: undefined, isOver: true });
    expect(await after.ending!.program).toEqual({ status: 'fulfilled', value: undefined });
    expect(simulate({ seed: 1 }).ending).toBe(undefined);
  });

  it('refuses options that mean nothing', async () => {
    for (const options of [
      { side: 'beside' },
      { when: 1 },
      { outcome: -1 },
      { withinEvents: 0 },
      { atEvent: 1, when: () => true },
    ]) {
      const crashing = calm().crashDuring(async () => {}, options as never);
      await expect(crashing, JSON.stringify(options)).rejects.toMatchObject({
        code: /^ERR_(OUT_OF|INVALID)/,
      });
    }
  });
});

describe('what is left of a program', () => {
  it('tells what its promise came to, also long after the crash', async () => {
    const simulation = calm();
    const after = await simulation.crashDuring(
      async () => {
        try {
          await write(simulation, '/file', 'x');
        } catch {
          return 'caught';
        }
        return 'written';
      },
      { atEvent: 1 },
    );
    expect(after.ending).toMatchObject({ isOver: false });
    expect(await after.ending!.program).toEqual({ status: 'fulfilled', value: 'caught' });
    const failing = calm();
    const next = await failing.crashDuring(() => write(failing, '/file', 'x'), { atEvent: 1 });
    const result = await next.ending!.program!;
    ok(result.status === 'rejected');
    expect(isOfDeadMachine(result.reason)).toBe(true);
  });

  it('has errors that are told from those of a disk that lives', async () => {
    const dead = errnoException(-ERRNO.ENODEV, 'write');
    const real = errnoException(-ERRNO.EIO, 'write');
    const isDead = [
      dead,
      new Error('could not save', { cause: dead }),
      new AggregateError([dead, new Error('x', { cause: dead })]),
      new Error(`wrapped: ${dead.message}`),
      `Error: ${dead.message}`,
    ];
    for (const error of isDead) expect(isOfDeadMachine(error), String(error)).toBe(true);
    const circle: { cause?: unknown } = new Error('circle');
    circle.cause = circle;
    const isNot = [
      real,
      new AggregateError([dead, real]),
      new Error('x', { cause: real }),
      circle,
      undefined,
      'EIO',
    ];
    for (const error of isNot) expect(isOfDeadMachine(error), String(error)).toBe(false);
    // Whatever is asked of a machine that is gone.
    const simulation = calm();
    const file = await openOn(simulation, '/file', 'w+');
    const writing = file.write('x');
    while (simulation.inFlight === 0) await new Promise((resolve) => setImmediate(resolve));
    simulation.crash();
    const asked = [
      writing,
      file.sync(),
      file.stat(),
      file.truncate(1),
      simulation.fs.promises.readdir('/'),
      openOn(simulation, '/file'),
    ];
    for (const result of await Promise.allSettled(asked)) {
      ok(result.status === 'rejected');
      expect(isOfDeadMachine(result.reason), String(result.reason)).toBe(true);
    }
  });
});

describe('everyCrash()', () => {
  const oldOrNew = async (after: Simulation): Promise<void> => {
    const content = await read(after, '/file');
    ok(content === 'old' || content === 'new', `it is ${JSON.stringify(content)}`);
  };

  it('tries each operation, the end too, and runs the program once', async () => {
    const simulation = await withOldFile();
    let runs = 0;
    const points: CrashPoint[] = [];
    const before = simulation.events;
    const result = await everyCrash(
      simulation,
      async () => {
        runs++;
        await replace(simulation, 'new', ['file', 'name']);
        return 'done';
      },
      async (after, point) => {
        points.push(point);
        await oldOrNew(after);
      },
    );
    const events = simulation.events - before;
    expect([runs, result.value, result.points]).toEqual([1, 'done', events + 1]);
    expect([...new Set(points.map(({ event }) => event))]).toEqual(
      Array.from({ length: events + 1 }, (_, index) => index + 1),
    );
    expect(points.length).toBe(result.outcomes);
    // Some moments leave several disks, and some only one.
    expect(result.outcomes).toBeGreaterThan(result.points);
    expect(result.outcomes).toBeLessThan(result.points * 4);
    expect(await read(simulation, '/file')).toBe('new');
    expect(simulation.isCrashed).toBe(false);
  });

  it.each([
    ['the content is not synced', ['name'], /it is/],
    ['the name is not synced', ['file'], /promised/],
  ] as const)('finds it when %s, and the point can be tried alone', async (_what, syncs, message) => {
    const failing = async (options = {}): Promise<SimulationError> => {
      const simulation = await withOldFile();
      let promised = false;
      const error: unknown = await everyCrash(
        simulation,
        async () => {
          await replace(simulation, 'new', syncs);
          promised = true;
          await simulation.fs.promises.stat('/file');
        },
        async (after) => {
          await oldOrNew(after);
          ok(!promised || (await read(after, '/file')) === 'new', 'promised, and lost');
        },
        options,
      ).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      ok(error instanceof SimulationError);
      return error;
    };
    const first = await failing();
    expect(first.message).toMatch(message);
    const [, event, outcome] = /only: \{ event: (\d+), outcome: (\d+) \}/.exec(first.message)!;
    const alone = await failing({ only: { event: Number(event), outcome: Number(outcome) } });
    expect(alone.message).toBe(first.message);
    expect(alone.trace).toBe(first.trace);
    expect(first.trace).toContain('-- power lost');
  });

  it('is deterministic, and agrees with a crash at the same operation of another run', async () => {
    const images = async (): Promise<string[]> => {
      const simulation = await withOldFile();
      const seen: string[] = [];
      await everyCrash(
        simulation,
        () => replace(simulation, 'x'.repeat(3000), []),
        async (after, { event, outcome }) => {
          seen.push(`${event} ${outcome} ${after.digest()}`);
        },
        { outcomes: 6 },
      );
      return seen;
    };
    const seen = await images();
    expect(await images()).toEqual(seen);
    expect(seen.length).toBeGreaterThan(12);
    for (const line of seen.filter((_, index) => index % 3 === 0)) {
      const [event, outcome, digest] = line.split(' ');
      const simulation = await withOldFile();
      const after = await simulation.crashDuring(() => replace(simulation, 'x'.repeat(3000), []), {
        atEvent: Number(event),
        outcome: Number(outcome),
      });
      expect(after.digest()).toBe(digest);
    }
  });

  it('shows the variables of the program as they were', async () => {
    const simulation = calm(LOSES);
    let written = 0;
    await everyCrash(
      simulation,
      async () => {
        await using file = await openOn(simulation, '/file', 'w');
        await file.sync();
        for (; written < 5; written++) {
          await file.write('x');
          await file.datasync();
        }
      },
      async (after) => {
        const length = ((await read(after, '/file')) ?? '').length;
        // The write that is on its way may be there, and the one whose sync is.
        ok(length === written || length === written + 1, `${length}, ${written}`);
      },
    );
    expect(written).toBe(5);
  });

  it('kills the process too: then all that was written is there', async () => {
    const simulation = calm();
    const seen = new Map<string, Set<string>>();
    await everyCrash(
      simulation,
      async () => {
        await write(simulation, '/file', 'x');
        await simulation.fs.promises.stat('/file');
      },
      async (after, { outcome }) => {
        const content = (await read(after, '/file')) ?? 'none';
        const kind = outcome === 'kill' ? 'kill' : 'crash';
        seen.set(kind, (seen.get(kind) ?? new Set()).add(`${content}, ${after.ending!.how}`));
        if (outcome !== 'kill') return;
        // What is not synced can still be lost with the power.
        const { digest } = { digest: (await after.crashDuring(async () => {}, { outcome: 0 })).digest() };
        strictEqual(digest, calm().digest());
      },
      { kills: true },
    );
    expect([...seen.get('kill')!].sort()).toEqual(['none, kill', 'x, kill', ', kill'].sort());
    expect([...seen.get('crash')!].every((line) => line.endsWith('crash'))).toBe(true);
  });

  it.each([40, 'every'] as const)('loses the power again while it is being verified: %s', async (again) => {
    const simulation = await withOldFile();
    let recovered = 0;
    // A recovery that removes what it builds upon before the new is durable.
    const recovery = async (after: Simulation): Promise<void> => {
      const content = await read(after, '/file');
      ok(content !== undefined, 'nothing is left');
      await after.fs.promises.unlink('/file');
      await sync(after, '/');
      await write(after, '/file', content);
      await sync(after, '/file');
      recovered++;
    };
    const tried = (times: number | 'every') =>
      everyCrash(simulation, () => simulation.fs.promises.stat('/'), recovery, { again: times });
    await expect(tried(0)).resolves.toMatchObject({ points: 2, again: 0 });
    expect(recovered).toBe(2);
    const failing = tried(again);
    await expect(failing).rejects.toThrow(/nothing is left[\s\S]*lost again at operation \d+/);
  });

  it('asks programs that block what they have promised, and verifies later', async () => {
    const program = (simulation: Simulation, promised: { writes: number }) => async () => {
      const file = await openOn(simulation, '/file', 'w');
      await file.sync();
      const u = user({}, simulation.kernel);
      const ctx = u.setup(4);
      const bytes = u.keep(new Uint8Array(4).fill(1));
      const aio_buf = u.addressOf(bytes);
      const events = u.addressOf(new Uint8Array(32));
      const wait = (): number => u.kernel.io_getevents(ctx, 1, 1, events, 0);
      for (let index = 0; index < 3; index++) {
        u.submit(ctx, {
          aio_fildes: file.fd,
          aio_lio_opcode: 1,
          aio_buf,
          aio_nbytes: 4,
          aio_offset: index * 4,
        });
        expect(wait()).toBe(1);
        u.submit(ctx, { aio_fildes: file.fd, aio_lio_opcode: 3 });
        expect(wait()).toBe(1);
        promised.writes++;
      }
      u.kernel.io_destroy(ctx);
    };
    const verify = async (after: Simulation, { state }: CrashPoint<number | undefined>): Promise<void> => {
      const length = ((await read(after, '/file')) ?? '').length / 4;
      ok(state === undefined || length === state || length === state + 1, `${length}, ${state}`);
    };
    const promised = { writes: 0 };
    const simulation = calm(LOSES);
    const result = await everyCrash(simulation, program(simulation, promised), verify, {
      state: () => promised.writes,
    });
    expect(result.points).toBe(simulation.events + 1);
    const blocking = calm(LOSES);
    const refused = everyCrash(blocking, program(blocking, { writes: 0 }), verify as never);
    await expect(refused).rejects.toThrow('options.state');
  });

  it('passes on what the program throws, and leaves the machine as it is', async () => {
    const simulation = calm();
    const failing = everyCrash(
      simulation,
      async () => {
        await write(simulation, '/file', 'x');
        throw new Error('a mistake');
      },
      async () => {},
    );
    await expect(failing).rejects.toThrow('a mistake');
    deepStrictEqual(await simulation.fs.promises.readdir('/'), ['file']);
    for (const options of [{ outcomes: 0 }, { again: -1 }, { when: 1 }, { only: { event: 0, outcome: 0 } }]) {
      const wrong = everyCrash(
        simulation,
        async () => {},
        async () => {},
        options as never,
      );
      await expect(wrong).rejects.toMatchObject({ code: /^ERR_/ });
    }
  });

  it('can be told which operations it is about', async () => {
    const simulation = await withOldFile();
    const seen = new Set<string>();
    await everyCrash(
      simulation,
      () => replace(simulation, 'new', ['file', 'name']),
      async (_after, { operation }) => seen.add(operation?.syscall ?? 'the end'),
      { when: ({ syscall }) => syscall === 'rename' || syscall === 'fsync' },
    );
    expect([...seen].sort()).toEqual(['fsync', 'rename', 'the end']);
  });
});

describe('the content of a file and its clone', () => {
  it('share pages until either is written, cut or punched', () => {
    const text = (bytes: PagedBytes): string => Buffer.from(bytes.read(0, 8)).toString('latin1');
    const changes: ((bytes: PagedBytes) => void)[] = [
      (bytes) => bytes.write(2, Buffer.from('XX')),
      (bytes) => {
        bytes.truncate(2);
        bytes.grow(8);
      },
      (bytes) => bytes.punch(2, 2),
    ];
    for (const change of changes) {
      for (const side of [0, 1]) {
        const original = new PagedBytes();
        original.write(0, Buffer.from('abcdefgh'));
        const pair = [original, original.clone()] as const;
        change(pair[side]!);
        expect(text(pair[1 - side]!)).toBe('abcdefgh');
        expect(text(pair[side]!)).not.toBe('abcdefgh');
        change(pair[1 - side]!);
        expect(text(pair[0])).toBe(text(pair[1]));
      }
    }
  });
});
