/*
 * Group commit as a loop in C has it: each writer's block by one io_submit, then one fdatasync for all of them.
 *
 * What more is to be had than this takes several syncs at once, or fewer blocks. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_BYTES 4096
/* As commit-job.ts has it: each writer overwrites blocks of its own, one after the other and around. */
#define REGION_BLOCKS 256
#define MOST_SAMPLES (1u << 20)

static uint64_t samples[MOST_SAMPLES];

static void fail(const char *what, int error) {
  printf("{\"failure\":\"%s: %s\"}\n", what, strerror(error));
  exit(0);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static int by_size(const void *one, const void *other) {
  uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
  return a < b ? -1 : a > b;
}

int main(int argc, char **argv) {
  if (argc != 6) fail("arguments: path, mode, writers, nanoseconds of warming up, nanoseconds", EINVAL);
  int direct = strcmp(argv[2], "direct") == 0 ? O_DIRECT : 0;
  unsigned writers = (unsigned)strtoul(argv[3], NULL, 10);
  uint64_t lasts[] = {strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10)};
  int fd = open(argv[1], O_RDWR | direct);
  if (fd < 0) fail("open", errno);
  aio_context_t ctx = 0;
  if (syscall(SYS_io_setup, writers, &ctx) < 0) fail("io_setup", errno);
  void *memory;
  if (posix_memalign(&memory, BLOCK_BYTES, (size_t)writers * BLOCK_BYTES)) fail("memory", ENOMEM);
  struct iocb *iocbs = calloc(writers, sizeof *iocbs), **pointers = calloc(writers, sizeof *pointers);
  struct io_event *events = calloc(writers, sizeof *events);
  if (!iocbs || !pointers || !events) fail("memory", ENOMEM);
  for (unsigned writer = 0; writer < writers; writer++) {
    unsigned char *block = (unsigned char *)memory + (size_t)writer * BLOCK_BYTES;
    memset(block, writer + 1, BLOCK_BYTES);
    pointers[writer] = &iocbs[writer];
    iocbs[writer].aio_lio_opcode = IOCB_CMD_PWRITE;
    iocbs[writer].aio_fildes = (unsigned)fd;
    iocbs[writer].aio_buf = (uintptr_t)block;
    iocbs[writer].aio_nbytes = BLOCK_BYTES;
  }

  uint64_t groups = 0, took = 0;
  for (int part = 0; part < 2; part++) {
    uint64_t begun = now_ns();
    groups = 0;
    for (uint64_t started = begun; started - begun < lasts[part]; groups++) {
      for (unsigned writer = 0; writer < writers; writer++)
        iocbs[writer].aio_offset = (int64_t)(writer * REGION_BLOCKS + groups % REGION_BLOCKS) * BLOCK_BYTES;
      for (unsigned done = 0; done < writers;) {
        long count = syscall(SYS_io_submit, ctx, (long)(writers - done), pointers + done);
        if (count < 0) fail("io_submit", errno);
        done += (unsigned)count;
      }
      for (unsigned done = 0; done < writers;) {
        long count = syscall(SYS_io_getevents, ctx, 1L, (long)(writers - done), events, NULL);
        if (count < 0) fail("io_getevents", errno);
        for (long event = 0; event < count; event++)
          if (events[event].res != BLOCK_BYTES) fail("a write", events[event].res < 0 ? (int)-events[event].res : EIO);
        done += (unsigned)count;
      }
      if (fdatasync(fd) < 0) fail("fdatasync", errno);
      uint64_t ended = now_ns();
      if (groups < MOST_SAMPLES) samples[groups] = ended - started;
      started = ended;
    }
    took = now_ns() - begun;
  }
  uint64_t count = groups < MOST_SAMPLES ? groups : MOST_SAMPLES;
  qsort(samples, count, sizeof *samples, by_size);
  printf("{\"measurement\":{\"medianUs\":%.3f,\"p99Us\":%.3f,\"commitsPerSecond\":%.3f}}\n", samples[count / 2] / 1e3,
         samples[count * 99 / 100] / 1e3, groups * (double)writers / (took / 1e9));
  return 0;
}
