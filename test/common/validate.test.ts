/** Errors about arguments, beside Node's own. */
import { describe, expect, it } from 'vitest';
import { invalidArgType } from '../../src/common/validate.ts';

function thrownBy(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

function receivedIn({ message }: Error): string {
  return message.slice(message.indexOf('Received'));
}

describe('an argument of a wrong type', () => {
  it.each([
    undefined,
    null,
    true,
    7,
    -0,
    1.5,
    7n,
    Symbol('of a file'),
    Symbol('of a file with quite a long name'),
    1234567890123456789012345678901n,
    [],
    [1, 2],
    'text',
    'a text\n with one " of them',
    'it\'s both " of them',
    'x'.repeat(28),
    'x'.repeat(29),
  ])('is told as Node tells it: %s', (value) => {
    // A buffer is what takes least.
    const nodes = thrownBy(() => Buffer.prototype.equals.call(Buffer.alloc(0), value as unknown as Buffer));
    const ours = invalidArgType('otherBuffer', 'of a kind', value);
    expect(receivedIn(ours)).toBe(receivedIn(nodes));
    expect(ours).toMatchObject({ name: nodes.name, code: (nodes as NodeJS.ErrnoException).code });
  });

  it('is not asked for anything when it is an object', () => {
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    const told = [proxy, new Proxy([], {}), { constructor: { name: 'Own' } }].map((value) =>
      receivedIn(invalidArgType('value', 'of a kind', value)),
    );
    expect(told).toEqual(['Received object', 'Received object', 'Received object']);
    expect(receivedIn(invalidArgType('value', 'of a kind', () => undefined))).toBe('Received function');
  });
});
