/** Paths as bytes, and names beside others. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { directoryOf, endsInSeparator, followLinks, partialPath } from '../../src/common/path-bytes.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('partialPath', () => {
  it('fits where the name itself fits, lies beside it and is another each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 255 }), (text) => {
        const base = Buffer.from(text.replaceAll(/[/\\:\0]/g, '_')).subarray(0, 255);
        const path = Buffer.concat([Buffer.from('a/../b/'), base]);
        const partial = partialPath(path);
        assert.equal(directoryOf(partial).toString(), 'a/../b/');
        assert.ok(partial.length <= 'a/../b/'.length + Math.max(64, base.length));
        assert.notDeepEqual(partialPath(path), partial);
      }),
    );
  });

  it('cuts no character into pieces', () => {
    for (let extra = 0; extra < 4; extra++) {
      const name = `${'x'.repeat(extra)}${'漢'.repeat(84)}`;
      assert.match(partialPath(Buffer.from(name)).toString(), /^\.x*漢+\.kaio-[0-9a-f]{12}$/);
    }
  });

  it('takes its chance and its separators from elsewhere where it has to', () => {
    const path = partialPath(Buffer.from('/a/b:c'), ['/'], (count) => new Uint8Array(count).fill(10));
    assert.equal(path.toString(), '/a/.b:c.kaio-0a0a0a0a0a0a');
  });

  it('knows folders', () => {
    assert.equal(directoryOf(bytes('name')).toString(), '.');
    assert.equal(directoryOf(bytes('/name')).toString(), '/');
    assert.equal(endsInSeparator(bytes('a/')), true);
    assert.equal(endsInSeparator(bytes('')), false);
  });
});

describe.skipIf(process.platform === 'win32')('followLinks', () => {
  const directory = mkdtempSync(join(tmpdir(), 'kaio-links-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  const at = (name: string): Buffer => Buffer.from(join(directory, name));

  it('goes to the end of a chain, whether something is there or not', async () => {
    writeFileSync(at('file'), '');
    symlinkSync('file', at('one'));
    symlinkSync('one', at('two'));
    symlinkSync('nothing', at('dangling'));
    for (const name of ['file', 'one', 'two']) assert.deepEqual(await followLinks(at(name)), at('file'));
    assert.deepEqual(await followLinks(at('dangling')), at('nothing'));
    assert.deepEqual(await followLinks(at('missing')), at('missing'));
    await assert.rejects(followLinks(at('file/below')), { code: 'ENOTDIR' });
  });
});
