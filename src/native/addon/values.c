#include "values.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void *arguments(napi_env env, napi_callback_info info, size_t argc, napi_value *argv) {
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
