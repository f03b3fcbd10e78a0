/** Differences that are meant to be, each with its reason. */
import type { FsDifference, FsProgram, Step } from './program.ts';

interface Declared {
  readonly name: string;
  readonly why: string;
  readonly applies: (difference: FsDifference, program: FsProgram) => boolean;
}

export const DECLARED: readonly Declared[] = [
  {
    name: 'readFile of a bad descriptor',
    why: 'Node 20 trips over itself and speaks of a list, where it should say EBADF.',
    applies: ({ node }) => node.includes('The "list" argument must be an instance of Array'),
  },
  {
    name: 'opendirSync without the path',
    why: 'Node 20 leaves the path out of what opendirSync throws; later versions have it.',
    applies: ({ step, node, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      return (
        call?.name === 'opendir' &&
        node ===
          simulated
            .replace(/ '[^']*'/, '')
            .replace(/path: '[^']*'/, 'path: undefined')
            .replaceAll('"', "'")
      );
    },
  },
  {
    name: 'callback of a recursive readdir',
    why: 'Node 20 throws what should go to the callback; later versions do not.',
    applies: ({ step, node, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      return call?.name === 'readdir' && node === simulated.replace('callback 1', 'thrown');
    },
  },
];

function stepAt(steps: FsProgram['steps'], step: number | 'end'): (Step & { op: 'call' }) | undefined {
  const found = step === 'end' ? undefined : steps[step];
  return found?.op === 'call' ? found : undefined;
}

/** @returns The name of the declaration that covers a difference. */
export function declaredDifference(program: FsProgram, difference: FsDifference): string | undefined {
  return DECLARED.find(({ applies }) => applies(difference, program))?.name;
}
