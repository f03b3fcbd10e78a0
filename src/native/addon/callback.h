/* Calling JavaScript from the event loop. */
#ifndef KAIO_CALLBACK_H
#define KAIO_CALLBACK_H

#include <node_api.h>
#include <stddef.h>

/* Under which name tools show the calls that are made in it. */
napi_async_context new_async_context(napi_env env, const char *name);
/* Ticks and microtasks run before this returns, and what the function throws is an uncaught exception. */
void call_back(napi_env env, napi_async_context context, napi_ref function, size_t argc, const napi_value *argv);

#endif
