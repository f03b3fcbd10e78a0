/** What gVisor is known to do otherwise than Linux: `gvisor.json`, each with its source. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Expectations } from '../../test/conformance/index.ts';
import { packageRoot } from '../package-root.ts';

export function knownOfGvisor(): Expectations {
  return new Expectations(
    JSON.parse(readFileSync(join(packageRoot(), 'scripts/kernels/gvisor.json'), 'utf8')),
  );
}
