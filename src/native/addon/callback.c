#include "callback.h"

#include <stdbool.h>

napi_async_context new_async_context(napi_env env, const char *name) {
  napi_value resource_name = NULL;
  napi_async_context context = NULL;
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource_name);
  napi_async_init(env, NULL, resource_name, &context);
  return context;
}

void call_back(napi_env env, napi_async_context context, napi_ref function, size_t argc, const napi_value *argv) {
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
