import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import Hypercore from 'hypercore';
import { AioContext } from 'kaio';
import { simulate } from 'kaio/emulated';
import { RandomAccessFile, type RandomAccessStorage } from 'kaio/random-access';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

type StorageClass = new (name: string, options?: object) => RandomAccessStorage;
const Original = createRequire(import.meta.url)('random-access-file') as StorageClass;
const BACKENDS = ['native', 'emulated'] as const;
/** Positions and lengths are small, so that operations meet. */
const ROOM = 64;

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'kaio-adapter-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Which assertions of the suite in random-access-file 2 fail: some are of what version 4 does otherwise. */
async function published(...args: readonly string[]): Promise<readonly string[]> {
  const program = fileURLToPath(new URL('./published-suite.mjs', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [program, 'random-access', ...args]).catch(
    (error: { stdout: string }) => error,
  );
  expect(stdout).toMatch(/^# tests 65$/m);
  return stdout.split('\n').filter((line) => line.startsWith('not ok'));
}

type Step =
  | { readonly kind: 'read' | 'write' | 'del'; readonly offset: number; readonly size: number }
  | { readonly kind: 'truncate'; readonly offset: number }
  | { readonly kind: 'stat' | 'suspend' | 'close' | 'open' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('read' as const, 'write' as const),
    offset: fc.nat(ROOM),
    size: fc.nat(ROOM),
  }),
  // A hole of no bytes is refused by the kernel, and by random-access-file as EINVAL without a name.
  fc.record({
    kind: fc.constant('del' as const),
    offset: fc.nat(ROOM),
    size: fc.integer({ min: 1, max: ROOM }),
  }),
  fc.record({ kind: fc.constant('truncate' as const), offset: fc.nat(ROOM) }),
  fc.record({ kind: fc.constantFrom('stat' as const, 'suspend' as const, 'open' as const) }),
  { weight: 1, arbitrary: fc.constant({ kind: 'close' as const }) },
);

/** What a step answers, in words that can be compared. */
function take(file: RandomAccessStorage, one: Step, fill: number): Promise<string> {
  return new Promise((resolve) => {
    const tell = (error: unknown, value?: unknown): void => {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      if (error) resolve(`${one.kind}: ${code ?? message}`);
      else if (value instanceof Uint8Array) resolve(`${one.kind}: ${Buffer.from(value).toString('hex')}`);
      else if (one.kind === 'stat') resolve(`stat: ${(value as fs.Stats).size}`);
      else resolve(`${one.kind}: done`);
    };
    switch (one.kind) {
      case 'read':
        return file.read(one.offset, one.size, tell);
      case 'write':
        return file.write(one.offset, Buffer.alloc(one.size, fill), tell);
      case 'del':
        return file.del(one.offset, one.size, tell);
      case 'truncate':
        return file.truncate(one.offset, tell);
      default:
        return file[one.kind](tell as (error: unknown) => void);
    }
  });
}

async function history(
  Class: StorageClass,
  name: string,
  options: object,
  steps: readonly Step[],
): Promise<string[]> {
  const path = join(folder, name);
  fs.rmSync(path, { force: true });
  const file = new Class(path, options);
  const told: string[] = [];
  for (const [index, one] of steps.entries()) told.push(await take(file, one, index + 1));
  await new Promise<void>((resolve) => file.close(() => resolve()));
  told.push(fs.existsSync(path) ? fs.readFileSync(path).toString('hex') : 'no file');
  return told;
}

describe.each(BACKENDS)('kaio/random-access on the %s backend', (backend) => {
  it('passes of the published suite what random-access-file passes', async () => {
    expect(await published('kaio', backend)).toEqual(await published('random-access-file'));
  });

  it.each([false, 'prefer'] as const)('does what random-access-file does, direct: %s', async (direct) => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ readable: fc.boolean(), writable: fc.boolean(), truncate: fc.boolean() }),
        fc.array(step, { maxLength: 12 }),
        async (options, all) => {
          // It cuts the file again when it is opened after a rest, and with it what was written: ours does not.
          const steps = options.truncate ? all.filter(({ kind }) => kind !== 'suspend') : all;
          const expected = await history(Original, 'theirs', options, steps);
          expect(await history(RandomAccessFile, 'ours', { ...options, backend, direct }, steps)).toEqual(
            expected,
          );
        },
      ),
      { numRuns: 100, seed: 20_261_127 },
    );
  });

  it('carries a hypercore', async () => {
    const storage = (name: string) => new RandomAccessFile(name, { directory: folder, backend });
    const blocks = Array.from({ length: 100 }, (_, index) => `block ${index}`.repeat(index));
    const core = new Hypercore(storage, { valueEncoding: 'utf-8' });
    await core.append(blocks);
    await core.clear(10, 20);
    await core.close();
    const again = new Hypercore((name) => new Original(join(folder, name)), { valueEncoding: 'utf-8' });
    await again.ready();
    expect(again.length).toBe(100);
    for (const index of [0, 9, 20, 99]) expect(await again.get(index)).toBe(blocks[index]);
    expect(await again.has(15)).toBe(false);
    await again.close();
  });

  it('is cut when it is opened first, and not after a rest', async () => {
    const path = join(folder, 'rested');
    fs.writeFileSync(path, 'older');
    const file = new RandomAccessFile(path, { truncate: true, backend });
    const steps: Step[] = [
      { kind: 'write', offset: 0, size: 2 },
      { kind: 'suspend' },
      { kind: 'read', offset: 0, size: 2 },
      { kind: 'stat' },
      { kind: 'close' },
    ];
    const told: string[] = [];
    for (const one of steps) told.push(await take(file, one, 7));
    expect(told).toEqual(['write: done', 'suspend: done', 'read: 0707', 'stat: 2', 'close: done']);
  });

  it('takes locks, and says who else has one', async () => {
    const path = join(folder, 'locked');
    const [one, other] = [1, 2].map(() => new RandomAccessFile(path, { lock: true, size: 1, backend }));
    expect(await take(one!, { kind: 'open' }, 0)).toBe('open: done');
    expect(await take(other!, { kind: 'open' }, 0)).toBe('open: ELOCKED');
    expect(await take(one!, { kind: 'close' }, 0)).toBe('close: done');
    expect(await take(other!, { kind: 'open' }, 0)).toBe('open: done');
    await take(other!, { kind: 'close' }, 0);
  });
});

it('has no more files open than its pool has places', async () => {
  const pool = RandomAccessFile.createPool(2);
  const files = Array.from({ length: 5 }, (_, at) => new RandomAccessFile(join(folder, `${at}`), { pool }));
  const write: Step = { kind: 'write', offset: 0, size: 4 };
  await Promise.all(files.map((file, at) => take(file, write, at)));
  // Others are suspended after the write that opened one too many.
  const opened = (): number => files.filter(({ file }) => file !== undefined).length;
  while (opened() > 2) await setTimeout(1);
  expect(opened()).toBe(2);
  expect(await Promise.all(files.map((file) => take(file, { kind: 'read', offset: 3, size: 1 }, 0)))).toEqual(
    files.map((_, at) => `read: 0${at}`),
  );
  await Promise.all(files.map((file) => take(file, { kind: 'close' }, 0)));
});

it('is on a simulated disk', async () => {
  const simulation = simulate({ seed: 1 });
  const context = new AioContext({ kernel: simulation.kernel });
  const file = new RandomAccessFile('/a/b', { context, names: simulation.fs.promises });
  expect(await take(file, { kind: 'write', offset: 100, size: 2 }, 7)).toBe('write: done');
  expect(await take(file, { kind: 'read', offset: 99, size: 3 }, 0)).toBe('read: 000707');
  expect(String(simulation.trace)).toContain('write /a/b at 100, 2 bytes');
});
