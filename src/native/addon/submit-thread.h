/* A thread that calls io_submit, where the call may block: bulk reads, buffered files, cold metadata. */
#ifndef KAIO_SUBMIT_THREAD_H
#define KAIO_SUBMIT_THREAD_H

#include <node_api.h>

#include "environment.h"

void submit_threads_close(struct environment *environment);
napi_value submit_thread_open(napi_env env, napi_callback_info info);
napi_value submit_thread_submit(napi_env env, napi_callback_info info);
napi_value submit_thread_close(napi_env env, napi_callback_info info);

#endif
