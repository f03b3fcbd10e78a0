#include "environment.h"

#include <errno.h>
#include <stdlib.h>

#include "values.h"

struct environment *environment_new(napi_env env) {
  struct environment *environment = calloc(1, sizeof *environment);
  if (environment == NULL) {
    throw_errno(env, ENOMEM, "calloc");
    return NULL;
  }
  environment->env = env;
  link_init(&environment->watchers);
  link_init(&environment->submit_threads);
  if (napi_get_uv_event_loop(env, &environment->loop) == napi_ok) return environment;
  environment_free(environment);
  throw_errno(env, ENOTSUP, "napi_get_uv_event_loop");
  return NULL;
}

void environment_free(struct environment *environment) { free(environment); }

void environment_handle_opened(struct environment *environment) { environment->handles++; }

void environment_handle_closed(struct environment *environment) {
  environment->handles--;
  if (!environment->closing || environment->handles > 0) return;
  napi_async_cleanup_hook_handle hook = environment->hook;
  environment_free(environment);
  napi_remove_async_cleanup_hook(hook);
}
