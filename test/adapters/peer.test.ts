import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** Loads an adapter where a package is not to be found. */
function load(adapter: string, missing: string, use = ''): string {
  const program = `
    import Module from 'node:module';
    const { _resolveFilename } = Module;
    Module._resolveFilename = function (request, ...rest) {
      if (request === '${missing}' || request.startsWith('${missing}/'))
        throw Object.assign(new Error('Cannot find module'), { code: 'MODULE_NOT_FOUND' });
      return _resolveFilename.call(this, request, ...rest);
    };
    try {
      const adapter = await import('${adapter}');
      ${use}
      console.log('loaded');
    } catch ({ code, message, cause }) {
      console.log(code, message, cause.code);
    }`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  }).trim();
}

describe('an adapter whose package is missing', () => {
  it.each([
    ['kaio/random-access', 'random-access-storage', 'random-access-storage@^3'],
    ['kaio/sqlite-vfs', '@journeyapps/wa-sqlite', '@journeyapps/wa-sqlite@^2'],
  ])('%s tells how to install it', (adapter, missing, cure) => {
    expect(load(adapter, missing)).toBe(
      `ERR_AIO_PEER_MISSING ${adapter} needs the package ${missing}, which is not installed: npm install ${cure} MODULE_NOT_FOUND`,
    );
  });

  it('kaio/random-access tells it when a lock is asked for, and does without else', () => {
    const use = `
      await new Promise((resolve, reject) => {
        const file = new adapter.RandomAccessFile('/dev/null', { lock: true });
        file.open((error) => (error ? reject(error) : resolve()));
      });`;
    expect(load('kaio/random-access', 'fs-native-extensions', use)).toMatch(
      /^ERR_AIO_PEER_MISSING kaio\/random-access with `lock` needs .* npm install fs-native-extensions@\^1 /,
    );
    expect(load('kaio/random-access', 'fs-native-extensions')).toBe('loaded');
  });

  it.each(['kaio/chunk-store', 'kaio/parquet'])('%s needs none', (adapter) => {
    expect(load(adapter, 'hyparquet')).toBe('loaded');
  });
});
