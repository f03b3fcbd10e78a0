/*
 * The addon as Node.js sees it: what it exports, and in which order it is taken down.
 *
 * When an environment ends (worker.terminate(), process.exit() in a worker, an uncaught exception, the natural end) the
 * clean-up hook runs on its thread, after the last JavaScript and before the heap with its ArrayBuffers is freed. By then
 * nothing in the kernel may know an address in that heap.
 */
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "abi.h"
#include "aside.h"
#include "environment.h"
#include "guard.h"
#include "mailbox.h"
#include "pins.h"
#include "submit-thread.h"
#include "values.h"
#include "watcher.h"

/* The interface between this addon and src/native/addon.ts: the two are refused to each other when it differs. */
#define KAIO_ADDON_INTERFACE 3

#ifdef __GLIBC__
#define LIBC_NAME "glibc"
#else
#define LIBC_NAME "musl"
#endif
#define TEXT(value) #value
#define TEXT_OF(macro) TEXT(macro)

/* Read out of the file before it is loaded: loading what does not fit may end the process. */
__attribute__((used)) static const char marker[] =
    "kaio-addon interface=" TEXT_OF(KAIO_ADDON_INTERFACE) " napi=" TEXT_OF(NAPI_VERSION) " libc=" LIBC_NAME ";";

/*
 * The order matters. A thread blocked in io_submit keeps its context from being destroyed, so threads go first. Then the
 * contexts, which waits for every request in flight: only now may what the watchers' callbacks hold (queues, iocbs,
 * buffers) be let go.
 */
static void environment_close(napi_async_cleanup_hook_handle hook, void *data) {
  struct environment *environment = data;
  environment->hook = hook;
  environment->closing = true;
  submit_threads_close(environment);
  guard_close(environment);
  watchers_close(environment);
  mailbox_close(environment);
}

static bool export_function(struct environment *environment, napi_value exports, const char *name, napi_callback body) {
  napi_value function;
  return napi_create_function(environment->env, name, NAPI_AUTO_LENGTH, body, environment, &function) == napi_ok &&
         napi_set_named_property(environment->env, exports, name, function) == napi_ok;
}

static const struct {
  const char *name;
  napi_callback body;
} FUNCTIONS[] = {
    {"io_setup", guard_io_setup},
    {"io_destroy", guard_io_destroy},
    {"destroyInBackground", guard_destroy_in_background},
    {"syscallAside", syscall_aside},
    {"eventfd", guard_eventfd},
    {"close", guard_close_descriptor},
    {"watcherOpen", watcher_open},
    {"watcherRef", watcher_ref},
    {"watcherUnref", watcher_unref},
    {"watcherClose", watcher_close},
    {"submitThreadOpen", submit_thread_open},
    {"submitThreadSubmit", submit_thread_submit},
    {"submitThreadClose", submit_thread_close},
    {"pinsOpen", pins_open},
    {"pin", pins_pin},
    {"unpin", pins_unpin},
    {"isMovable", pins_is_movable},
    {"hold", pins_hold},
    {"isOrphan", pins_is_orphan},
    {"abi", abi},
};

NAPI_MODULE_INIT() {
  struct environment *environment = environment_new(env);
  if (environment == NULL) return NULL;
  int error = mailbox_open(environment);
  if (error != 0) {
    environment_free(environment);
    return throw_errno(env, -error, "uv_async_init");
  }
  /* From here on the hook takes everything down. */
  napi_add_async_cleanup_hook(env, environment_close, environment, &environment->hook);
  for (size_t index = 0; index < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; index++) {
    if (!export_function(environment, exports, FUNCTIONS[index].name, FUNCTIONS[index].body)) return NULL;
  }
  napi_value description;
  if (napi_create_string_utf8(env, marker, NAPI_AUTO_LENGTH, &description) != napi_ok) return NULL;
  napi_set_named_property(env, exports, "marker", description);
  return exports;
}
