#include "values.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <uv.h>

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

/* Errors of libuv and of the system are the same numbers on Linux, but for the sign. */
napi_value throw_errno(napi_env env, int error, const char *syscall) {
  char name[32];
  char text[96];
  char message[192];
  napi_value code;
  napi_value value;
  napi_value exception;
  uv_err_name_r(-error, name, sizeof name);
  uv_strerror_r(-error, text, sizeof text);
  snprintf(message, sizeof message, "%s: %s, %s", name, text, syscall);
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &code) != napi_ok) return NULL;
  if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &value) != napi_ok) return NULL;
  if (napi_create_error(env, code, value, &exception) != napi_ok) return NULL;
  napi_set_named_property(env, exception, "errno", from_long(env, -error));
  if (napi_create_string_utf8(env, syscall, NAPI_AUTO_LENGTH, &value) != napi_ok) return NULL;
  napi_set_named_property(env, exception, "syscall", value);
  napi_throw(env, exception);
  return NULL;
}
