/** What `kaio cp` is made of, part by part. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { dataRuns, isSparse } from '../../src/cli/holes.ts';
import { pathArguments } from '../../src/cli/path-arguments.ts';
import { errorLine, printable, printableLines } from '../../src/command/printable.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('printable', () => {
  it('escapes what a terminal obeys, and nothing else', () => {
    assert.equal(printable('Grüße 漢字 👍'), 'Grüße 漢字 👍');
    assert.equal(
      printable('a\tb\r\n\u001b[0m\u007f\u0085\u2028\u202e'),
      String.raw`a\tb\r\n\x1b[0m\x7f\x85\u{2028}\u{202e}`,
    );
    assert.equal(printableLines('a\nb\r\u001b\n'), 'a\nb\\r\\x1b\n');
  });

  it('shows names that are no UTF-8 byte by byte', () => {
    assert.equal(printable(Buffer.from('Grüße\n')), 'Grüße\\n');
    assert.equal(printable(bytes('a\xff\x1bb')), String.raw`a\xff\x1bb`);
  });

  it('leaves no control character of whatever it is given', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (array) => {
        assert.doesNotMatch(printable(Buffer.from(array)), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u);
      }),
    );
  });
});

describe('errorLine', () => {
  it('is the first line, but for ends of lines in names', () => {
    assert.equal(errorLine(new Error('one\ntwo')), 'one');
    assert.equal(errorLine('text\u001b'), 'text\\x1b');
    const error = Object.assign(new Error("ENOENT: open 'a\nb' -> 'c\nd'\nstack"), {
      path: 'a\nb',
      dest: 'c\nd',
    });
    assert.equal(errorLine(error), String.raw`ENOENT: open 'a\nb' -> 'c\nd'`);
  });
});

describe('pathArguments', () => {
  const raw = (): Buffer[] => ['cp', '-p', 'a\xff', 'a\xfe', '\xef\xbf\xbd'].map(bytes);

  it('finds the bytes of what could not be decoded, in order', () => {
    assert.deepEqual(pathArguments(['a\ufffd', 'a\ufffd'], raw), [bytes('a\xff'), bytes('a\xfe')]);
    assert.deepEqual(pathArguments(['\ufffd', 'b'], raw), [bytes('\xef\xbf\xbd'), bytes('b')]);
  });

  it('takes everything else as it is, and asks for nothing', () => {
    const never = (): Buffer[] => assert.fail('asked');
    assert.deepEqual(pathArguments(['é', '-'], never), [Buffer.from('é'), bytes('-')]);
    assert.deepEqual(
      pathArguments(['x\ufffd'], () => []),
      [Buffer.from('x\ufffd')],
    );
  });
});

describe('dataRuns', () => {
  it('has every byte that is not zero, in whole units, and no unit of zeros', () => {
    const block = fc
      .array(fc.tuple(fc.boolean(), fc.nat(4095)), { maxLength: 20 })
      .chain((units) => fc.tuple(fc.constant(units), fc.nat(4095)));
    fc.assert(
      fc.property(block, ([units, tail]) => {
        const content = new Uint8Array(units.length * 4096 + tail);
        for (const [index, [full, at]] of units.entries()) if (full) content[index * 4096 + at] = 1;
        const copy = new Uint8Array(content.length);
        let before = -1;
        for (const { start, end } of dataRuns(content)) {
          assert.ok(start > before && start % 4096 === 0 && (end % 4096 === 0 || end === content.length));
          copy.set(content.subarray(start, end), start);
          before = end;
        }
        assert.deepEqual(copy, content);
        const kept = dataRuns(content).reduce((sum, { start, end }) => sum + end - start, 0);
        assert.equal(kept, units.filter(([full]) => full).length * 4096);
      }),
    );
  });

  it('is for files with less room than size', () => {
    assert.equal(isSparse({ size: 4096n, blocks: 8n }), false);
    assert.equal(isSparse({ size: 4097n, blocks: 8n }), true);
  });
});
