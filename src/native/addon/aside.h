/* System calls on threads of libuv's pool, for foreign function interfaces that have no calls of that kind. */
#ifndef KAIO_ASIDE_H
#define KAIO_ASIDE_H

#include <node_api.h>

napi_value syscall_aside(napi_env env, napi_callback_info info);

#endif
