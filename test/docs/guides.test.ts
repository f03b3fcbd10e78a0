import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { guidePrograms } from '../../scripts/docs/guides.ts';

const compiled = join(import.meta.dirname, '../../dist/test/docs/programs');

/** An ellipsis stands for anything in a line. */
function pattern(prints: string): RegExp {
  const quoted = prints.split('…').map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${quoted.join('.*')}\\n$`);
}

describe.each(guidePrograms())('the program of the guide $name', ({ name, prints }) => {
  it.each(['auto', 'emulated'])('prints what the guide says, with KAIO_BACKEND=%s', (backend) => {
    const cwd = mkdtempSync(join(tmpdir(), 'kaio-guide-'));
    try {
      const env = { ...process.env, KAIO_BACKEND: backend };
      const printed = execFileSync(process.execPath, [join(compiled, `${name}.js`)], {
        cwd,
        env,
        encoding: 'utf8',
        timeout: 50_000,
      });
      expect(printed).toMatch(pattern(prints));
    } finally {
      rmSync(cwd, { recursive: true, force: true });
    }
  });
});
