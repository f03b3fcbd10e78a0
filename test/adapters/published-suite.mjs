/**
 * Runs a suite that a package has published, and prints its TAP: that of random-access-file 2, the last version that has one in it, or that
 * of abstract-chunk-store.
 *
 * node published-suite.mjs random-access random-access-file | kaio [BACKEND]
 * node published-suite.mjs chunk-store kaio [BACKEND]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const require = createRequire(import.meta.url);
const [suite, implementation, backend] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'kaio-suite-'));
process.env.TMPDIR = folder;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

async function randomAccess() {
  const { RandomAccessFile } =
    implementation === 'kaio'
      ? await import('kaio/random-access')
      : { RandomAccessFile: require('random-access-file') };
  // The interface of version 2: no `new`, and unlink() was called destroy().
  const make = (name, options) => {
    const file = new RandomAccessFile(name, { ...options, ...(implementation === 'kaio' && { backend }) });
    return Object.assign(file, { destroy: (callback) => file.unlink(callback) });
  };
  const load = Module._load;
  Module._load = function (request, parent, isMain) {
    const isTested = request === './' && parent?.filename.endsWith(join('random-access-file-2', 'test.js'));
    return isTested ? make : load.call(this, request, parent, isMain);
  };
  require('random-access-file-2/test.js');
}

async function chunkStore() {
  const { ChunkStore } = await import('kaio/chunk-store');
  let stores = 0;
  class Store extends ChunkStore {
    constructor(chunkLength) {
      super(chunkLength, { path: join(folder, `${stores++}.bin`), backend });
    }
  }
  require('abstract-chunk-store/tests')(require('tape'), Store);
}

await (suite === 'chunk-store' ? chunkStore() : randomAccess());
