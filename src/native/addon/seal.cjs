/**
 * Appends the SHA-256 of an addon to it, so that a damaged file is told from a good one before it is loaded.
 *
 * Plain JavaScript, because node-gyp runs it where nothing else is built: `node seal.cjs FILE [STAMP]`.
 */
const { createHash } = require('node:crypto');
const { readFileSync, writeFileSync } = require('node:fs');

const LABEL = 'kaio-sha256:';
const SEAL_BYTES = LABEL.length + 64;

const [path, stamp] = process.argv.slice(2);
let bytes = readFileSync(path);
// Sealing again replaces the seal.
if (bytes.subarray(-SEAL_BYTES).toString('latin1').startsWith(LABEL)) bytes = bytes.subarray(0, -SEAL_BYTES);
const seal = LABEL + createHash('sha256').update(bytes).digest('hex');
writeFileSync(path, Buffer.concat([bytes, Buffer.from(seal)]));
if (stamp !== undefined) writeFileSync(stamp, `${seal}\n`);
