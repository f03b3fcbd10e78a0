/* Values between JavaScript and C: what a function is given, what it answers, and what it throws. */
#ifndef KAIO_VALUES_H
#define KAIO_VALUES_H

#include <node_api.h>
#include <stddef.h>

/* Takes the arguments of a call. Returns what the function was made with: the environment. */
void *arguments(napi_env env, napi_callback_info info, size_t argc, napi_value *argv);
/* A register's worth of a number or bigint, cut as C would. */
long to_word(napi_env env, napi_value value);
void *to_pointer(napi_env env, napi_value value);
napi_value from_long(napi_env env, long value);
/* An Error with code, errno and syscall. Returns NULL, for a function of JavaScript's to return in turn. */
napi_value throw_errno(napi_env env, int error, const char *syscall);

#endif
