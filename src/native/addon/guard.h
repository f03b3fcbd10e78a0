/* Contexts and eventfds, with the environment that each belongs to, so that none outlives the memory it writes to. */
#ifndef KAIO_GUARD_H
#define KAIO_GUARD_H

#include <node_api.h>

#include "environment.h"

void guard_close(struct environment *environment);
napi_value guard_io_setup(napi_env env, napi_callback_info info);
napi_value guard_io_destroy(napi_env env, napi_callback_info info);
napi_value guard_destroy_in_background(napi_env env, napi_callback_info info);
napi_value guard_eventfd(napi_env env, napi_callback_info info);
napi_value guard_close_descriptor(napi_env env, napi_callback_info info);

#endif
