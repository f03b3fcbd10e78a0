/*
 * System calls on threads of libuv's pool, for foreign function interfaces that have no calls of that kind.
 *
 * Node.js waits for a call that has begun before it lets go of the memory of an environment that ends, and drops one that has not.
 */
#include "aside.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "values.h"

#define WORDS 7

struct call {
  napi_async_work work;
  napi_ref callback;
  long words[WORDS];
  long result;
};

static void execute(napi_env env, void *data) {
  (void)env;
  struct call *call = data;
  const long *w = call->words;
  long result = syscall(w[0], w[1], w[2], w[3], w[4], w[5], w[6]);
  call->result = result == -1 ? -errno : result;
}

static void drop(napi_env env, struct call *call) {
  if (call->work != NULL) napi_delete_async_work(env, call->work);
  if (call->callback != NULL) napi_delete_reference(env, call->callback);
  free(call);
}

/* Inside a callback scope of Node's. What the callback throws is an uncaught exception. */
static void complete(napi_env env, napi_status status, void *data) {
  struct call *call = data;
  napi_value callback;
  napi_value global;
  napi_value result = NULL;
  if (status == napi_ok && napi_get_reference_value(env, call->callback, &callback) == napi_ok &&
      napi_get_global(env, &global) == napi_ok)
    result = from_long(env, call->result);
  drop(env, call);
  if (result != NULL) napi_call_function(env, global, callback, 1, &result, NULL);
}

napi_value syscall_aside(napi_env env, napi_callback_info info) {
  napi_value argv[WORDS + 1];
  napi_value name;
  arguments(env, info, WORDS + 1, argv);
  struct call *call = calloc(1, sizeof *call);
  if (call == NULL) return throw_errno(env, ENOMEM, "syscall");
  for (int index = 0; index < WORDS; index++) call->words[index] = to_word(env, argv[index]);
  if (napi_create_reference(env, argv[WORDS], 1, &call->callback) != napi_ok ||
      napi_create_string_utf8(env, "kaio:aside", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, NULL, name, execute, complete, call, &call->work) != napi_ok ||
      napi_queue_async_work(env, call->work) != napi_ok) {
    drop(env, call);
    return throw_errno(env, EAGAIN, "syscall");
  }
  return NULL;
}
