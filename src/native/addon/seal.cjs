/**
 * Appends a checksum of an addon to it, so that a damaged file is told from a good one before it is loaded.
 *
 * Plain JavaScript, because node-gyp runs it where nothing else is built: `node seal.cjs FILE [STAMP]`. `../addon.ts` reads it.
 */
const { readFileSync, writeFileSync } = require('node:fs');

const LABEL = 'kaio-fnv1a:';
const SEAL_BYTES = LABEL.length + 8;

/** FNV-1a, by words of 32 bits, the least significant byte first, and the bytes that are left. */
function checksum(bytes) {
  const whole = bytes.byteLength & ~3;
  let hash = 0x811c9dc5;
  for (let at = 0; at < whole; at += 4) {
    hash = Math.imul(hash ^ bytes.readUInt32LE(at), 0x01000193);
    // Else the topmost bit of a word would never reach the others.
    hash ^= hash >>> 15;
  }
  for (let at = whole; at < bytes.byteLength; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

const [path, stamp] = process.argv.slice(2);
let bytes = readFileSync(path);
// Sealing again replaces the seal.
if (bytes.subarray(-SEAL_BYTES).toString('latin1').startsWith(LABEL)) bytes = bytes.subarray(0, -SEAL_BYTES);
const seal = LABEL + checksum(bytes);
writeFileSync(path, Buffer.concat([bytes, Buffer.from(seal)]));
if (stamp !== undefined) writeFileSync(stamp, `${seal}\n`);
