#include "abi.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "values.h"

#define TIMESPEC struct timespec

/* As man io_pgetevents(2) has it; the kernel keeps its own declaration private. */
struct kaio_sigset {
  const void *sigmask;
  size_t sigsetsize;
};

static const struct {
  const char *title;
  int64_t value;
} VALUES[] = {
#include "abi-values.h"
};

napi_value abi(napi_env env, napi_callback_info info) {
  napi_value result;
  (void)info;
  if (napi_create_object(env, &result) != napi_ok) return NULL;
  for (size_t index = 0; index < sizeof VALUES / sizeof VALUES[0]; index++) {
    napi_set_named_property(env, result, VALUES[index].title, from_long(env, (long)VALUES[index].value));
  }
  return result;
}
