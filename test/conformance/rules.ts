/**
 * The rules of the Linux AIO interface, by id, as far as the suite knows them.
 *
 * A rule that a program can observe has a case; `unobservable` says why the others have none. `npm run check:rules` holds
 * that, and `docs/internals/rules.md` is made from this list and the cases.
 */

export interface Rule {
  /** Stable name: `SETUP-03`. */
  readonly id: string;
  /** What the rule is about, in one line. */
  readonly summary: string;
  /** Why no case can ask. */
  readonly unobservable?: string;
}

const BY_READING = 'known only by reading the kernel: no answer to a program depends on it';

const BY_A_SLOW_DISK = 'told by time alone, on a slow disk: `npm run check:slow-disk`';

/** The rules of Linux AIO that the suite asks for. */
export const RULES: readonly Rule[] = [
  // io_setup
  {
    id: 'SETUP-01',
    summary: 'order of checks: the word at ctxp, its value and nr, the limits, the write-back',
  },
  { id: 'SETUP-02', summary: 'ctxp NULL, unmapped or in the kernel: EFAULT whatever nr is' },
  { id: 'SETUP-03', summary: 'a word at ctxp that is not 0: EINVAL, the word stays' },
  { id: 'SETUP-04', summary: 'nr 0: EINVAL' },
  { id: 'SETUP-05', summary: 'only the low 32 bits of nr count' },
  {
    id: 'SETUP-06',
    summary: 'nr doubled modulo 2^32 is judged first: EINVAL, then nr against aio-max-nr: EAGAIN',
  },
  { id: 'SETUP-07', summary: 'where EAGAIN ends and EINVAL begins, in numbers' },
  { id: 'SETUP-08', summary: 'aio-max-nr is exact: what is left can be had, one more is EAGAIN' },
  { id: 'SETUP-09', summary: 'a failure leaves the word at ctxp and aio-nr as they were' },
  { id: 'SETUP-10', summary: 'ctxp readable but not writable: EFAULT, and no context stays behind' },
  { id: 'SETUP-11', summary: 'aio-nr rises by exactly nr and falls back' },
  { id: 'SETUP-12', summary: 'the handle is the page-aligned address of the ring' },
  { id: 'SETUP-13', summary: 'ring ids: lowest free index first' },
  {
    id: 'SETUP-14',
    summary: 'resources: no descriptor, one shared mapping never executable, ENOMEM past RLIMIT_AS',
  },
  { id: 'SETUP-15', summary: 'no privilege is needed' },

  // Ring size and capacity
  { id: 'CAP-01', summary: 'number of cells for nr: the arithmetic' },
  { id: 'CAP-02', summary: 'requests that one CPU can have in flight: whole batches' },
  { id: 'CAP-03', summary: 'the same in numbers' },
  { id: 'CAP-04', summary: 'slots left behind on the CPU that a thread moved away from' },
  { id: 'CAP-05', summary: 'at least nr requests are accepted' },
  { id: 'CAP-06', summary: 'a slot comes back at refusal or reaping, not at completion' },
  { id: 'CAP-07', summary: 'reap k, submit exactly k more' },
  { id: 'CAP-08', summary: 'ring.head moved by user space gives slots back' },
  { id: 'CAP-09', summary: 'no completion is dropped' },
  {
    id: 'CAP-10',
    summary: 'nr of io_submit above ring.nr is cut',
    unobservable: 'seen only in a race with a thread that reaps meanwhile',
  },

  // io_submit, the call
  { id: 'SUBMIT-01', summary: 'order: nr below 0, context, nr 0, then one iocb after the other' },
  { id: 'SUBMIT-02', summary: 'nr 0 with any iocbpp: 0' },
  { id: 'SUBMIT-03', summary: 'a bad context wins over nr 0 and over a bad iocbpp' },
  { id: 'SUBMIT-04', summary: 'a failure at index k > 0 answers k; its error comes when it is first' },
  { id: 'SUBMIT-05', summary: 'an iocbpp that ends at an unmapped page: the count before it, or EFAULT' },
  {
    id: 'SUBMIT-06',
    summary: 'pointers and iocbs are fetched one at a time, after the previous request has run',
  },
  { id: 'SUBMIT-07', summary: 'one iocb submitted several times: an event for each' },
  { id: 'SUBMIT-08', summary: 'iocb and iovec array may be overwritten or unmapped after the call' },
  { id: 'SUBMIT-09', summary: 'nr is a whole long' },
  {
    id: 'SUBMIT-10',
    summary: 'unaligned iocb and iocbpp work; more iocbs than io_setup asked for are taken',
  },
  { id: 'SUBMIT-11', summary: 'bad handles are EINVAL, never EFAULT' },

  // One iocb
  { id: 'SUBMIT-20', summary: 'rung: the pointer in iocbpp can be read' },
  { id: 'SUBMIT-21', summary: 'rung: all 64 bytes of the iocb can be read' },
  { id: 'SUBMIT-22', summary: 'rung: aio_reserved2 is 0' },
  { id: 'SUBMIT-23', summary: 'rung: aio_nbytes is not negative, whatever the opcode' },
  { id: 'SUBMIT-24', summary: 'rung: a slot is left: EAGAIN, before EBADF' },
  { id: 'SUBMIT-25', summary: 'rung: aio_fildes is open, and not by O_PATH' },
  { id: 'SUBMIT-26', summary: 'rung: aio_resfd is open (EBADF) and an eventfd (EINVAL)' },
  {
    id: 'SUBMIT-27',
    summary: 'rung: 0 is stored in aio_key; later refusals leave it, earlier ones do not touch it',
  },
  { id: 'SUBMIT-28', summary: 'rung: the opcode is known' },
  { id: 'SUBMIT-29', summary: 'rung: priority of reads and writes: EINVAL, EPERM' },
  { id: 'SUBMIT-30', summary: 'rung: aio_rw_flags of reads and writes: EOPNOTSUPP, EINVAL, EPERM' },
  { id: 'SUBMIT-31', summary: 'rung: the open mode, also for length 0' },
  { id: 'SUBMIT-32', summary: 'rung: the file can be read or written at all: EINVAL' },
  { id: 'SUBMIT-33', summary: 'rung: range of the buffer, import of the iovec array' },
  { id: 'SUBMIT-34', summary: 'rung: the place in the file, after the buffer' },
  { id: 'SUBMIT-35', summary: 'everything after the rungs is an event; what must be ignored' },

  // Buffers and offsets
  { id: 'BUF-01', summary: 'length 0: event 0, the buffer may be anything in user space' },
  { id: 'BUF-02', summary: 'length is cut to 0x7ffff000 before any test' },
  {
    id: 'BUF-03',
    summary: 'a buffer beyond user space: refused, also at the end of the file and for length 0',
  },
  { id: 'BUF-04', summary: 'an unmapped or read-only buffer: EFAULT in the event' },
  { id: 'BUF-05', summary: 'buffered, first k bytes mapped: event k' },
  { id: 'BUF-06', summary: 'unmapped buffer with nothing to copy: no error' },
  { id: 'BUF-07', summary: 'O_DIRECT, buffer partly unmapped: EFAULT in the event and nothing partial' },
  { id: 'BUF-08', summary: 'O_DIRECT, buffer unmapped after submission: completes' },
  {
    id: 'BUF-09',
    summary: 'buffers shared by requests or lying in ring, iocb or events array are not checked',
  },
  { id: 'OFF-01', summary: 'aio_offset below 0: refused with EINVAL, after the buffer' },
  { id: 'OFF-02', summary: 'offset + length above INT64_MAX: refused with EINVAL' },
  { id: 'OFF-03', summary: 'writing at the largest file size: short up to it, then EFBIG' },
  { id: 'OFF-04', summary: 'reads at, across and past the end, and in a hole' },
  { id: 'OFF-05', summary: 'the position of the descriptor is neither used nor moved' },
  { id: 'OFF-06', summary: 'an empty write changes nothing' },
  { id: 'OFF-07', summary: 'RLIMIT_FSIZE: short up to it, then EFBIG and SIGXFSZ' },
  { id: 'OFF-08', summary: 'a place on files that have none: ignored, on sockets ESPIPE in the event' },

  // Which file does what
  { id: 'FILE-01', summary: 'regular files: ext4, tmpfs, memfd' },
  { id: 'FILE-02', summary: 'directories' },
  { id: 'FILE-03', summary: 'pipes and fifos' },
  { id: 'FILE-04', summary: 'stream sockets' },
  { id: 'FILE-05', summary: 'datagram sockets' },
  { id: 'FILE-06', summary: 'eventfds' },
  { id: 'FILE-07', summary: 'timerfd and signalfd' },
  { id: 'FILE-08', summary: 'epoll, inotify and pidfd' },
  { id: 'FILE-09', summary: 'pseudo terminals' },
  { id: 'FILE-10', summary: 'the null, zero and random devices' },
  { id: 'FILE-11', summary: '/dev/full' },
  { id: 'FILE-12', summary: 'proc and sysfs' },
  { id: 'FILE-13', summary: 'a sealed memfd: EPERM; a full file system: ENOSPC after a short count' },
  { id: 'FILE-14', summary: 'O_PATH: EBADF everywhere' },
  {
    id: 'FILE-15',
    summary:
      'pipe, memory missing: each page moves whole or not at all; those before it count, none is EFAULT',
  },
  {
    id: 'FILE-16',
    summary: 'stream socket, memory missing: a write, and what is read of one, moves whole or not at all',
  },

  // What waits where
  { id: 'BLOCK-01', summary: 'buffered reads and writes have run, in order, when io_submit returns' },
  { id: 'BLOCK-02', summary: 'a blocking pipe, socket, eventfd or timerfd holds up io_submit and the batch' },
  { id: 'BLOCK-03', summary: 'O_DIRECT inside the file: asynchronous, completed in any order' },
  { id: 'BLOCK-04', summary: 'O_DIRECT past the end, or misaligned: done or refused inside io_submit' },
  { id: 'BLOCK-05', summary: 'FSYNC and FDSYNC run elsewhere and complete in any order' },
  { id: 'BLOCK-06', summary: 'POLL of what is ready: the event is in the ring on return' },
  {
    id: 'BLOCK-07',
    summary: 'a signal handler while blocked inside io_submit: EINTR in the event, or the short count',
  },
  { id: 'BLOCK-08', summary: 'the signal stays pending for the rest of the batch' },
  { id: 'BLOCK-09', summary: 'SIGKILL while blocked inside io_submit' },
  { id: 'BLOCK-10', summary: 'SIGPIPE goes to the thread inside io_submit' },
  { id: 'BLOCK-11', summary: 'short transfers are passed through: one call of the method, no loop' },
  { id: 'BLOCK-12', summary: 'a descriptor closed after submission: the request holds the file' },
  {
    id: 'BLOCK-13',
    summary:
      'O_DIRECT where the page cache is dirty: it is written back inside io_submit first; not with NOWAIT, which is EAGAIN',
    unobservable: BY_A_SLOW_DISK,
  },
  {
    id: 'BLOCK-14',
    summary:
      'O_DIRECT on ext4 or btrfs whose extent tree is not in memory: it is read inside io_submit; by reads with NOWAIT too',
    unobservable: BY_A_SLOW_DISK,
  },
  {
    id: 'BLOCK-15',
    summary:
      'O_DIRECT with more requests than the device queues (nr_requests): io_submit sleeps, with NOWAIT too',
    unobservable: BY_A_SLOW_DISK,
  },
  { id: 'BLOCK-16', summary: 'the last reference to a file goes when the call returns that dropped it' },

  // O_DIRECT
  { id: 'DIO-01', summary: 'offset, length and buffer must be aligned: EINVAL in the event' },
  { id: 'DIO-02', summary: 'length 0: event 0' },
  { id: 'DIO-03', summary: 'reading at or past the end, even misaligned: event 0' },
  { id: 'DIO-04', summary: 'an aligned read across an unaligned end: short' },
  { id: 'DIO-05', summary: 'one misaligned element of an iovec array: EINVAL in the event' },
  { id: 'DIO-06', summary: 'tmpfs ignores alignment and is synchronous' },

  // PREADV, PWRITEV
  { id: 'VEC-01', summary: 'aio_nbytes is the number of elements, low 32 bits only' },
  { id: 'VEC-02', summary: 'no elements: the array is not looked at, the place is' },
  { id: 'VEC-03', summary: '1024 elements are fine, 1025 EINVAL before the array is read' },
  { id: 'VEC-04', summary: 'the array NULL, unmapped or partly unmapped: EFAULT' },
  { id: 'VEC-05', summary: 'a negative length in any element: EINVAL before any range' },
  { id: 'VEC-06', summary: 'an element beyond user space: EFAULT, also when empty or beyond the cut' },
  { id: 'VEC-07', summary: 'one element is judged by its cut length, several by their own' },
  { id: 'VEC-08', summary: 'the sum is cut to 0x7ffff000' },
  { id: 'VEC-09', summary: 'empty elements are skipped, overlapping ones filled in order' },
  { id: 'VEC-10', summary: 'an unmapped element: short count, or EFAULT if it is the first' },
  { id: 'VEC-11', summary: 'order: mode, method, count, array, lengths, ranges, place' },

  // aio_rw_flags
  { id: 'RWF-01', summary: 'unknown bits: EOPNOTSUPP; APPEND with NOAPPEND: EINVAL' },
  { id: 'RWF-02', summary: 'HIPRI, DSYNC, SYNC: accepted in both directions' },
  { id: 'RWF-03', summary: 'NOWAIT on files that cannot: EOPNOTSUPP from io_submit' },
  { id: 'RWF-04', summary: 'NOWAIT buffered read: cached bytes, a short count, EAGAIN, or 0 past the end' },
  { id: 'RWF-05', summary: 'NOWAIT buffered write on ext4: EOPNOTSUPP in the event' },
  {
    id: 'RWF-06',
    summary:
      'NOWAIT with O_DIRECT: inside the file; EAGAIN when extending or when cached pages are in the way',
  },
  { id: 'RWF-07', summary: 'NOWAIT on pipes and sockets that block: EAGAIN in the event' },
  { id: 'RWF-08', summary: 'NOWAIT on the null and zero devices and on eventfds: accepted' },
  { id: 'RWF-09', summary: 'APPEND and O_APPEND: at the end, but aio_offset must be valid' },
  { id: 'RWF-10', summary: 'NOAPPEND: at aio_offset; EPERM on an append-only inode' },
  { id: 'RWF-11', summary: 'ATOMIC: EOPNOTSUPP for reads and for files without atomic writes' },
  { id: 'RWF-12', summary: 'DONTCACHE: ext4 yes; tmpfs, pipes, sockets, devices EOPNOTSUPP' },
  { id: 'RWF-13', summary: 'NOSIGNAL: accepted everywhere; EPIPE in the event without SIGPIPE' },
  { id: 'RWF-14', summary: 'any bit with FSYNC, FDSYNC or POLL: EINVAL' },
  {
    id: 'RWF-15',
    summary:
      'NOWAIT with O_DIRECT on ext4, the first write since the inode was read, or over clean cached pages: EAGAIN',
    unobservable: 'depends on what the kernel has in memory: `npm run check:slow-disk`',
  },

  // IOCB_FLAG_IOPRIO
  { id: 'PRIO-01', summary: 'class 0 has only level 0' },
  { id: 'PRIO-02', summary: 'class 1 needs a capability: EPERM' },
  { id: 'PRIO-03', summary: 'classes 2 and 3 at any level; 4 to 7 EINVAL' },
  { id: 'PRIO-04', summary: 'hint bits do not matter' },

  // IOCB_FLAG_RESFD
  { id: 'RESFD-01', summary: 'each completion adds 1, whatever it is' },
  { id: 'RESFD-02', summary: 'a refusal adds nothing' },
  { id: 'RESFD-03', summary: 'the event lies in the ring before the counter rises' },
  { id: 'RESFD-04', summary: 'the counter saturates at 2^64-1' },
  { id: 'RESFD-05', summary: 'EFD_SEMAPHORE: n completions are n reads of 1' },
  { id: 'RESFD-06', summary: 'the eventfd closed in flight is signalled still' },
  { id: 'RESFD-07', summary: 'io_destroy has signalled for pending polls when it returns' },
  { id: 'RESFD-08', summary: 'a poll of its own eventfd' },

  // FSYNC, FDSYNC
  { id: 'FSYNC-01', summary: 'buffer, length, offset and flags must be 0' },
  { id: 'FSYNC-02', summary: 'files that cannot be synced: EINVAL from io_submit' },
  { id: 'FSYNC-03', summary: 'regular files, directories, sysfs: event 0 in any open mode' },
  { id: 'FSYNC-04', summary: 'RESFD is honoured, junk flags and priorities are not looked at' },
  { id: 'FSYNC-05', summary: 'io_destroy waits for a sync that runs' },
  { id: 'FSYNC-06', summary: 'no barrier to asynchronous requests before it', unobservable: BY_READING },

  // POLL
  { id: 'POLL-01', summary: 'a mask above 16 bits, or length, offset, flags not 0: EINVAL, after EBADF' },
  { id: 'POLL-02', summary: 'ERR and HUP are always waited for' },
  { id: 'POLL-03', summary: 'ready at submission: only wanted bits' },
  { id: 'POLL-04', summary: 'ready later: the bits of the waker, uncut' },
  { id: 'POLL-05', summary: 'files without a poll method are ready for IN and OUT, or refused' },
  { id: 'POLL-06', summary: 'files with two wait queues: only if ready at submission' },
  { id: 'POLL-07', summary: 'one event per submission, also if the readiness was consumed' },
  { id: 'POLL-08', summary: 'several polls, one wake-up: events in reverse order' },
  { id: 'POLL-09', summary: 'a wake-up that misses the wanted set is ignored' },
  { id: 'POLL-10', summary: 'a descriptor closed while polled: the request keeps the file' },
  { id: 'POLL-11', summary: 'a signalfd whose signal comes after submission never completes' },
  { id: 'POLL-12', summary: 'a poll and the write that wakes it in one batch: the poll comes first' },
  { id: 'POLL-13', summary: 'called off: event 0 through the ring' },
  {
    id: 'POLL-14',
    summary: 'a write to a pipe that can fetch nothing wakes all the same; other faults wake nobody',
  },

  // io_getevents
  { id: 'GET-01', summary: 'order: timeout pointer, context, min_nr and nr' },
  { id: 'GET-02', summary: 'nr below 0: EINVAL' },
  { id: 'GET-03', summary: 'nr 0: 0' },
  { id: 'GET-04', summary: 'min_nr 0 never waits' },
  { id: 'GET-05', summary: 'min_nr ready: returns at once, with up to nr' },
  { id: 'GET-06', summary: 'a timeout that expires: what was collected' },
  { id: 'GET-07', summary: 'what a timespec is worth: wrapped to 64 bits, negative is forever' },
  { id: 'GET-08', summary: 'the same in examples: no timespec is invalid' },
  { id: 'GET-09', summary: 'the timespec is never written' },
  { id: 'GET-10', summary: 'a signal handler: EINTR, or the count' },
  { id: 'GET-11', summary: 'stop and continue: EINTR' },
  { id: 'GET-12', summary: 'ignored and blocked signals do not disturb' },
  { id: 'GET-13', summary: 'an events array that cannot be written: EFAULT, the events stay' },
  { id: 'GET-14', summary: 'room for fewer than nr: EFAULT and all stay' },
  { id: 'GET-15', summary: 'EFAULT after an earlier pass delivered: the count' },
  { id: 'GET-16', summary: 'the array is not touched when nothing is ready' },
  { id: 'GET-17', summary: 'events come in order of completion, through the wrap' },
  { id: 'GET-18', summary: 'a waiter wakes when all it needs is there' },
  { id: 'GET-19', summary: 'min_nr above the capacity: the timeout returns what the ring holds' },
  { id: 'GET-20', summary: 'two waiters that want different numbers' },
  { id: 'GET-21', summary: 'two waiters, one event' },
  { id: 'GET-22', summary: 'the context is destroyed while somebody waits' },
  { id: 'GET-23', summary: 'an events array over timeout, iocb or ring; nr up to LONG_MAX' },

  // io_pgetevents
  { id: 'PGET-01', summary: 'order: timeout, aio_sigset, size, mask, then as io_getevents' },
  { id: 'PGET-02', summary: 'no aio_sigset or no mask: as io_getevents' },
  { id: 'PGET-03', summary: 'the mask is in force during the call only' },
  { id: 'PGET-04', summary: 'a pending signal that the mask lets in, nothing ready: EINTR' },
  { id: 'PGET-05', summary: 'the same with events ready: the count, and the handler runs' },
  { id: 'PGET-06', summary: 'a signal that the mask blocks waits for the return' },
  { id: 'PGET-07', summary: 'stop and continue: started again with the full timeout' },

  // io_cancel
  { id: 'CANCEL-01', summary: 'order: aio_key readable, aio_key 0, context, search' },
  { id: 'CANCEL-02', summary: 'only the four bytes of aio_key are read' },
  { id: 'CANCEL-03', summary: 'found by the address of the iocb, in this context' },
  { id: 'CANCEL-04', summary: 'a pending poll: EINPROGRESS, and event 0 through the ring' },
  { id: 'CANCEL-05', summary: 'the result argument is neither read nor written' },
  { id: 'CANCEL-06', summary: 'a second cancel: EINVAL' },
  { id: 'CANCEL-07', summary: 'unknown or completed: EINVAL' },
  { id: 'CANCEL-08', summary: 'reads, writes and syncs cannot be cancelled: EINVAL' },
  { id: 'CANCEL-09', summary: 'one iocb pending several times: oldest first' },
  {
    id: 'CANCEL-10',
    summary: 'a poll already woken whose completion is queued: called off or completed',
    unobservable: 'a race of which both ends are right',
  },

  // io_destroy, exit, fork, exec
  { id: 'DESTROY-01', summary: 'bad handles and a second destroy: EINVAL' },
  { id: 'DESTROY-02', summary: 'unreaped events are discarded' },
  { id: 'DESTROY-03', summary: 'pending polls are called off and their eventfds signalled' },
  { id: 'DESTROY-04', summary: 'waits for disk I/O in flight; the buffers are quiet afterwards' },
  { id: 'DESTROY-05', summary: 'waits for a thread blocked inside io_submit' },
  { id: 'DESTROY-06', summary: 'two threads destroy: one 0, one EINVAL' },
  {
    id: 'DESTROY-07',
    summary: 'it costs a grace period of the kernel',
    unobservable: 'a cost that differs between kernels and machines, not an answer',
  },
  { id: 'DESTROY-08', summary: 'the ring is unmapped' },
  { id: 'DESTROY-09', summary: 'the quota is back' },
  { id: 'EXIT-01', summary: 'exit with pending polls is immediate' },
  { id: 'EXIT-02', summary: 'exit with disk I/O in flight: reaped when that has ended' },
  { id: 'EXIT-03', summary: 'the quota comes back at exit and exec' },
  { id: 'EXIT-04', summary: 'a forked child cannot use the handle' },
  { id: 'EXIT-05', summary: 'a forked child shares the memory of the ring' },
  { id: 'EXIT-06', summary: 'a forked child has contexts of its own, in the same budget' },
  { id: 'EXIT-07', summary: 'threads share contexts' },
  { id: 'EXIT-08', summary: 'exec destroys all contexts' },

  // The mapped ring
  { id: 'RING-01', summary: 'head equal to tail is empty; at most nr - 1 events' },
  { id: 'RING-02', summary: 'reaping in user space: copy the cell, move head' },
  { id: 'RING-03', summary: 'head moved back: the old events again' },
  { id: 'RING-04', summary: 'head moved past the tail: the rest of the ring' },
  { id: 'RING-05', summary: 'head from nr on: modulo nr, written back reduced' },
  { id: 'RING-06', summary: 'tail written by the user is believed until the next completion' },
  { id: 'RING-07', summary: 'an altered cell is delivered altered' },
  { id: 'RING-08', summary: 'nr, magic, features, header length: the kernel does not care' },
  { id: 'RING-09', summary: 'id altered: EINVAL until restored' },
  { id: 'RING-10', summary: 'the same id in a header elsewhere: EINVAL' },
  { id: 'RING-11', summary: 'protection: read-only works, none is EINVAL until restored' },
  { id: 'RING-12', summary: 'unmapped: EINVAL, the quota stays charged, requests finish' },
  { id: 'RING-13', summary: 'moved: the new address is the handle' },
  { id: 'RING-14', summary: 'mremap larger or from size 0: EFAULT; MREMAP_DONTUNMAP: EINVAL' },
  { id: 'RING-15', summary: 'tail pages unmapped or the mapping shrunk: calls go on' },
  { id: 'RING-16', summary: 'another page with the right id at the old address: calls work' },
  { id: 'RING-17', summary: 'reaped cells are not cleared; msync EINVAL; mlock fine' },

  // 32-bit processes on a 64-bit kernel
  { id: 'COMPAT-01', summary: 'the handle is 4 bytes' },
  { id: 'COMPAT-02', summary: 'lengths from 2^31 on are cut, not refused' },
  { id: 'COMPAT-03', summary: 'aio_buf is not cut to 32 bits' },
  { id: 'COMPAT-04', summary: 'iovec lengths from 2^31 on: EINVAL' },
  { id: 'COMPAT-05', summary: 'nr, min_nr and timeouts are 32-bit signed' },

  // The kernel of 2007
  { id: 'SEED-01', summary: 'retry and kick: run list and work queue' },
  { id: 'SEED-02', summary: 'who drains the run list' },
  { id: 'SEED-03', summary: 'writes and most reads loop until done' },
  { id: 'SEED-04', summary: 'capacity of exactly nr - 1' },
  { id: 'SEED-05', summary: 'its order of rungs' },
  { id: 'SEED-06', summary: 'a cancelled request has no event' },
  { id: 'SEED-07', summary: 'EFAULT loses the event in hand' },
  { id: 'SEED-08', summary: 'destroy and exit cancel and wait' },
  { id: 'SEED-09', summary: 'the deferred last put of a file' },
  { id: 'SEED-10', summary: 'contexts are found by number, not through the ring' },
  { id: 'SEED-11', summary: 'what does not exist there' },
];
