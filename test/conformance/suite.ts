/** The suite under a test framework of the caller's. */
import type { Case } from './case.ts';
import { ALL_CASES } from './cases.ts';
import { type RunOptions, runCase } from './runner.ts';

export interface SuiteOptions extends Omit<RunOptions, 'kernel'> {
  /** `describe` and `it` of vitest, node:test or mocha. */
  readonly describe: (name: string, body: () => void) => void;
  readonly it: (name: string, body: () => Promise<void>) => void;
  /** The kernel to ask. */
  readonly kernel: () => RunOptions['kernel'];
}

/** Registers every case. A case that is unsupported here passes and says so on its report only. */
export function suite({ describe, it, kernel, ...options }: SuiteOptions): void {
  const groups = new Map<string, Case[]>();
  for (const one of ALL_CASES) {
    const group = one.id.slice(0, one.id.indexOf('/'));
    groups.set(group, [...(groups.get(group) ?? []), one]);
  }
  for (const [group, cases] of groups) {
    describe(group, () => {
      for (const one of cases) {
        it(`${one.rule}: ${one.title}`, async () => {
          const { outcome, detail } = await runCase(one, { kernel: kernel(), ...options });
          if (outcome === 'failed' || outcome === 'broken') throw new Error(`${outcome}: ${detail}`);
        });
      }
    });
  }
}
