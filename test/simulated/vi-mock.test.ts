/** The mocks of vitest, as docs/simulation.md has them. */
import { createRequire } from 'node:module';
import { expect, it, vi } from 'vitest';
import { load, save } from './fixtures/settings.ts';

// A package is loaded by Node itself, and so is kaio here.
const kaio = vi.hoisted(() => {
  const { createRequire: requireFrom } = process.getBuiltinModule('node:module');
  return requireFrom(import.meta.url)(
    '../../dist/src/simulated.js',
  ) as typeof import('../../src/simulated.ts');
});

vi.mock('node:fs', () => ({ ...kaio.fs, default: kaio.fs }));
vi.mock('node:fs/promises', () => ({ ...kaio.promises, default: kaio.promises }));

const { simulate } = createRequire(import.meta.url)(
  '../../dist/src/emulated/index.js',
) as typeof import('../../src/emulated/index.ts');

it('puts code that vitest transforms on the simulation', async () => {
  const simulation = simulate({ seed: 1 });
  kaio.use(simulation);
  await save('/settings', 'new');
  expect(load('/settings')).toBe('new');
  expect(simulation.fs.readdirSync('/')).toEqual(['settings']);
  const found = new Set<string>();
  for (let seed = 1; seed <= 40; seed++) {
    const machine = simulate({ seed });
    kaio.use(machine);
    await save('/settings', 'old');
    machine.fs.fsyncSync(machine.fs.openSync('/', 'r'));
    const after = await machine.crashDuring(() => save('/settings', 'new'), { withinEvents: 8 });
    kaio.use(after);
    found.add(load('/settings'));
  }
  kaio.use(undefined);
  expect([...found].sort()).toContain('old');
});
