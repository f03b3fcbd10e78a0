/**
 * Rules as C: for whoever implements them, or files a bug, and has no JavaScript. Each is the body of a program that needs a C compiler and the
 * kernel's headers alone, says what it expects and what it got, and exits by 1 where they differ. `npm run check:c-programs` holds them
 * against the kernel of this machine.
 */
import { RULES } from './rules.ts';

/** What all of them have. */
const PRELUDE = String.raw`#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))
#define UNMAPPED ((void *)0x1000)
#define KERNEL ((void *)-4096L)

static int differences;

static void expect(const char *what, long got, long expected) {
  if (got != expected) differences++;
  printf("%s: %s: expected %ld%s%s, got %ld%s%s\n", got == expected ? "ok" : "DIFFERS", what, expected,
         expected < 0 ? ", " : "", expected < 0 ? strerror((int)-expected) : "", got, got < 0 ? ", " : "",
         got < 0 && got > -4096 ? strerror((int)-got) : "");
}

/* An answer of the kernel: a result, or a negative errno. */
static long answer(long result) { return result == -1 ? -errno : result; }

UNUSED static long setup(unsigned long nr, void *ctxp) { return answer(syscall(SYS_io_setup, nr, ctxp)); }
UNUSED static long destroy(aio_context_t ctx) { return answer(syscall(SYS_io_destroy, ctx)); }
UNUSED static long submit(aio_context_t ctx, long nr, void *iocbpp) {
  return answer(syscall(SYS_io_submit, ctx, nr, iocbpp));
}
UNUSED static long getevents(aio_context_t ctx, long min_nr, long nr, void *events, void *timeout) {
  return answer(syscall(SYS_io_getevents, ctx, min_nr, nr, events, timeout));
}
UNUSED static long cancel(aio_context_t ctx, void *iocb, void *result) {
  return answer(syscall(SYS_io_cancel, ctx, iocb, result));
}

/* What does not depend on the rule must work, or nothing can be said. */
static void insist(int holds, const char *what) {
  if (holds) return;
  perror(what);
  exit(2);
}

UNUSED static aio_context_t context(unsigned nr) {
  aio_context_t ctx = 0;
  insist(setup(nr, &ctx) == 0, "io_setup");
  return ctx;
}

UNUSED static int file(const char *content, int flags) {
  const char *folder = getenv("TMPDIR");
  char path[4096];
  snprintf(path, sizeof path, "%s/rule-XXXXXX", folder != NULL ? folder : "/tmp");
  int made = mkstemp(path);
  insist(made >= 0 && write(made, content, strlen(content)) == (ssize_t)strlen(content), path);
  close(made);
  int fd = open(path, flags);
  insist(fd >= 0, path);
  unlink(path);
  return fd;
}

UNUSED static struct iocb request(unsigned opcode, int fd, void *buf, uint64_t nbytes, int64_t offset) {
  struct iocb iocb = {0};
  iocb.aio_lio_opcode = (uint16_t)opcode;
  iocb.aio_fildes = (uint32_t)fd;
  iocb.aio_buf = (uint64_t)(uintptr_t)buf;
  iocb.aio_nbytes = nbytes;
  iocb.aio_offset = offset;
  return iocb;
}

UNUSED static long submit_one(aio_context_t ctx, struct iocb iocb) {
  struct iocb *pointer = &iocb;
  return submit(ctx, 1, &pointer);
}

/* The result in the event. What is refused is a large number, which no event brings. */
UNUSED static long event_of(aio_context_t ctx, struct iocb iocb) {
  struct io_event event;
  struct timespec timeout = {10, 0};
  long submitted = submit_one(ctx, iocb);
  if (submitted != 1) return 1000000 - submitted;
  insist(getevents(ctx, 1, 1, &event, &timeout) == 1, "io_getevents");
  return (long)event.res;
}

int main(void) {
  char buffer[64] UNUSED = {0};
`;

const EPILOGUE = `  return differences == 0 ? 0 : 1;
}
`;

const CTX = 'aio_context_t ctx = context(8);';

/** By rule. What is special of x86-64 is in none of them; numbers of more than 32 bits say so. */
const BODIES: Readonly<Record<string, readonly string[]>> = {
  'SETUP-01': [
    'expect("an unmapped ctxp and an nr that is too large", setup(0xffffffffUL, UNMAPPED), -EFAULT);',
  ],
  'SETUP-02': [
    'expect("ctxp NULL", setup(1, NULL), -EFAULT);',
    'expect("ctxp in the kernel", setup(1, KERNEL), -EFAULT);',
  ],
  'SETUP-03': [
    'aio_context_t word = 1;',
    'expect("a word that is not 0", setup(1, &word), -EINVAL);',
    'expect("the word", (long)word, 1);',
  ],
  'SETUP-04': ['aio_context_t word = 0;', 'expect("nr 0", setup(0, &word), -EINVAL);'],
  'SETUP-05': ['aio_context_t word = 0;', 'expect("nr -1", setup((unsigned long)-1L, &word), -EINVAL);'],
  'SETUP-07': ['aio_context_t word = 0;', 'expect("nr UINT_MAX", setup(0xffffffffUL, &word), -EINVAL);'],
  'SETUP-09': [
    'aio_context_t word = 0;',
    'expect("nr UINT_MAX", setup(0xffffffffUL, &word), -EINVAL);',
    'expect("the word", (long)word, 0);',
  ],
  'SETUP-12': [
    CTX,
    'unsigned header[8];',
    'memcpy(header, (void *)ctx, sizeof header);',
    'expect("head", header[2], 0);',
    'expect("tail", header[3], 0);',
    'expect("magic", (long)(int)header[4], (long)(int)0xa10a10a1);',
    'expect("header_length", header[7], 32);',
  ],
  'SUBMIT-01': [
    CTX,
    'expect("nr -1 and a bad context", submit(0, -1, NULL), -EINVAL);',
    'expect("nr -1", submit(ctx, -1, UNMAPPED), -EINVAL);',
  ],
  'SUBMIT-02': [CTX, 'expect("nr 0, iocbpp in the kernel", submit(ctx, 0, KERNEL), 0);'],
  'SUBMIT-03': [
    'expect("context 0, nr 0", submit(0, 0, NULL), -EINVAL);',
    'expect("context 0, iocbpp unmapped", submit(0, 1, UNMAPPED), -EINVAL);',
  ],
  'SUBMIT-04': [
    CTX,
    'struct iocb good = request(IOCB_CMD_PREAD, file("abc", O_RDONLY), buffer, 3, 0);',
    'struct iocb bad = request(IOCB_CMD_PREAD, 1000000, NULL, 0, 0);',
    'struct iocb *pointers[] = {&good, &bad};',
    'expect("a good one and a bad one", submit(ctx, 2, pointers), 1);',
    'expect("the bad one", submit(ctx, 1, pointers + 1), -EBADF);',
  ],
  'SUBMIT-05': [CTX, 'expect("an array that is not there", submit(ctx, 1, UNMAPPED), -EFAULT);'],
  'SUBMIT-07': [
    CTX,
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("abc", O_RDONLY), buffer, 3, 0);',
    'struct iocb *pointers[] = {&iocb, &iocb, &iocb};',
    'struct io_event events[3];',
    'expect("one iocb three times", submit(ctx, 3, pointers), 3);',
    'expect("events", getevents(ctx, 3, 3, events, NULL), 3);',
  ],
  'SUBMIT-11': [
    CTX,
    'struct iocb *none = NULL;',
    'expect("a handle that is none", submit(ctx + 64, 1, &none), -EINVAL);',
    'expect("an unmapped handle", submit(0x1000, 1, &none), -EINVAL);',
  ],
  'SUBMIT-21': [
    CTX,
    'struct iocb *pointers[] = {NULL};',
    'expect("an iocb at NULL", submit(ctx, 1, pointers), -EFAULT);',
  ],
  'SUBMIT-22': [
    CTX,
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1, 0);',
    'iocb.aio_reserved2 = 1;',
    'expect("aio_reserved2 is 1", submit_one(ctx, iocb), -EINVAL);',
  ],
  'SUBMIT-23': [
    CTX,
    'expect("aio_nbytes is negative", submit_one(ctx, request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1ULL << 63, 0)), -EINVAL);',
  ],
  'SUBMIT-25': [
    CTX,
    'expect("a descriptor that is not open", submit_one(ctx, request(IOCB_CMD_PREAD, 1000000, buffer, 1, 0)), -EBADF);',
  ],
  'SUBMIT-26': [
    CTX,
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1, 0);',
    'iocb.aio_flags = IOCB_FLAG_RESFD;',
    'iocb.aio_resfd = 1000000;',
    'expect("aio_resfd is not open", submit_one(ctx, iocb), -EBADF);',
    'iocb.aio_resfd = iocb.aio_fildes;',
    'expect("aio_resfd is no eventfd", submit_one(ctx, iocb), -EINVAL);',
  ],
  'SUBMIT-27': [
    CTX,
    'struct iocb iocb = request(4, file("x", O_RDONLY), buffer, 1, 0);',
    'struct iocb *pointer = &iocb;',
    'iocb.aio_key = 0xdeadbeef;',
    'expect("an opcode that is none", submit(ctx, 1, &pointer), -EINVAL);',
    'expect("aio_key", (long)iocb.aio_key, 0);',
  ],
  'SUBMIT-28': [
    CTX,
    'int fd = file("x", O_RDONLY);',
    'expect("opcode 4", submit_one(ctx, request(4, fd, buffer, 1, 0)), -EINVAL);',
    'expect("opcode 65535", submit_one(ctx, request(65535, fd, buffer, 1, 0)), -EINVAL);',
  ],
  'SUBMIT-31': [
    CTX,
    'expect("a read where only writing is allowed", submit_one(ctx, request(IOCB_CMD_PREAD, file("x", O_WRONLY), buffer, 1, 0)), -EBADF);',
    'expect("also of length 0", submit_one(ctx, request(IOCB_CMD_PWRITE, file("x", O_RDONLY), buffer, 0, 0)), -EBADF);',
  ],
  'BUF-01': [
    CTX,
    'expect("length 0 at NULL", event_of(ctx, request(IOCB_CMD_PREAD, file("x", O_RDONLY), NULL, 0, 0)), 0);',
  ],
  'BUF-03': [
    CTX,
    'expect("a buffer in the kernel", submit_one(ctx, request(IOCB_CMD_PREAD, file("x", O_RDONLY), KERNEL, 8, 0)), -EFAULT);',
  ],
  'BUF-04': [
    CTX,
    'expect("an unmapped buffer", event_of(ctx, request(IOCB_CMD_PREAD, file("abc", O_RDONLY), UNMAPPED, 3, 0)), -EFAULT);',
  ],
  'BUF-06': [
    CTX,
    'expect("an unmapped buffer at the end of the file", event_of(ctx, request(IOCB_CMD_PREAD, file("abc", O_RDONLY), UNMAPPED, 3, 3)), 0);',
  ],
  'OFF-01': [
    CTX,
    'expect("a negative place", submit_one(ctx, request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1, -1)), -EINVAL);',
  ],
  'OFF-02': [
    CTX,
    'expect("beyond INT64_MAX", submit_one(ctx, request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 8, INT64_MAX - 3)), -EINVAL);',
  ],
  'OFF-04': [
    CTX,
    'int fd = file("abcdef", O_RDONLY);',
    'expect("across the end", event_of(ctx, request(IOCB_CMD_PREAD, fd, buffer, 8, 4)), 2);',
    'expect("past the end", event_of(ctx, request(IOCB_CMD_PREAD, fd, buffer, 8, 100)), 0);',
  ],
  'OFF-05': [
    CTX,
    'int fd = file("abcdef", O_RDONLY);',
    'expect("a read at 2", event_of(ctx, request(IOCB_CMD_PREAD, fd, buffer, 3, 2)), 3);',
    'expect("the position of the descriptor", lseek(fd, 0, SEEK_CUR), 0);',
  ],
  'FILE-01': [
    CTX,
    'expect("a read", event_of(ctx, request(IOCB_CMD_PREAD, file("0123456789", O_RDONLY), buffer, 5, 3)), 5);',
    'expect("its bytes", memcmp(buffer, "34567", 6), 0);',
  ],
  'FILE-02': [
    CTX,
    'int folder = open("/", O_RDONLY | O_DIRECTORY);',
    'insist(folder >= 0, "/");',
    'expect("a read of a directory", submit_one(ctx, request(IOCB_CMD_PREAD, folder, buffer, 8, 0)), -EINVAL);',
  ],
  'FILE-03': [
    CTX,
    'int ends[2];',
    'insist(pipe2(ends, O_NONBLOCK) == 0, "pipe2");',
    'expect("an empty pipe", event_of(ctx, request(IOCB_CMD_PREAD, ends[0], buffer, 8, 0)), -EAGAIN);',
    'expect("a write", event_of(ctx, request(IOCB_CMD_PWRITE, ends[1], buffer, 8, 0)), 8);',
  ],
  'FILE-06': [
    CTX,
    'int fd = eventfd(7, EFD_NONBLOCK);',
    'expect("a write", submit_one(ctx, request(IOCB_CMD_PWRITE, fd, buffer, 8, 0)), -EINVAL);',
    'expect("a read", event_of(ctx, request(IOCB_CMD_PREAD, fd, buffer, 8, 0)), 8);',
  ],
  'FSYNC-01': [
    CTX,
    'expect("FSYNC with a buffer", submit_one(ctx, request(IOCB_CMD_FSYNC, file("x", O_RDWR), buffer, 0, 0)), -EINVAL);',
  ],
  'FSYNC-03': [
    CTX,
    'int fd = file("x", O_RDWR);',
    'expect("FSYNC", event_of(ctx, request(IOCB_CMD_FSYNC, fd, NULL, 0, 0)), 0);',
    'expect("FDSYNC", event_of(ctx, request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0)), 0);',
  ],
  'RWF-01': [
    CTX,
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1, 0);',
    'iocb.aio_rw_flags = 1 << 30;',
    'expect("a flag that there is not", submit_one(ctx, iocb), -EOPNOTSUPP);',
  ],
  'RWF-09': [
    CTX,
    'int fd = file("abc", O_RDWR | O_APPEND);',
    'expect("a write at 1", event_of(ctx, request(IOCB_CMD_PWRITE, fd, "XY", 2, 1)), 2);',
    'insist(pread(fd, buffer, 8, 0) == 5, "pread");',
    'expect("at the end", memcmp(buffer, "abcXY", 5), 0);',
  ],
  'PRIO-03': [
    CTX,
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("x", O_RDONLY), buffer, 1, 0);',
    'iocb.aio_flags = 1 << 1; /* IOCB_FLAG_IOPRIO */',
    'iocb.aio_reqprio = (int16_t)(4 << 13);',
    'expect("a class of priorities that there is not", submit_one(ctx, iocb), -EINVAL);',
  ],
  'RESFD-01': [
    CTX,
    'uint64_t count = 0;',
    'struct iocb iocb = request(IOCB_CMD_PREAD, file("abc", O_RDONLY), buffer, 3, 0);',
    'iocb.aio_flags = IOCB_FLAG_RESFD;',
    'iocb.aio_resfd = (uint32_t)eventfd(0, EFD_NONBLOCK);',
    'expect("a read", event_of(ctx, iocb), 3);',
    'insist(read((int)iocb.aio_resfd, &count, sizeof count) == sizeof count, "read");',
    'expect("the counter", (long)count, 1);',
  ],
  'GET-01': [
    CTX,
    'struct io_event events[2];',
    'expect("min_nr -1", getevents(ctx, -1, 1, events, NULL), -EINVAL);',
    'expect("min_nr above nr", getevents(ctx, 2, 1, events, NULL), -EINVAL);',
  ],
  'GET-02': [
    CTX,
    'struct io_event events[2];',
    'expect("nr -1", getevents(ctx, 0, -1, events, NULL), -EINVAL);',
  ],
  'GET-04': [
    CTX,
    'struct io_event events[2];',
    'expect("min_nr 0 and nothing there", getevents(ctx, 0, 2, events, NULL), 0);',
  ],
  'GET-13': [
    CTX,
    'struct timespec none = {0, 0};',
    'expect("submitted", submit_one(ctx, request(IOCB_CMD_PREAD, file("abc", O_RDONLY), buffer, 3, 0)), 1);',
    'expect("an array that is not there", getevents(ctx, 1, 1, UNMAPPED, &none), -EFAULT);',
    'struct io_event event;',
    'expect("the event stays", getevents(ctx, 1, 1, &event, &none), 1);',
  ],
  'CANCEL-01': [
    CTX,
    'struct iocb iocb = {0};',
    'struct io_event event;',
    'iocb.aio_key = 1;',
    'expect("aio_key is 1", cancel(ctx, &iocb, &event), -EINVAL);',
    'expect("an iocb that is not there", cancel(ctx, UNMAPPED, &event), -EFAULT);',
  ],
  'DESTROY-01': [
    CTX,
    'expect("once", destroy(ctx), 0);',
    'expect("twice", destroy(ctx), -EINVAL);',
    'expect("context 0", destroy(0), -EINVAL);',
  ],
  'VEC-02': [
    CTX,
    'expect("no elements", event_of(ctx, request(IOCB_CMD_PREADV, file("abc", O_RDONLY), KERNEL, 0, 0)), 0);',
  ],
  'VEC-03': [
    CTX,
    'expect("1025 elements of an array that is not there", submit_one(ctx, request(IOCB_CMD_PREADV, file("abc", O_RDONLY), UNMAPPED, 1025, 0)), -EINVAL);',
  ],
  'VEC-04': [
    CTX,
    'expect("an array that is not there", submit_one(ctx, request(IOCB_CMD_PREADV, file("abc", O_RDONLY), UNMAPPED, 2, 0)), -EFAULT);',
  ],
  'VEC-05': [
    CTX,
    'struct iovec segments[] = {{KERNEL, 3}, {buffer, (size_t)-1}};',
    'expect("a negative length", submit_one(ctx, request(IOCB_CMD_PREADV, file("abc", O_RDONLY), segments, 2, 0)), -EINVAL);',
  ],
  'VEC-09': [
    CTX,
    'struct iovec segments[] = {{NULL, 0}, {buffer, 8}};',
    'expect("an empty element", event_of(ctx, request(IOCB_CMD_PREADV, file("abc", O_RDONLY), segments, 2, 0)), 3);',
  ],
};

/** The rules that there is a program for. */
export const C_RULES: readonly string[] = Object.keys(BODIES);

/** A program for a rule, in C11. @returns `undefined` where there is none. */
export function cProgram(rule: string): string | undefined {
  const body = BODIES[rule];
  const known = RULES.find(({ id }) => id === rule);
  if (body === undefined || known === undefined) return undefined;
  const title = `/* ${rule}: ${known.summary}. cc -o rule rule.c && ./rule; 0: as Linux, 1: it differs, 2: it could not be asked. */\n`;
  return `${title}${PRELUDE}${body.map((line) => `  ${line}\n`).join('')}${EPILOGUE}`;
}
