/**
 * Builds the addon for this machine, to `build/Release/kaio.node`.
 *
 * By node-gyp; where that is missing or fails (no Python, no make), by the C compiler alone.
 */
import { BUILT_ADDON, buildByNodeGyp, compileAddon } from './addon-compiler.ts';

function build(): string {
  try {
    buildByNodeGyp();
    return 'by node-gyp';
  } catch (gyp) {
    try {
      compileAddon(BUILT_ADDON, ['-O2']);
    } catch (compiler) {
      throw new AggregateError([gyp, compiler], 'neither node-gyp nor the C compiler could build it');
    }
    const [why] = (gyp instanceof Error ? gyp.message : String(gyp)).split('\n');
    return `by the C compiler, because node-gyp could not: ${why}`;
  }
}

if (process.platform === 'linux') console.log(`${BUILT_ADDON}: built ${build()}`);
else console.log(`there is no addon for ${process.platform}, and none is needed`);
