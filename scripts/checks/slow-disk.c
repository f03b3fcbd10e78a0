/*
 * A disk that takes its time: a FUSE file system with two files.
 *
 * /disk is the disk, in memory. /delay takes a decimal number: the milliseconds that each read and write of the disk lasts from then on.
 * It ends with the process that has started it, so that nothing is left behind when that is killed.
 *
 *     cc slow-disk.c -o slow-disk $(pkg-config --cflags --libs fuse3)
 *     slow-disk -f DIRECTORY
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fuse.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

/* XFS takes no less than 300 MiB. */
enum { DISK_BYTES = 512 * 1024 * 1024 };

static unsigned char *disk;
static atomic_long delay_ms;

static int file_of(const char *path) {
  if (strcmp(path, "/disk") == 0) return 'd';
  if (strcmp(path, "/delay") == 0) return 'm';
  return 0;
}

static void take_time(void) {
  long ms = atomic_load(&delay_ms);
  struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  while (ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static int slow_getattr(const char *path, struct stat *answer, struct fuse_file_info *info) {
  (void)info;
  memset(answer, 0, sizeof *answer);
  answer->st_nlink = 1;
  if (strcmp(path, "/") == 0) {
    answer->st_mode = S_IFDIR | 0700;
    return 0;
  }
  int file = file_of(path);
  if (file == 0) return -ENOENT;
  answer->st_mode = S_IFREG | 0600;
  answer->st_size = file == 'd' ? DISK_BYTES : 0;
  return 0;
}

static int slow_open(const char *path, struct fuse_file_info *info) {
  int file = file_of(path);
  if (file == 0) return -ENOENT;
  info->direct_io = file == 'm';
  return 0;
}

static int slow_truncate(const char *path, off_t length, struct fuse_file_info *info) {
  (void)length;
  (void)info;
  return file_of(path) == 'm' ? 0 : -EPERM;
}

static size_t bytes_left(off_t from, size_t wanted) {
  if (from < 0 || from >= DISK_BYTES) return 0;
  size_t left = (size_t)(DISK_BYTES - from);
  return wanted < left ? wanted : left;
}

static int slow_read(const char *path, char *to, size_t bytes, off_t from, struct fuse_file_info *info) {
  (void)info;
  if (file_of(path) != 'd') return 0;
  take_time();
  size_t count = bytes_left(from, bytes);
  if (count > 0) memcpy(to, disk + from, count);
  return (int)count;
}

static int slow_write(const char *path, const char *bytes, size_t count, off_t to, struct fuse_file_info *info) {
  (void)info;
  if (file_of(path) == 'm') {
    char digits[16] = {0};
    memcpy(digits, bytes, count < sizeof digits ? count : sizeof digits - 1);
    atomic_store(&delay_ms, atol(digits));
    return (int)count;
  }
  take_time();
  if (bytes_left(to, count) < count) return -ENOSPC;
  memcpy(disk + to, bytes, count);
  return (int)count;
}

static int slow_fsync(const char *path, int datasync, struct fuse_file_info *info) {
  (void)path;
  (void)datasync;
  (void)info;
  return 0;
}

int main(int argc, char **argv) {
  static const struct fuse_operations operations = {
      .getattr = slow_getattr,
      .open = slow_open,
      .truncate = slow_truncate,
      .read = slow_read,
      .write = slow_write,
      .fsync = slow_fsync,
  };
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  disk = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (disk == MAP_FAILED) return 1;
  return fuse_main(argc, argv, &operations, NULL);
}
