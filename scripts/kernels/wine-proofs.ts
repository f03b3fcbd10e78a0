/**
 * What Wine does otherwise than Windows, each shown by a few lines of plain Node.js without kaio. Run by `scripts/kernels/windows.ts`
 * inside of Wine.
 *
 * A proof that shows nothing any more fails: what it excuses has to go too (`test/conformance/divergences.ts`).
 */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostSystem } from '../../test/conformance/index.ts';

interface Proof {
  /** The case or test that it excuses. */
  readonly excuses: string;
  readonly fault: string;
  /** @returns Whether the fault shows. */
  shows(directory: string): boolean;
}

const PROOFS: readonly Proof[] = [
  {
    excuses: 'transfer/write-then-read',
    fault: 'the time of birth of a file moves when the file is written',
    shows(directory) {
      const fd = fs.openSync(join(directory, 'born'), 'w+');
      const birth = (): bigint => fs.fstatSync(fd, { bigint: true }).birthtimeNs;
      const before = birth();
      let after = before;
      // The clock that stamps files may be coarse.
      for (let attempt = 0; attempt < 1000 && after === before; attempt++) {
        fs.writeSync(fd, 'x', 0);
        after = birth();
      }
      fs.closeSync(fd);
      return after !== before;
    },
  },
];

if (hostSystem() !== 'wine') throw new Error('these proofs are about Wine');
const directory = fs.mkdtempSync(join(tmpdir(), 'kaio-wine-'));
try {
  for (const { excuses, fault, shows } of PROOFS) {
    const shown = shows(directory);
    console.log(`${shown ? 'shown' : 'NOT SHOWN'}: ${fault} (excuses ${excuses})`);
    if (!shown) process.exitCode = 1;
  }
} finally {
  fs.rmSync(directory, { recursive: true, force: true });
}
