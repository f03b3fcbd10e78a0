/**
 * The numbers of the Linux AIO interface, verbatim.
 *
 * Sources: `uapi/linux/aio_abi.h` (IOCB_*), `uapi/linux/fs.h` (RWF_*), `uapi/linux/ioprio.h`, `uapi/asm-generic/poll.h`,
 * `uapi/linux/eventfd.h`. AIO_RING_* are private to `fs/aio.c`, but readers of the mapped ring have always
 * relied on them. `scripts/checks/abi.ts` compares them with a C compiler's view.
 */

/** Positional read into one buffer. */
export const IOCB_CMD_PREAD = 0;
/** Positional write from one buffer. */
export const IOCB_CMD_PWRITE = 1;
/** fsync(2). */
export const IOCB_CMD_FSYNC = 2;
/** fdatasync(2). */
export const IOCB_CMD_FDSYNC = 3;
/** One-shot poll(2); the event mask is in `aio_buf`. Since Linux 4.19. */
export const IOCB_CMD_POLL = 5;
/** Reserved by the header; no mainline kernel has ever accepted it. */
export const IOCB_CMD_NOOP = 6;
/** Positional read into an array of `iovec`. */
export const IOCB_CMD_PREADV = 7;
/** Positional write from an array of `iovec`. */
export const IOCB_CMD_PWRITEV = 8;

/** `aio_resfd` holds an eventfd to be signalled on completion. */
export const IOCB_FLAG_RESFD = 1;
/** `aio_reqprio` holds an I/O priority. Since Linux 4.18. */
export const IOCB_FLAG_IOPRIO = 2;

/** Poll for completion. Accepted and ignored by AIO. */
export const RWF_HIPRI = 0x1;
/** As if the file were opened with O_DSYNC, for this write. */
export const RWF_DSYNC = 0x2;
/** As if the file were opened with O_SYNC, for this write. */
export const RWF_SYNC = 0x4;
/** Answer EAGAIN rather than wait. */
export const RWF_NOWAIT = 0x8;
/** As if the file were opened with O_APPEND, for this write. */
export const RWF_APPEND = 0x10;
/** Write at `aio_offset` although the file was opened with O_APPEND. Since Linux 6.9. */
export const RWF_NOAPPEND = 0x20;
/** All or nothing, where the file can. Since Linux 6.11. */
export const RWF_ATOMIC = 0x40;
/** Drop from the page cache when done. Since Linux 6.14. */
export const RWF_DONTCACHE = 0x80;
/** No SIGPIPE. Since Linux 6.18. */
export const RWF_NOSIGNAL = 0x100;

/** Largest number of `iovec`s in one request (`uapi/linux/uio.h`). */
export const UIO_MAXIOV = 1024;
/** Largest number of bytes one request moves, for 4 KiB pages: INT_MAX cut to a page (`linux/fs.h:MAX_RW_COUNT`). */
export const MAX_RW_COUNT = 0x7ffff000;

/** First word check of the completion ring. */
export const AIO_RING_MAGIC = 0xa10a10a1;
/** `AIO_RING_COMPAT_FEATURES` of `fs/aio.c`, which every ring has. */
export const AIO_RING_COMPAT_FEATURES = 1;
/** `AIO_RING_INCOMPAT_FEATURES` of `fs/aio.c`, which every ring has. */
export const AIO_RING_INCOMPAT_FEATURES = 0;

/** `POLLIN` of poll(2). */
export const POLLIN = 0x1;
/** `POLLPRI` of poll(2). */
export const POLLPRI = 0x2;
/** `POLLOUT` of poll(2). */
export const POLLOUT = 0x4;
/** `POLLERR` of poll(2). */
export const POLLERR = 0x8;
/** `POLLHUP` of poll(2). */
export const POLLHUP = 0x10;
/** `POLLNVAL` of poll(2). */
export const POLLNVAL = 0x20;
/** `POLLRDNORM` of poll(2). */
export const POLLRDNORM = 0x40;
/** `POLLRDBAND` of poll(2). */
export const POLLRDBAND = 0x80;
/** `POLLWRNORM` of poll(2). */
export const POLLWRNORM = 0x100;
/** `POLLWRBAND` of poll(2). */
export const POLLWRBAND = 0x200;
/** `POLLMSG` of poll(2). */
export const POLLMSG = 0x400;
/** `POLLRDHUP` of poll(2). */
export const POLLRDHUP = 0x2000;

/** Each read takes 1 from the counter instead of all of it. */
export const EFD_SEMAPHORE = 0x1;
/** The same number as O_NONBLOCK, on every architecture that Node.js runs on. */
export const EFD_NONBLOCK = 0o4000;
/** The same number as O_CLOEXEC. */
export const EFD_CLOEXEC = 0o2000000;

/** `IOPRIO_CLASS_SHIFT` of `linux/ioprio.h`. */
export const IOPRIO_CLASS_SHIFT = 13;
/** `IOPRIO_CLASS_NONE` of `linux/ioprio.h`. */
export const IOPRIO_CLASS_NONE = 0;
/** `IOPRIO_CLASS_RT` of `linux/ioprio.h`. */
export const IOPRIO_CLASS_RT = 1;
/** `IOPRIO_CLASS_BE` of `linux/ioprio.h`. */
export const IOPRIO_CLASS_BE = 2;
/** `IOPRIO_CLASS_IDLE` of `linux/ioprio.h`. */
export const IOPRIO_CLASS_IDLE = 3;
