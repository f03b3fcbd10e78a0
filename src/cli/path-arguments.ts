/**
 * File names of the command line as bytes.
 *
 * Node.js decodes its arguments as UTF-8, and names on Linux need not be that: what is not becomes U+FFFD, which names another file.
 */
import { readFileSync } from 'node:fs';

const REPLACEMENT = '\ufffd';

/** The arguments of this process as the kernel keeps them (see proc(5)); none where it does not tell. */
function rawArguments(): Buffer[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync('/proc/self/cmdline');
  } catch {
    return [];
  }
  const words: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0, start);
    const stop = end === -1 ? bytes.length : end;
    words.push(bytes.subarray(start, stop));
    start = stop + 1;
  }
  // Node.js's own options come first, and are not in argv.
  return words.slice(-(process.argv.length - 2));
}

/**
 * The bytes of arguments that were decoded.
 *
 * @param texts - In the order of the command line: of two that look the same the first is the first.
 */
export function pathArguments(
  texts: readonly string[],
  raw: () => readonly Buffer[] = rawArguments,
): Buffer[] {
  if (!texts.some((text) => text.includes(REPLACEMENT))) return texts.map((text) => Buffer.from(text));
  const left = [...raw()];
  return texts.map((text) => {
    const index = left.findIndex((word) => word.toString('utf8') === text);
    return index === -1 ? Buffer.from(text) : left.splice(index, 1)[0]!;
  });
}
