/*
 * The floor: what a loop in C gets out of io_submit and the completion ring, with nothing in between.
 *
 * It does what the engine `calls` does in JavaScript: submit what is free, take events out of the ring in memory, and call
 * io_getevents only where the ring is empty. Prints one line of JSON; latencies go to a file as 32-bit nanoseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#define UNIT_BYTES 512
#define MOST_SAMPLES (1u << 20)
#define MOST_BETWEEN_LOOKS 256
#define MS 1000000ull
#define FILES_KEPT_OPEN 10000
#define FRESH 0

struct aio_ring {
  unsigned id, nr, head, tail, magic, compat_features, incompat_features, header_length;
  struct io_event events[];
};

static struct {
  const char *path, *rw, *mode, *samples;
  uint64_t size, block_size;
  unsigned depth, seed, checked;
  bool verify;
} job;

static struct { uint64_t ns, operations; } warm_up, throughput, latency;

static int fd;
static bool writes, mixed, cold, opens;
static aio_context_t ctx;
static unsigned char **blocks;
static struct iocb *iocbs, **pointers;
static struct io_event *events;
static uint64_t *starts, *positions;
static uint32_t *order, *samples;
static uint64_t order_length, verified;
static unsigned generation;
static uint32_t crc_table[256];

static void fail(const char *what, int error) {
  printf("{\"failure\":\"%s%s%s\"}\n", what, error ? ": " : "", error ? strerror(error) : "");
  exit(0);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint32_t crc32(uint32_t crc, const unsigned char *bytes, size_t count) {
  crc = ~crc;
  while (count--) crc = crc_table[(crc ^ *bytes++) & 0xff] ^ (crc >> 8);
  return ~crc;
}

static uint32_t unit_checksum(const unsigned char *unit) {
  return crc32(crc32(0, unit, 12), unit + 16, UNIT_BYTES - 16);
}

/* The layout is told in blocks.ts. */
static void stamp(unsigned char *block, uint64_t position) {
  for (uint64_t at = 0; at < job.block_size; at += UNIT_BYTES) {
    unsigned char *unit = block + at;
    uint64_t number = (position + at) / UNIT_BYTES;
    memcpy(unit, &number, 8);
    memcpy(unit + 8, &generation, 4);
    memset(unit + 16, number & 0xff, UNIT_BYTES - 16);
    uint32_t crc = unit_checksum(unit);
    memcpy(unit + 12, &crc, 4);
  }
}

static void check(const unsigned char *block, uint64_t position, unsigned generation) {
  for (uint64_t at = 0; at < job.block_size; at += UNIT_BYTES) {
    const unsigned char *unit = block + at;
    uint64_t number;
    uint32_t found, crc;
    memcpy(&number, unit, 8);
    memcpy(&found, unit + 8, 4);
    memcpy(&crc, unit + 12, 4);
    if (crc != unit_checksum(unit) || number != (position + at) / UNIT_BYTES || found != generation)
      fail("wrong data", 0);
  }
}

/* As mixWrites() in job.ts. */
static bool is_mix_write(uint64_t position) {
  return (uint32_t)(position / job.block_size) * 0x9e3779b1u % 10 < 3;
}

/* As order.ts. */
static void make_order(void) {
  order_length = job.size / job.block_size;
  order = malloc(order_length * sizeof *order);
  if (!order) fail("malloc", ENOMEM);
  for (uint64_t index = 0; index < order_length; index++) order[index] = index;
  if (strncmp(job.rw, "rand", 4)) return;
  uint32_t state = job.seed ? job.seed : 1;
  for (uint64_t last = order_length - 1; last > 0; last--) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    uint64_t other = state % (last + 1);
    uint32_t moved = order[last];
    order[last] = order[other];
    order[other] = moved;
  }
}

static void read_whole_file(void) {
  static unsigned char chunk[1 << 20];
  int reader = open(job.path, O_RDONLY);
  if (reader < 0) fail("open", errno);
  while (read(reader, chunk, sizeof chunk) > 0) continue;
  close(reader);
}

static void chill(void) {
  if (fdatasync(fd)) fail("fdatasync", errno);
  int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (error) fail("posix_fadvise", error);
}

static void read_back(uint64_t begun) {
  int reader = open(job.path, O_RDONLY);
  unsigned char *block = malloc(job.block_size);
  if (reader < 0 || !block) fail("reading back", errno);
  for (uint64_t index = 0; index < (begun < order_length ? begun : order_length); index++) {
    uint64_t position = order[index] * job.block_size;
    if (mixed && !is_mix_write(position)) continue;
    if (pread(reader, block, job.block_size, position) != (ssize_t)job.block_size) fail("reading back", errno);
    check(block, position, generation);
  }
  free(block);
  close(reader);
}

/*
 * Opens a file of one block, reads it and closes it, one after the other whatever the depth: there is no asynchronous open to compare with.
 *
 * @returns files.
 */
static uint64_t open_phase(uint64_t ns, uint64_t operations, bool timed, bool verify, uint64_t *took_ns) {
  uint64_t completed = 0, begin = now_ns(), most_samples = timed ? MOST_SAMPLES : 0;
  char path[PATH_MAX];
  for (; completed < operations; completed++) {
    uint64_t started = now_ns(), number = order[completed % order_length];
    if (started - begin >= ns) break;
    snprintf(path, sizeof path, "%s/%llu", job.path, (unsigned long long)number);
    int file = open(path, O_RDONLY | (strcmp(job.mode, "direct") ? 0 : O_DIRECT));
    if (file < 0) fail("open", errno);
    if (pread(file, blocks[0], job.block_size, 0) != (ssize_t)job.block_size) fail("a short transfer", errno);
    close(file);
    if (completed < most_samples) {
      uint64_t took = now_ns() - started;
      samples[completed] = took < UINT32_MAX ? took : UINT32_MAX;
    }
    if (verify) check(blocks[0], number * job.block_size, FRESH);
  }
  if (took_ns) *took_ns = now_ns() - begin;
  if (verify) verified += completed;
  return completed;
}

/* While they are, the descriptor of each new file is a large one, and the table of descriptors too. */
static void keep_open(void) {
  char path[PATH_MAX];
  struct rlimit limit;
  if (!getrlimit(RLIMIT_NOFILE, &limit)) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  for (unsigned index = 0; index < FILES_KEPT_OPEN; index++) {
    snprintf(path, sizeof path, "%s/%llu", job.path, (unsigned long long)(index % order_length));
    if (open(path, O_RDONLY | (strcmp(job.mode, "direct") ? 0 : O_DIRECT)) < 0) fail("open", errno);
  }
}

/* @returns transfers that have ended. */
static uint64_t phase(uint64_t ns, uint64_t operations, bool timed, bool verify, uint64_t *took_ns) {
  if (opens) return open_phase(ns, operations, timed, verify, took_ns);
  struct aio_ring *ring = (struct aio_ring *)ctx;
  uint64_t completed = 0, begun = 0, left = operations, at = 0, most_samples = 0;
  unsigned idle_count = job.depth, in_flight = 0, until_look = 1, between_looks = 1;
  static unsigned *idle;
  bool over = false;

  if (!idle) idle = malloc(job.depth * sizeof *idle);
  if (!idle) fail("malloc", ENOMEM);
  for (unsigned lane = 0; lane < job.depth; lane++) idle[lane] = lane;
  if (timed) most_samples = operations < MOST_SAMPLES ? operations : MOST_SAMPLES;
  if (verify && (writes || mixed)) generation++;
  if (cold) chill();
  uint64_t begin = now_ns(), last_look = begin;

  while (!over || in_flight > 0) {
    unsigned staged = 0;
    while (!over && idle_count > 0) {
      if (--until_look == 0) {
        uint64_t now = now_ns();
        if (now - begin >= ns) left = 0;
        if (now - last_look < MS) between_looks = between_looks * 2 < MOST_BETWEEN_LOOKS ? between_looks * 2 : MOST_BETWEEN_LOOKS;
        else if (now - last_look > 4 * MS && between_looks > 1) between_looks /= 2;
        last_look = now;
        until_look = between_looks;
      }
      if (left == 0) {
        over = true;
        break;
      }
      unsigned lane = idle[--idle_count];
      uint64_t position = order[at] * job.block_size;
      left--;
      begun++;
      if (++at == order_length) {
        at = 0;
        if (cold) left = 0;
      }
      if (verify) {
        positions[lane] = position;
        if (writes || (mixed && is_mix_write(position))) stamp(blocks[lane], position);
      }
      if (timed) starts[lane] = now_ns();
      struct iocb *iocb = &iocbs[lane];
      iocb->aio_data = lane;
      iocb->aio_offset = position;
      if (mixed) iocb->aio_lio_opcode = is_mix_write(position) ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
      pointers[staged++] = iocb;
    }
    for (unsigned done = 0; done < staged;) {
      long accepted = syscall(SYS_io_submit, ctx, (long)(staged - done), pointers + done);
      if (accepted < 0 && errno != EINTR) fail("io_submit", errno);
      if (accepted > 0) done += accepted, in_flight += accepted;
    }
    if (in_flight == 0) continue;

    /* Out of the ring in memory; the system call only to wait. */
    long got = 0;
    unsigned head = ring->head, tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);
    while (head != tail) {
      events[got++] = ring->events[head];
      head = (head + 1) % ring->nr;
    }
    if (got > 0) __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    else got = syscall(SYS_io_getevents, ctx, 1L, (long)job.depth, events, NULL);
    if (got < 0 && errno != EINTR) fail("io_getevents", errno);
    uint64_t now = timed && got > 0 ? now_ns() : 0;
    for (long index = 0; index < got; index++) {
      unsigned lane = events[index].data;
      if (events[index].res < 0) fail(writes ? "pwrite" : "pread", -events[index].res);
      if ((uint64_t)events[index].res != job.block_size) fail("a short transfer", 0);
      if (completed < most_samples) samples[completed] = now - starts[lane] < UINT32_MAX ? now - starts[lane] : UINT32_MAX;
      if (verify && !writes && !(mixed && is_mix_write(positions[lane]))) check(blocks[lane], positions[lane], FRESH);
      completed++;
      idle[idle_count++] = lane;
      in_flight--;
    }
  }
  if (took_ns) *took_ns = now_ns() - begin;
  if (verify) {
    if (writes || mixed) read_back(begun);
    verified += completed;
  }
  return completed;
}

static double cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* path rw mode size block_size depth seed verify checked (ns operations) x 3 samples-file */
static void read_arguments(int argc, char **argv) {
  if (argc != 17) fail("arguments", EINVAL);
  job.path = argv[1];
  job.rw = argv[2];
  job.mode = argv[3];
  job.size = strtoull(argv[4], NULL, 10);
  job.block_size = strtoull(argv[5], NULL, 10);
  job.depth = strtoul(argv[6], NULL, 10);
  job.seed = strtoul(argv[7], NULL, 10);
  job.verify = argv[8][0] == '1';
  job.checked = strtoul(argv[9], NULL, 10);
  warm_up.ns = strtoull(argv[10], NULL, 10), warm_up.operations = strtoull(argv[11], NULL, 10);
  throughput.ns = strtoull(argv[12], NULL, 10), throughput.operations = strtoull(argv[13], NULL, 10);
  latency.ns = strtoull(argv[14], NULL, 10), latency.operations = strtoull(argv[15], NULL, 10);
  job.samples = argv[16];
  writes = strstr(job.rw, "write") != NULL;
  cold = !strcmp(job.mode, "cold");
  mixed = !strcmp(job.rw, "randrw");
  opens = !strncmp(job.rw, "open", 4);
}

static void prepare(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
    crc_table[byte] = crc;
  }
  make_order();
  blocks = calloc(job.depth, sizeof *blocks);
  iocbs = calloc(job.depth, sizeof *iocbs);
  pointers = calloc(job.depth, sizeof *pointers);
  events = calloc(job.depth, sizeof *events);
  starts = calloc(job.depth, sizeof *starts);
  positions = calloc(job.depth, sizeof *positions);
  samples = malloc(MOST_SAMPLES * sizeof *samples);
  if (!blocks || !iocbs || !pointers || !events || !starts || !positions || !samples) fail("malloc", ENOMEM);
  if (opens) {
    if (posix_memalign((void **)&blocks[0], 4096, job.block_size)) fail("posix_memalign", ENOMEM);
    if (!strcmp(job.rw, "open.kept")) keep_open();
    return;
  }
  fd = open(job.path, (writes || mixed ? O_RDWR : O_RDONLY) | (strcmp(job.mode, "direct") ? 0 : O_DIRECT));
  if (fd < 0) fail("open", errno);
  for (unsigned lane = 0; lane < job.depth; lane++) {
    if (posix_memalign((void **)&blocks[lane], 4096, job.block_size)) fail("posix_memalign", ENOMEM);
    memset(blocks[lane], 0x6b, job.block_size);
    iocbs[lane].aio_lio_opcode = writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
    iocbs[lane].aio_fildes = fd;
    iocbs[lane].aio_buf = (uintptr_t)blocks[lane];
    iocbs[lane].aio_nbytes = job.block_size;
  }
  if (syscall(SYS_io_setup, (long)job.depth, &ctx)) fail("io_setup", errno);
  if (((struct aio_ring *)ctx)->magic != 0xa10a10a1) fail("the ring is not where it should be", 0);
  if (!strcmp(job.mode, "cached")) read_whole_file();
}

int main(int argc, char **argv) {
  read_arguments(argc, argv);
  prepare();
  if (job.checked > 0) phase(UINT64_MAX, job.checked, false, true, NULL);
  if (warm_up.operations > 0) phase(warm_up.ns, warm_up.operations, false, job.verify, NULL);

  uint64_t took_ns;
  double cpu = cpu_seconds();
  uint64_t operations = phase(throughput.ns, throughput.operations, false, job.verify, &took_ns);
  cpu = cpu_seconds() - cpu;

  if (latency.operations > 0) {
    uint64_t count = phase(latency.ns, latency.operations, true, job.verify, NULL);
    FILE *file = fopen(job.samples, "w");
    if (!file) fail("the file for latencies", errno);
    if (count > MOST_SAMPLES) count = MOST_SAMPLES;
    if (fwrite(samples, sizeof *samples, count, file) != count || fclose(file)) fail("the file for latencies", errno);
  }

  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  printf("{\"operations\":%llu,\"seconds\":%.9f,\"cpuSeconds\":%.6f,\"maxRssBytes\":%ld,\"verifiedBlocks\":%llu}\n",
         (unsigned long long)operations, took_ns / 1e9, cpu, usage.ru_maxrss * 1024L, (unsigned long long)verified);
  return 0;
}
