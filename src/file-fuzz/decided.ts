/** Where AioFile differs from FileHandle because it was decided so: each as data, with its reason and a program that shows it. */
import type { FileDifference, FileProgram } from './program.ts';

export interface Decided {
  readonly name: string;
  readonly reason: string;
  /** The versions of Node.js where it shows. Default: all. */
  readonly on?: (major: number) => boolean;
  readonly matches: (difference: FileDifference, program: FileProgram) => boolean;
  /** Whether all that comes after it in a program may differ too. */
  readonly carries?: true;
  /** Shows it. One that does not any more turns the test red. */
  readonly program: FileProgram;
}

export const DECIDED: readonly Decided[] = [
  {
    name: 'error-name',
    reason:
      'errors of the kernel are AioErrors, with the code, errno and syscall of those that FileHandle gives',
    matches: ({ fileHandle, other }) =>
      other.includes('AioError') && other.replaceAll('AioError', 'Error') === fileHandle,
    program: {
      steps: [
        { op: 'open', slot: 0, place: 'text', flags: 'r' },
        { op: 'call', slot: 0, method: 'write', args: ['x', 0] },
      ],
    },
  },
];
