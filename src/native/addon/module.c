/*
 * The addon as Node.js sees it: what it exports, and the life of an environment.
 *
 * When an environment ends (worker.terminate(), process.exit() in a worker, an uncaught exception, the natural end) the
 * clean-up hook runs on its thread, after the last JavaScript and before the heap with its ArrayBuffers is freed. By then
 * nothing in the kernel may know an address in that heap.
 */
#include "addon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void environment_release(struct environment *environment) {
  if (!environment->closing || environment->handles > 0) return;
  napi_async_cleanup_hook_handle hook = environment->hook;
  pthread_mutex_destroy(&environment->mailbox_lock);
  free(environment);
  napi_remove_async_cleanup_hook(hook);
}

void environment_handle_opened(struct environment *environment) { environment->handles++; }

void environment_handle_closed(struct environment *environment) {
  environment->handles--;
  environment_release(environment);
}

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

/* Calls into JavaScript from the event loop: ticks and microtasks run before this returns, and what it throws is an
 * uncaught exception. */
void call_back(struct environment *environment, napi_async_context context, napi_ref function, size_t argc,
               const napi_value *argv) {
  napi_env env = environment->env;
  napi_value receiver;
  napi_value callable;
  bool pending = false;
  if (napi_get_global(env, &receiver) != napi_ok) return;
  if (napi_get_reference_value(env, function, &callable) != napi_ok) return;
  if (napi_make_callback(env, context, receiver, callable, argc, argv, NULL) == napi_ok) return;
  /* Nothing is pending where JavaScript may no longer run. */
  napi_value error;
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
}

struct environment *arguments(napi_env env, napi_callback_info info, size_t argc, napi_value *argv) {
  void *data = NULL;
  napi_get_cb_info(env, info, &argc, argv, NULL, &data);
  return data;
}

long to_word(napi_env env, napi_value value) {
  int64_t word = 0;
  uint64_t unsigned_word = 0;
  bool lossless;
  if (napi_get_value_int64(env, value, &word) == napi_ok) return (long)word;
  napi_get_value_bigint_uint64(env, value, &unsigned_word, &lossless);
  return (long)unsigned_word;
}

void *to_pointer(napi_env env, napi_value value) {
  void *pointer = NULL;
  napi_get_value_external(env, value, &pointer);
  return pointer;
}

napi_value from_long(napi_env env, long value) {
  napi_value result = NULL;
  napi_create_int64(env, value, &result);
  return result;
}

napi_value throw_errno(napi_env env, int error, const char *syscall) {
  char message[128];
  snprintf(message, sizeof message, "%s: %s", syscall, strerror(error));
  napi_throw_error(env, NULL, message);
  return NULL;
}

napi_async_context new_async_context(napi_env env, const char *name) {
  napi_value resource_name = NULL;
  napi_async_context context = NULL;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource_name);
  napi_async_init(env, NULL, resource_name, &context);
  return context;
}

int start_thread(pthread_t *thread, bool detached, void *(*main)(void *), void *argument) {
  pthread_attr_t attributes;
  sigset_t all;
  sigset_t before;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  if (detached) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  error = pthread_create(thread, &attributes, main, argument);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return error;
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
    {"eventfd", guard_eventfd},
    {"close", guard_close_descriptor},
    {"watcherOpen", watcher_open},
    {"watcherRef", watcher_ref},
    {"watcherUnref", watcher_unref},
    {"watcherClose", watcher_close},
    {"submitThreadOpen", submit_thread_open},
    {"submitThreadSubmit", submit_thread_submit},
    {"submitThreadClose", submit_thread_close},
    {"abi", abi},
};

NAPI_MODULE_INIT() {
  struct environment *environment = calloc(1, sizeof *environment);
  if (environment == NULL) return throw_errno(env, ENOMEM, "calloc");
  environment->env = env;
  link_init(&environment->watchers);
  link_init(&environment->submit_threads);
  int error = napi_get_uv_event_loop(env, &environment->loop) == napi_ok ? mailbox_open(environment) : UV_ENOTSUP;
  if (error != 0) {
    free(environment);
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
