/* An eventfd in the event loop. */
#ifndef KAIO_WATCHER_H
#define KAIO_WATCHER_H

#include <node_api.h>

#include "environment.h"

void watchers_close(struct environment *environment);
napi_value watcher_open(napi_env env, napi_callback_info info);
napi_value watcher_ref(napi_env env, napi_callback_info info);
napi_value watcher_unref(napi_env env, napi_callback_info info);
napi_value watcher_close(napi_env env, napi_callback_info info);

#endif
