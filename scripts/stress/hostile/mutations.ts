/**
 * Whether the hostile fuzzer finds what it is for: the product is made wrong in one place at a time, and each must be found within
 * 50,000 steps.
 *
 *     npm run check:hostile-mutations -- --seed 7 --only pin [--without KIND]...
 */
import { checkMutations, type Mutation } from '../../mutants.ts';

const STAGING = 'common/context/staging.js';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 're-validation',
    what: 'memory that was handed on while its request waited is not noticed before the request is staged',
    changes: [
      {
        file: STAGING,
        from: "return operation.isDetached ? detachedView('buffer') : this.#substitute(operation, isHere);",
        to: 'return this.#substitute(operation, isHere);',
      },
    ],
  },
  {
    name: 'pin',
    what: 'memory in flight is not pinned',
    changes: [
      {
        file: 'common/context/in-flight.js',
        from: 'if (operation.isPinned || this.#kernel.completesAside !== true)',
        to: 'if (!operation.isPinned || this.#kernel.completesAside !== true)',
      },
    ],
  },
  {
    name: 'pin-late',
    what: "subscribers of 'kaio:submit' are told of what is in flight before it is pinned",
    changes: [
      {
        file: 'common/context/submit-answers.js',
        from: 'this.#toPublish.push({ kernel: this.#kernel, requests: total - done, accepted: answer });',
        to: 'submitChannel.publish({ kernel: this.#kernel, requests: total - done, accepted: answer });',
      },
    ],
  },
  {
    name: 'getter',
    what: 'the descriptor that an object carries is asked for twice',
    changes: [
      {
        file: 'common/validate.js',
        from: "'fd' in descriptor ? descriptor.fd : descriptor",
        to: "'fd' in descriptor && descriptor.fd !== undefined ? descriptor.fd : descriptor",
      },
    ],
  },
  {
    name: 'throw',
    what: 'what is wrong with one request leaves the loop over the others',
    changes: [
      {
        file: STAGING,
        from: 'this.#inFlight.end(operation, refusal);',
        to: 'throw refusal;',
      },
    ],
  },
  {
    name: 'leak',
    what: 'a context that cannot be made keeps its eventfd',
    changes: [
      {
        file: 'common/context/kernel-context.js',
        from: 'undo.push(() => kernel.close(this.eventfd));',
        to: '',
      },
    ],
  },
];

checkMutations({
  script: 'check:hostile-mutations',
  below: 'dist/src',
  unit: 'steps',
  most: 50_000,
  mutations: MUTATIONS,
  takes: ['directory', 'without'],
  dependsOnTiming: true,
  arguments: ({ seed, most, without, directory, node }) => [
    ...['dist/scripts/stress/hostile/main.js', '--seed', seed, '--steps', String(most)],
    ...['--most', '1', '--shrink-seconds', '0', '--node', node],
    ...(directory === undefined ? [] : ['--directory', directory]),
    ...without.flatMap((kind) => ['--without', kind]),
  ],
  read: (stdout, found) => (found ? { text: stdout } : undefined),
});
