/** How long a program waits before its next step. */
import type { Wait } from './program.ts';
import type { Requests } from './requests.ts';

const SETTLED_MS = 20;

export async function waitFor(how: Wait, requests: Requests): Promise<void> {
  switch (how) {
    case 'microtask':
      return;
    case 'tick':
      await new Promise<void>((resolve) => process.nextTick(resolve));
      return;
    case 'immediate':
      await new Promise((resolve) => setImmediate(resolve));
      return;
    case 'millisecond':
      await new Promise((resolve) => setTimeout(resolve, 1));
      return;
    case 'settled': {
      const until = Date.now() + SETTLED_MS;
      while (Date.now() < until && [...requests.live].some(({ waits }) => !waits))
        await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
