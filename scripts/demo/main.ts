/** `npm run demo [-- DIRECTORY]`: what kaio is for, on this machine's disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, release } from 'node:os';
import { join, resolve } from 'node:path';
import { showCopies } from './copies.ts';
import { showReads } from './reads.ts';
import { WAYS } from './ways.ts';

// Here and not in the folder for temporary files: that is memory on many machines, which is read past no page cache.
const home = mkdtempSync(join(resolve(process.argv[2] ?? '.'), 'kaio-demo-'));
try {
  console.log(
    `Node.js ${process.version}, ${process.platform} ${release()} ${process.arch}, ${availableParallelism()} CPUs\n`,
  );
  await showReads(home, WAYS);
  console.log();
  if (!(await showCopies(home, WAYS))) process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
