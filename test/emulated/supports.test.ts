import { describe, expect, it } from 'vitest';
import { emulatedKernel } from '../../src/emulated/index.ts';
import { ALL_CASES } from '../conformance/cases.ts';
import { hostOf } from '../conformance/linux-host.ts';
import { runCase } from '../conformance/runner.ts';

const EXECUTORS = ['threadpool', 'inline', 'submit', 'workers', 'simulated'] as const;
const PROFILES = ['linux-6.x', 'linux-2.6.20'] as const;
/** What a case asked for that needs the feature, and nothing else decides. */
const ASKED_BY = {
  'runs-in-submit': 'io_submit/one-at-a-time',
  'holds-files': 'transfer/closed-after-submit',
  'ring-protection': 'ring/read-only',
  'ring-mapping': 'ring/mremap-destroy',
  'cuts-one-segment': 'preadv/single-huge',
  'syncs-any-descriptor': 'transfer/fsync-directory',
} as const;

describe('what an emulated kernel claims', () => {
  it.each(PROFILES.flatMap((profile) => EXECUTORS.map((executor) => ({ profile, executor }))))(
    'holds: $profile, $executor',
    async ({ profile, executor }) => {
      for (const [feature, id] of Object.entries(ASKED_BY)) {
        const kernel = emulatedKernel({ profile, executor });
        const features = kernel.supports.features as Record<string, true | string>;
        const claimed = features[feature] === true;
        const asked = ALL_CASES.find((one) => one.id === id);
        if (asked === undefined) throw new Error(`there is no case ${id}`);
        // As if it could: then the case shows whether it can.
        for (const needed of asked.requires ?? []) features[needed] = true;
        const { outcome } = await runCase(asked, {
          kernel,
          directory: process.env.TMPDIR ?? '/tmp',
          host: hostOf(kernel),
        });
        expect([feature, outcome === 'passed']).toEqual([feature, claimed]);
      }
    },
  );
});
