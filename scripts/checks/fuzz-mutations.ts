/**
 * Whether the fuzzer finds what it is for: the emulated kernel is made wrong in one place at a time, and each must be found
 * within 200,000 operations.
 *
 *     npm run check:fuzz-mutations -- --seed 7 --only order
 */
import { checkMutations, type Mutation } from '../mutants.ts';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'errno',
    what: 'one wrong errno: a descriptor that is no eventfd is EBADF',
    file: 'aio/io-submit.js',
    from: 'if (!(found instanceof EventFd))\n            return -ERRNO.EINVAL;',
    to: 'if (!(found instanceof EventFd))\n            return -ERRNO.EBADF;',
  },
  {
    name: 'order',
    what: 'one wrong order: polls of one file are woken oldest first',
    file: 'files/wait-queue.js',
    from: '[...this.#entries].reverse()',
    to: '[...this.#entries]',
  },
  {
    name: 'wake-up',
    what: 'one lost wake-up: a completion that signals an eventfd wakes nobody who polls it',
    file: 'files/eventfd.js',
    from: 'this.#count++;\n        this.poll_wait.wakeAll(POLLIN);',
    to: 'this.#count++;',
  },
  {
    name: 'capacity',
    what: 'one off-by-one capacity: a context takes one request more',
    file: 'aio/slots.js',
    from: '#local = 0;',
    to: '#local = 1;',
  },
  {
    name: 'write-back',
    what: 'one missing write-back: aio_key stays as it was',
    file: 'aio/iocb.js',
    from: 'memory?.view.setUint32(this.user + KEY - memory.base, key, LITTLE_ENDIAN);',
    to: '',
  },
  {
    name: 'rung',
    what: 'two rungs in the wrong order: the descriptor is looked up before the length is judged',
    file: 'aio/io-submit.js',
    from: 'if (iocb.nbytesHigh >= 0x8000_0000)',
    to: 'if (kernel.files.fget(iocb.fildes) === undefined)\n        return -ERRNO.EBADF;\n    if (iocb.nbytesHigh >= 0x8000_0000)',
  },
  {
    name: 'partial',
    what: 'a partial count that is lost: a refusal behind the first request refuses the whole',
    file: 'aio/io-submit.js',
    from: 'return accepted > 0 ? accepted : error;',
    to: 'return error !== 0 ? error : accepted;',
  },
  {
    name: 'leak',
    what: 'a slot that is not given back by a refused request',
    file: 'aio/io-submit.js',
    from: 'ctx.slots.put(1);',
    to: ';',
  },
  {
    name: 'page',
    what: 'a pipe read that runs into missing memory takes the part of a page that arrived',
    file: 'files/pipe.js',
    from: 'if (taken + part > copied)\n                break;',
    to: 'if (taken + part > copied)\n                return copied;',
  },
  {
    name: 'buffer',
    what: 'a socket read that runs into missing memory takes the part of a write that arrived',
    file: 'files/socket-pair.js',
    from: 'if (taken + part > copied)\n                break;',
    to: 'if (taken + part > copied)\n                return copied;',
  },
  {
    name: 'last-put',
    what: 'an end of a pipe that the last request lets go of ends a turn of the event loop later',
    file: 'files/fput.js',
    from: '        release(atReturn);',
    to: '        schedule();',
  },
];

interface Found {
  readonly divergences: readonly { readonly operations: number; readonly testCase: string }[];
}

checkMutations({
  script: 'check:fuzz-mutations',
  below: 'dist/src/emulated',
  unit: 'operations',
  most: 200_000,
  mutations: MUTATIONS,
  takes: ['directory'],
  arguments: ({ seed, most, directory }) => [
    ...['dist/src/cli/cli.js', 'fuzz', '--json', '--seed', seed, '--operations', String(most)],
    ...(directory === undefined ? [] : ['--directory', directory]),
  ],
  read(stdout) {
    const [first] = (JSON.parse(stdout) as Found).divergences;
    return first && { after: first.operations, text: first.testCase };
  },
});
