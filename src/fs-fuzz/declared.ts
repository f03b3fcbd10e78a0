/** Differences that are meant to be, each with its reason. */
import { inspect } from 'node:util';
import type { FsDifference, FsProgram, Step } from './program.ts';

interface Declared {
  readonly name: string;
  readonly why: string;
  readonly applies: (difference: FsDifference, program: FsProgram) => boolean;
}

const NODE_MAJOR = Number.parseInt(process.versions.node, 10);
const PATH_MAX = 4096;
const REFUSALS = ['ERR_OUT_OF_RANGE', 'ERR_UNKNOWN_ENCODING'];

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
    name: 'opendir of a tree, by few entries at a time',
    why: 'Node 20 loses entries of folders when it reads fewer at a time than there are; 24 does not.',
    applies: ({ step }, { steps }) => {
      const call = stepAt(steps, step);
      const options = call?.args[1];
      return (
        NODE_MAJOR < 24 &&
        call?.name === 'opendir' &&
        typeof options === 'object' &&
        options !== null &&
        'recursive' in options &&
        'bufferSize' in options
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
    name: 'glob of several patterns',
    why: 'Node 22 leaves out what it has come by for another pattern; later versions do not.',
    applies: ({ step }, { steps }) => {
      const call = stepAt(steps, step);
      return (
        NODE_MAJOR < 24 && call?.name === 'glob' && Array.isArray(call.args[0]) && call.args[0].length > 1
      );
    },
  },
  {
    name: 'realpath of a link that leads to itself by another name',
    why: 'Node never ends.',
    applies: ({ step, what, simulated }, { steps }) =>
      stepAt(steps, step)?.name === 'realpath' && (what.includes('hangs') || simulated.includes('ELOOP')),
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
    why: 'Promises of Node take it for none.',
    applies: ({ step, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      return (
        call?.name === 'mkdir' &&
        call.face === 'promise' &&
        /"(mode" argument|options.mode" property)/.test(simulated) &&
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
  {
    name: 'cp of two paths that are not there',
    why: 'Node asks for both at once where it can wait, and tells of the one that is answered first.',
    applies: ({ step, node, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      return call?.name === 'cp' && call.face !== 'sync' && isLook(node) && isLook(simulated);
    },
  },
  {
    name: 'rmSync in C++',
    why: 'Since Node 22 it tells of what it cannot look at in its own way, without a code, or takes it for nothing.',
    applies: ({ step, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      const isSync = call?.name === 'rm' && call.face === 'sync';
      return NODE_MAJOR >= 22 && isSync && simulated.startsWith('thrown');
    },
  },
  {
    name: 'a tree that is too deep',
    why: 'Node goes down by recursion, and has no stack for what a copy of a folder into itself can become.',
    applies: ({ node, simulated }, { steps }) =>
      node.includes('Maximum call stack size exceeded') ||
      (steps.some((step) => step.op === 'call' && step.name === 'cp') &&
        [node, simulated].some((shown) => shown.includes('ENAMETOOLONG') || shown.length > PATH_MAX)),
  },
  {
    name: 'what is left of a copy that ends halfway, or goes into itself',
    why: 'Node copies in the order of the disk, which is not that of names; links lead to nothing, or to where the copy is made.',
    applies: ({ step }, { steps }) => {
      const before = steps.slice(0, step === 'end' ? undefined : step);
      const linked = before.findIndex((one) => isCall(one, 'symlink'));
      return (
        linked !== -1 &&
        before
          .slice(linked)
          .some((one) => isCall(one, 'cp') && inspect(one.args[2]).includes('recursive: true'))
      );
    },
  },
  {
    name: 'a bigint for a place in a buffer',
    why: 'Node 20 reckons with it before it looks at it.',
    applies: ({ node }) => node.includes('Cannot mix BigInt and other types'),
  },
  {
    name: 'nothing to transfer with what is no descriptor',
    why: 'Since Node 24 it looks at a descriptor when there is something to transfer.',
    applies: ({ step, node, simulated }, { steps }) => {
      const call = stepAt(steps, step);
      const isTransfer = ['read', 'write', 'readv', 'writev'].includes(call?.name ?? '');
      return isTransfer && node.endsWith(' 0') && simulated.includes('The "fd" argument');
    },
  },
  {
    name: 'the error of an AioFile',
    why: 'It is an AioError, with the code, number and call of the plain one.',
    applies: ({ step, node, simulated }, { steps }) =>
      step !== 'end' && steps[step]?.op === 'method' && simulated.replace("'AioError'", "'Error'") === node,
  },
  {
    name: 'no place for a read of a FileHandle',
    why: 'Since Node 22 it is refused, in words that differ between versions.',
    applies: ({ node, simulated }) =>
      NODE_MAJOR >= 22 &&
      [node, simulated].every((shown) => shown.includes('The value of "position" is out of range')),
  },
  {
    name: 'readFile of what cannot be read',
    why: 'Since Node 26 its error names the path.',
    applies: ({ step, node, simulated }, { steps }) =>
      NODE_MAJOR >= 26 &&
      stepAt(steps, step)?.name === 'readFile' &&
      codeIn(node) === codeIn(simulated) &&
      node.includes("syscall: 'read', path: '") &&
      simulated.includes("syscall: 'read', path: undefined"),
  },
  {
    name: 'how bigints are written',
    why: 'Since Node 26 with their letter, in messages too.',
    applies: ({ node, simulated }) =>
      node.replace(/type bigint \((\d+)n\)/, 'type bigint ($1)') === simulated,
  },
];

/** Whether a path could not be looked at. */
function isLook(shown: string): boolean {
  return /syscall: 'l?stat'/.test(shown);
}

function isRefusal(shown: string): boolean {
  const code = codeIn(shown);
  return code?.startsWith('ERR_INVALID_ARG') === true || REFUSALS.includes(code ?? '');
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

function isCall(step: Step, name: string): step is Step & { op: 'call' } {
  return step.op === 'call' && step.name === name;
}

/** @returns The name of the declaration that covers a difference. */
export function declaredDifference(program: FsProgram, difference: FsDifference): string | undefined {
  return DECLARED.find(({ applies }) => applies(difference, program))?.name;
}
