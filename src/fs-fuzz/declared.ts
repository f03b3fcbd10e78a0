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
    applies: ({ step, node, simulated }, { steps }) => {
      if (node.includes('The "list" argument must be an instance of Array')) return true;
      const isRead = stepAt(steps, step)?.name === 'readFile';
      return isRead && node === 'callback 2 null' && ['EBADF', 'EISDIR'].includes(codeIn(simulated) ?? '');
    },
  },
  {
    name: 'opendirSync without the path',
    why: 'Node 20 leaves the path out of what opendirSync throws; later versions have it.',
    applies: ({ step, node, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      const isSame = codeIn(node) === codeIn(simulated) && codeIn(node) !== undefined;
      return call?.name === 'opendir' && isSame && node.includes("syscall: 'opendir', path: undefined");
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
  {
    name: 'realpath of what is no path',
    why: 'Node makes text of anything, and looks for that below its own directory.',
    applies: ({ step }, { steps }) => {
      const call = stepAt(steps, step);
      const path = call?.args[0];
      return (
        call?.name === 'realpath' &&
        !(typeof path === 'object' && path !== null && '$' in path && path.$ === 'path')
      );
    },
  },
  {
    name: 'cp and recursive listings of a Buffer',
    why: 'Node takes paths that are Buffers, and finds no way below them.',
    applies: ({ step, node }, { steps }) =>
      ['cp', 'readdir', 'opendir'].includes(stepAt(steps, step)?.name ?? '') &&
      node.includes('must be of type string. Received an instance of Buffer'),
  },
  {
    name: 'two faults at once',
    why: 'Which of the arguments Node looks at first differs between calls of one name, and an aborted signal may come before them all.',
    applies: ({ node, simulated }) =>
      ((isRefusal(node) || codeIn(node) === 'ABORT_ERR') &&
        isRefusal(simulated) &&
        codeIn(node) !== codeIn(simulated)) ||
      (isRefusal(node) && isRefusal(simulated) && argumentIn(node) !== argumentIn(simulated)),
  },
  {
    name: 'a mode of null in options of mkdir',
    why: 'The promises of Node 20 take it for none.',
    applies: ({ step, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      return (
        call?.name === 'mkdir' &&
        call.face === 'promise' &&
        simulated.includes('"mode" argument') &&
        simulated.includes('undefined')
      );
    },
  },
  {
    name: 'rm below a file',
    why: 'With force, Node 20 finds out later than it looks, and names another system call.',
    applies: ({ step, node, simulated }, { steps }) =>
      stepAt(steps, step)?.name === 'rm' && codeIn(node) === 'ENOTDIR' && codeIn(simulated) === 'ENOTDIR',
  },
];

function isRefusal(shown: string): boolean {
  return codeIn(shown)?.startsWith('ERR_INVALID_ARG') === true || codeIn(shown) === 'ERR_OUT_OF_RANGE';
}

/** Which argument a refusal speaks of. */
function argumentIn(shown: string): string | undefined {
  return /["'](\w+(\.\w+)?)["']/.exec(shown.slice(shown.indexOf('message:')))?.[1];
}

function codeIn(shown: string): string | undefined {
  return /code: '(\w+)'/.exec(shown)?.[1];
}

function stepAt(steps: FsProgram['steps'], step: number | 'end'): (Step & { op: 'call' }) | undefined {
  const found = step === 'end' ? undefined : steps[step];
  return found?.op === 'call' ? found : undefined;
}

/** @returns The name of the declaration that covers a difference. */
export function declaredDifference(program: FsProgram, difference: FsDifference): string | undefined {
  return DECLARED.find(({ applies }) => applies(difference, program))?.name;
}
