import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { everyCrashTest } from '../../examples/write-ahead-log/every-crash.ts';
import { FLAWS } from '../../examples/write-ahead-log/flaws.ts';

describe('the write-ahead log at every moment of a life', () => {
  it('keeps its word, also when its recovery is interrupted', async () => {
    const result = await everyCrashTest({ seed: 1 });
    // It would be easy to keep one's word without ever being asked.
    expect(result.points).toBeGreaterThan(80);
    expect(result.outcomes).toBeGreaterThan(2 * result.points);
    expect(result.again).toBe(result.outcomes);
  }, 120_000);

  it.each(['ext4-ordered', 'xfs', 'apfs', 'ntfs'] as const)(
    'keeps its word on %s',
    async (model) => {
      await expect(everyCrashTest({ seed: 2, model, again: 0 })).resolves.toMatchObject({ value: undefined });
    },
    120_000,
  );

  it('needs no sync of directories where metadata keep their order, and a sync of bytes everywhere', async () => {
    for (const flaw of ['segment', 'name'] as const)
      await expect(everyCrashTest({ seed: 1, flaw, model: 'ext4-ordered' })).resolves.toBeDefined();
    for (const flaw of ['batch', 'hasty'] as const)
      await expect(everyCrashTest({ seed: 1, flaw, model: 'ext4-ordered' })).rejects.toThrow('only: {');
  }, 120_000);

  it.each(FLAWS)(
    'is caught with one seed and one run when it is broken: %s',
    async (flaw) => {
      const pages = mkdtempSync(join(tmpdir(), 'kaio-every-crash-'));
      try {
        const failing = everyCrashTest({ seed: 1, flaw, pages });
        await expect(failing).rejects.toMatchObject({
          code: 'ERR_AIO_SIMULATION',
          message: expect.stringMatching(
            /only: \{ event: \d+, outcome: [\d'kil]+ \}[\s\S]*-- (power lost|process killed)/,
          ),
          // The page shows where: test/emulated/simulation/history-page.test.ts has what is on it.
          page: expect.stringContaining(pages),
        });
        const [page] = readdirSync(pages);
        expect(readFileSync(join(pages, page!), 'utf8')).toMatch(/power lost|process killed/);
      } finally {
        rmSync(pages, { recursive: true });
      }
    },
    120_000,
  );
});
