/**
 * Whether the fuzzer for the kernel of 2007 finds what it is for: the emulation is made wrong in one place at a time, and each must
 * be found within 300,000 operations.
 *
 *     npm run check:seed-fuzz-mutations -- --seed 7 --only mark
 */
import type { SeedFuzzReport } from '../../test/fuzz/seed/fuzz.ts';
import { checkMutations, type Mutation } from '../mutants.ts';

const MUTATIONS: readonly Mutation[] = [
  {
    name: 'drains-first',
    what: 'io_getevents drains the run list before it looks into the ring',
    file: 'aio/io-getevents.js',
    from: 'if (!drainsLate)',
    to: 'if (drainsLate)',
  },
  {
    name: 'drains-never',
    what: 'io_getevents does not drain the run list before it would sleep',
    file: 'aio/io-getevents.js',
    from: 'if (drainsLate && !ctx.run_list.isEmpty)',
    to: 'if (false)',
  },
  {
    name: 'submit-drains-not',
    what: 'io_submit does not drain the run list',
    file: 'aio/io-submit.js',
    from: 'if (drainsLate)',
    to: 'if (false)',
  },
  {
    name: 'progress',
    what: 'an error after a short transfer is told as what was transferred',
    file: 'aio/vect-retry.js',
    from: 'return result === 0 || req.ki_left === 0 ?',
    to: 'return (result <= 0 && result > -500 && req.ki_left < req.ki_nbytes) || result === 0 || req.ki_left === 0 ?',
  },
  {
    name: 'all-moved',
    what: 'a method that has moved everything and asks to be called again is called again',
    file: 'aio/vect-retry.js',
    from: 'return result === 0 || req.ki_left === 0 ?',
    to: 'return result === 0 || (req.ki_left === 0 && result > -500) ?',
  },
  {
    name: 'stream',
    what: 'reads from a stream are looped over',
    file: 'aio/ops/read-write.js',
    from: 'req.ki_loops = profile.loopsTransfers && loops;',
    to: 'req.ki_loops = profile.loopsTransfers;',
  },
  {
    name: 'queued-loops',
    what: 'a short answer to a request that was queued calls the method again',
    file: 'aio/aio-kiocb.js',
    from: 'return this.ki_ctx?.profile.loopsTransfers === true;',
    to: 'return false;',
  },
  {
    name: 'mark',
    what: 'a cancel that is refused takes its mark back',
    file: 'aio/io-cancel.js',
    from: 'req.ki_flags |= KIF_REFUSED;',
    to: 'req.ki_flags &= ~KIF_CANCELLED;',
  },
  {
    name: 'newest-cancellable',
    what: 'io_cancel looks for the newest request that can be cancelled',
    file: 'aio/io-cancel.js',
    from: 'found.at(-1)',
    to: 'found.filter((req) => req.ki_cancel !== undefined).at(-1)',
  },
  {
    name: 'oldest',
    what: 'io_cancel takes the oldest request',
    file: 'aio/io-cancel.js',
    from: 'found.at(-1)',
    to: 'found[0]',
  },
  {
    name: 'cancelled-event',
    what: 'a cancelled request has an event in the ring',
    file: 'aio/aio-complete.js',
    from: 'if ((req.ki_flags & KIF_CANCELLED) !== 0 && !ctx.profile.cancelledToRing)\n            req.ki_result = result;\n        else if',
    to: 'req.ki_result = result;\n        if',
  },
  {
    name: 'cancel-order',
    what: 'io_destroy cancels the oldest request first',
    file: 'aio/io-cancel.js',
    from: 'all.reverse()',
    to: 'all',
  },
  {
    name: 'lost-kick',
    what: 'a kick during a run is lost',
    file: 'aio/aio-run.js',
    from: 'if ((req.ki_flags & KIF_KICKED) !== 0 || req.isCancelled)',
    to: 'if (req.isCancelled)',
  },
  {
    name: 'one-round',
    what: 'a drain ends after one round',
    file: 'workqueue/aio-wq.js',
    from: 'return !ctx.run_list.isEmpty;',
    to: 'return false;',
  },
  {
    name: 'kick-delay',
    what: 'the work queue comes round at once',
    file: 'workqueue/aio-wq.js',
    from: 'const atOnce = ctx.isAwaited || this.#kickDelayNs === 0;',
    to: 'const atOnce = true;',
  },
  {
    name: 'work-comes-late',
    what: 'what arrives while the work item drains waits for a whole delay',
    file: 'workqueue/aio-wq.js',
    from: 'if (later !== undefined && ctx.delayedAtOnce)',
    to: 'if (later !== undefined)',
  },
  {
    name: 'tail-modulo',
    what: 'a tail written by the program is taken modulo the ring',
    file: 'aio/aio-ring.js',
    from: 'const tail = words[TAIL];',
    to: 'const tail = words[TAIL] % this.nr;',
  },
  {
    name: 'head-stored',
    what: 'head is written back reduced although no event was taken',
    file: 'aio/aio-ring.js',
    from: 'const head = words[HEAD] % this.nr;\n        if (head === tail)',
    to: 'const head = words[HEAD] % this.nr;\n        words[HEAD] = head;\n        if (head === tail)',
  },
  {
    name: 'own-tail',
    what: "free cells are counted from the kernel's own tail",
    file: 'aio/slots.js',
    from: 'ring.available',
    to: 'ring.nr - 1 - ring.unread',
  },
  {
    name: 'kept-event',
    what: 'the event in hand stays when it cannot be copied',
    file: 'aio/aio-ring.js',
    from: 'words[HEAD] = (head + 1) % this.nr;',
    to: 'if (copied)\n            words[HEAD] = (head + 1) % this.nr;',
  },
  {
    name: 'capacity',
    what: 'a context takes one request more',
    file: 'aio/slots.js',
    from: '#active = 0;\n    get(ring)',
    to: '#active = -1;\n    get(ring)',
  },
  {
    name: 'leak',
    what: 'a refused request keeps its slot',
    file: 'aio/io-submit.js',
    from: 'ctx.slots.put(1);',
    to: ';',
  },
  {
    name: 'puts-pending',
    what: 'io_submit gives up without finishing pending puts of files',
    file: 'aio/io-submit.js',
    from: 'aio_fput_routine();\n    return ctx.slots.get(ctx.ring);',
    to: 'return ctx.slots.get(ctx.ring);',
  },
  {
    name: 'kicked-twice',
    what: 'a request that is kicked twice is on the run list twice',
    file: 'aio/aio-run.js',
    from: 'if ((req.ki_flags & (KIF_KICKED | KIF_DONE)) !== 0 || req.ki_cut)',
    to: 'if ((req.ki_flags & KIF_DONE) !== 0 || req.ki_cut)',
  },
  {
    name: 'slot-first',
    what: 'the slot is taken before the descriptor is looked up',
    file: 'aio/io-submit.js',
    from: 'if (!profile.slotBeforeFile && ',
    to: 'if (false && ',
  },
  {
    name: 'write-back',
    what: 'aio_key stays as it was',
    file: 'aio/iocb.js',
    from: 'memory?.view.setUint32(this.user + KEY - memory.base, key, LITTLE_ENDIAN);',
    to: '',
  },
  {
    name: 'array-size',
    what: 'the size of iocbpp does not wrap',
    file: 'aio/io-submit.js',
    from: 'BigInt.asUintN(64, BigInt(count) * BigInt(POINTER_BYTES))',
    to: 'BigInt(count) * BigInt(POINTER_BYTES)',
  },
  {
    name: 'files-stay',
    what: 'io_destroy returns before the files of its requests are put',
    file: 'aio/io-destroy.js',
    from: 'if (kernel.profile.destroyPutsFiles)',
    to: 'if (false)',
  },
  {
    name: 'setup-order',
    what: 'io_setup judges the budget before the size',
    file: 'aio/io-setup.js',
    from: 'if (events > profile.maxEvents)',
    to: 'if (nr > sysctl.aio_max_nr())\n        return -ERRNO.EAGAIN;\n    if (events > profile.maxEvents)',
  },
];

checkMutations({
  script: 'check:seed-fuzz-mutations',
  below: 'dist/src/emulated',
  unit: 'operations',
  most: 300_000,
  mutations: MUTATIONS,
  arguments: ({ seed, most }) => [
    ...['dist/scripts/stress/seed-fuzz.js', '--json', '--as-it-is', '--seed', seed],
    ...['--operations', String(most)],
  ],
  read(stdout) {
    const { operations, divergence } = JSON.parse(stdout) as SeedFuzzReport;
    return divergence && { after: operations, text: divergence.text };
  },
});
