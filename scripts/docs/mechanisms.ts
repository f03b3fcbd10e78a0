/** The mechanisms of `fs/aio.c` that the emulated kernel has: where each lives, and which test shows it at work. */

export interface Mechanism {
  readonly name: string;
  /** What it must do. */
  readonly duty: string;
  /** Files under `src/emulated`. */
  readonly files: readonly string[];
  /** The kernel's words, which must be found in those files. */
  readonly terms: readonly string[];
  /** Tests under `test/emulated`: file, and title as it stands there. */
  readonly tests: readonly (readonly [file: string, title: string])[];
}

export const MECHANISMS: readonly Mechanism[] = [
  {
    name: 'accounting',
    duty: '`io_setup` is charged to `aio-nr` up to `aio-max-nr`, which can be set; every kernel has its own',
    files: ['aio/sysctl.ts', 'aio/io-setup.ts'],
    terms: ['aio_nr', 'aio_max_nr', 'charge'],
    tests: [
      [
        'aio/accounting.test.ts',
        'are charged by io_setup with what was asked for, and given back by io_destroy',
      ],
      [
        'aio/accounting.test.ts',
        'can be set at run time; below what is in use, contexts stay and no new one comes',
      ],
      ['aio/accounting.test.ts', 'belong to one kernel: several in a process are independent'],
    ],
  },
  {
    name: 'setting up a context',
    duty: 'limits in their order; a ring by the arithmetic of the kernel, rounded up to pages',
    files: ['aio/io-setup.ts', 'aio/aio-ring.ts'],
    terms: ['ioctx_alloc', 'aio_setup_ring'],
    tests: [
      ['aio/slots-and-ring.test.ts', 'with %i CPUs io_setup(%i) has %i cells and takes %i requests'],
      ['aio/slots-and-ring.test.ts', 'hands events out in order through many laps'],
    ],
  },
  {
    name: 'context table',
    duty: 'from handle to context: through the ring today, by its number in 2007; dead ones are not found',
    files: ['aio/ioctx-table.ts', 'aio/kioctx.ts'],
    terms: ['ioctx_add_table', 'lookup_ioctx', 'ioctx_list'],
    tests: [['aio/destroy.test.ts', 'get the lowest free id, and are found by it only at their own address']],
  },
  {
    name: 'slots',
    duty: 'every request in flight and every unread event owns a cell: EAGAIN without one; reaping gives it back',
    files: ['aio/slots.ts', 'aio/io-submit.ts'],
    terms: ['get_reqs_available', 'refill_reqs_available', 'aio_get_req'],
    tests: [
      ['aio/slots-and-ring.test.ts', 'come back when an event is reaped, not when it completes'],
      [
        'aio/lifetimes.test.ts',
        'holds the request, and its slot, until it is made; who needs the slot makes it',
      ],
    ],
  },
  {
    name: 'submitting',
    duty: 'one iocb after the other, checked in the order of the kernel; `aio_key` written back; partial counts',
    files: ['aio/io-submit.ts', 'aio/iocb.ts'],
    terms: ['io_submit', 'io_submit_one', 'aio_key'],
    tests: [
      ['aio/submit.test.ts', 'in the order of today'],
      ['aio/submit.test.ts', 'in the order of 2007'],
    ],
  },
  {
    name: 'opcodes',
    duty: 'PREAD, PWRITE, PREADV, PWRITEV, FSYNC, FDSYNC, POLL: open mode, ranges, iovec import, places',
    files: [
      'aio/ops/read-write.ts',
      'aio/ops/fsync.ts',
      'aio/ops/poll.ts',
      'memory/iovec.ts',
      'memory/iov-iter.ts',
      'aio/rw-flags.ts',
      'aio/ioprio.ts',
    ],
    terms: ['aio_setup_rw', 'import_iovec', 'rw_verify_area', 'aio_poll_wake'],
    tests: [
      ['memory/transfer.test.ts', 'knows ranges, lengths and offsets to the bit'],
      ['memory/transfer.test.ts', 'fill and empty segments in order'],
      ['files/eventfd.test.ts', 'complete in reverse order, once each'],
    ],
  },
  {
    name: 'retry and kick',
    duty: 'a method answers a result, "queued" or "retry"; one run at a time; a kick during a run causes one more',
    files: ['aio/aio-run.ts', 'workqueue/run-list.ts', 'files/wait-queue.ts', 'aio/aio-kiocb.ts'],
    terms: [
      'aio_run_iocb',
      'kick_iocb',
      'queue_kicked_iocb',
      'aio_wake_function',
      'EIOCBRETRY',
      'EIOCBQUEUED',
    ],
    tests: [
      [
        'aio/retry-and-kick.test.ts',
        'puts a request that answered retry on the run list, once however often it is kicked',
      ],
      ['aio/retry-and-kick.test.ts', 'during a run is not lost and causes exactly one further run'],
      ['aio/retry-and-kick.test.ts', 'is called again after a kick, and goes on where it stopped'],
    ],
  },
  {
    name: 'work queue',
    duty: 'comes round to what was kicked: at once if somebody sleeps on the context, in 2007 else after HZ/10',
    files: ['workqueue/aio-wq.ts', 'aio/aio-run.ts'],
    terms: ['aio_queue_work', 'aio_kick_handler', 'aio_wq', 'aio_run_all_iocbs'],
    tests: [
      [
        'aio/retry-and-kick.test.ts',
        'lets the work queue wait a tenth of a second, unless somebody sleeps on the context',
      ],
      ['aio/retry-and-kick.test.ts', 'the work item drains once, and comes back without delay if more came'],
      ['aio/run-list.test.ts', 'lets contexts take turns'],
    ],
  },
  {
    name: 'vectored retry loop',
    duty: 'in 2007 a method is called until all is done, for reads from a stream once; an error after progress is the error',
    files: ['aio/vect-retry.ts', 'aio/aio-kiocb.ts'],
    terms: ['aio_rw_vect_retry', 'aio_advance_iovec'],
    tests: [
      ['aio/vect-retry.test.ts', 'calls the method once in linux-6.x, and passes the short count on'],
      [
        'aio/vect-retry.test.ts',
        'loops in linux-2.6.20: writes until done, reads until done or nothing comes',
      ],
      ['aio/vect-retry.test.ts', 'advances over segments, also empty ones, and shortens the current one'],
      ['aio/vect-retry.test.ts', 'tells an error after progress as the error, in linux-2.6.20'],
      [
        'aio/vect-retry.test.ts',
        'is left by a request that was queued: its end is what the file says by complete()',
      ],
    ],
  },
  {
    name: 'completing',
    duty: 'the event into the ring before the tail moves, then waiters, then the eventfd',
    files: ['aio/aio-complete.ts', 'aio/aio-ring.ts', 'files/eventfd.ts'],
    terms: ['aio_complete', 'eventfd_signal'],
    tests: [
      ['aio/complete-and-reap.test.ts', 'writes the event, then moves the tail, then signals the eventfd'],
    ],
  },
  {
    name: 'reaping',
    duty: '`min_nr`, `nr`, timeout, partial return; events in the order of completion',
    files: ['aio/io-getevents.ts', 'aio/aio-ring.ts', 'aio/timeout.ts'],
    terms: ['read_events', 'aio_read_evt', 'aio_read_events_ring'],
    tests: [
      [
        'aio/complete-and-reap.test.ts',
        'drains the run list before it goes to sleep, and takes events in the order of completion',
      ],
      [
        'aio/complete-and-reap.test.ts',
        'keeps all events that cannot be copied; in 2007 it loses the one in hand',
      ],
    ],
  },
  {
    name: 'cancelling',
    duty: 'a cancel function of the file; a request between runs ends with EINTR; the event goes to the ring, in 2007 to `result`',
    files: ['aio/io-cancel.ts', 'aio/ops/poll.ts', 'files/wait-queue.ts'],
    terms: ['io_cancel', 'lookup_kiocb', 'aio_cancel_all'],
    tests: [
      [
        'aio/cancel.test.ts',
        'ends a request between its runs with EINTR, and its method is not called again',
      ],
      ['aio/cancel.test.ts', 'ends a request whose answer is awaited, and drops the answer'],
      [
        'aio/cancel.test.ts',
        'writes the event to result and puts none into the ring, and the slot is free again',
      ],
      ['aio/cancel.test.ts', 'leaves the mark: the request is served to its end, and has no event'],
      ['aio/cancel.test.ts', 'finds the newest of that iocb, and only then asks whether it can be cancelled'],
      ['aio/cancel.test.ts', '%s calls off what can be, and what waits for a kick'],
    ],
  },
  {
    name: 'ending',
    duty: '`io_destroy` and exit cancel all and wait; nothing completes into a dead context, nothing is written afterwards',
    files: ['aio/io-destroy.ts', 'aio/kioctx.ts'],
    terms: ['io_destroy', 'exit_aio', 'kill_ioctx', 'wait_for_all_aios', 'put_ioctx'],
    tests: [
      ['aio/destroy.test.ts', 'writes neither memory nor ring when pool operations end after it'],
      [
        'files/user-file.test.ts',
        'that answers after the end of its context reaches neither memory nor ring',
      ],
      ['aio/accounting.test.ts', 'are back when a kernel exits, with every descriptor closed'],
    ],
  },
  {
    name: 'reference counts',
    duty: 'on requests, contexts and files; in debug mode they are assertions',
    files: ['aio/aio-kiocb.ts', 'aio/kioctx.ts', 'files/own-file.ts', 'bug.ts'],
    terms: ['aio_put_req', 'put_ioctx', 'ki_users', 'BUG_ON'],
    tests: [
      ['aio/lifetimes.test.ts', 'a request has two users, and its file goes with the last'],
      [
        'aio/lifetimes.test.ts',
        'are assertions in debug mode: put too often, ended twice, run twice, gone too early',
      ],
    ],
  },
  {
    name: 'deferred fput',
    duty: 'a file stays for a request in flight; its last put is made outside of the completion',
    files: ['files/fput.ts', 'files/own-file.ts', 'files/host-file.ts'],
    terms: ['aio_fput_routine', 'fput_head', 'delayed_fput'],
    tests: [
      ['aio/lifetimes.test.ts', 'releases a file outside of the completion that dropped it'],
      ['files/pipe.test.ts', 'holds its end for a request in flight although the descriptor was closed'],
      ['aio/run-list.test.ts', 'is never written: %s'],
    ],
  },
  {
    name: 'the synchronous path',
    duty: 'the same methods without a context, for a caller that waits; on "retry" it sleeps until kicked',
    files: ['aio/sync-kiocb.ts'],
    terms: ['init_sync_kiocb', 'wait_on_sync_kiocb'],
    tests: [
      ['aio/sync-kiocb.test.ts', 'on retry sleeps until it is kicked, and calls again'],
      [
        'aio/sync-kiocb.test.ts',
        'waits in a pipe, and says EDEADLK rather than hold the thread for what it holds up',
      ],
    ],
  },
  {
    name: 'file_operations',
    duty: 'descriptors of the host, eventfds, pipes, socket pairs, and files that the user supplies',
    files: [
      'files/file-table.ts',
      'files/host-file.ts',
      'files/eventfd.ts',
      'files/pipe.ts',
      'files/socket-pair.ts',
      'files/user-file.ts',
      'files/user-request.ts',
      'files/file-operations.ts',
    ],
    terms: [
      'file_operations',
      'read_iter',
      'write_iter',
      'poll_wait',
      'pipe_read',
      'pipe_write',
      'unix_poll',
    ],
    tests: [
      ['files/user-file.test.ts', 'answers now, later by a promise, later by a callback'],
      ['files/user-file.test.ts', 'that throws gets EIO and a warning; a code of its own is the errno'],
      [
        'files/pipe.test.ts',
        'a page drained wakes 0x104, a byte read wakes nobody, the last reader gone wakes 8',
      ],
      ['files/socket-pair.test.ts', '%s: wanted %i, gets %i'],
    ],
  },
  {
    name: 'memory',
    duty: 'addresses, EFAULT, protections; user memory is written through the kernel only, and never late',
    files: ['memory/mm.ts', 'memory/mapping.ts'],
    terms: ['access_ok', 'mprotect'],
    tests: [
      ['memory/mm.test.ts', 'faults at null, at nonsense and beyond user space'],
      ['memory/mm.test.ts', 'never gives an address out twice'],
    ],
  },
  {
    name: 'executors',
    duty: 'where operations run, behind one interface; a blocking `io_getevents` waits for what has begun where that can be waited for',
    files: [
      'workqueue/executor.ts',
      'workqueue/threadpool.ts',
      'workqueue/inline.ts',
      'workqueue/workers.ts',
      'simulated/virtual-executor.ts',
    ],
    terms: ['EIOCBQUEUED', 'background', 'wait'],
    tests: [
      ['workqueue/workers.test.ts', 'lets a blocking io_getevents see the end of what has begun'],
      [
        'simulation/files.test.ts',
        'a blocking io_getevents makes time pass itself, to its end or to the timeout',
      ],
    ],
  },
  {
    name: 'simulated disk',
    duty: 'files with a durable and a volatile image, in virtual time; latencies, faults and power loss by seed',
    files: [
      'simulated/disk.ts',
      'simulated/inode.ts',
      'simulated/namespace.ts',
      'simulated/crash.ts',
      'simulated/virtual-clock.ts',
    ],
    terms: ['fsync', 'fdatasync', 'O_DSYNC', 'ENOSPC', 'EIO'],
    tests: [
      ['simulation/history.test.ts', 'is the same for the same seed, byte for byte, and another for another'],
      ['simulation/durability.test.ts', 'covers exactly what has completed when the sync begins'],
      [
        'simulation/durability.test.ts',
        'finds each sector as the last sync left it, or as a later write did, and never older, nor mixed',
      ],
      ['simulation/faults.test.ts', 'tears them between sectors, and never inside one'],
    ],
  },
];
