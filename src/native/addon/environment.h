/*
 * One JavaScript thread that has loaded the addon: the main thread or a worker.
 *
 * Everything in it is touched by that thread alone, except where a lock is named.
 */
#ifndef KAIO_ENVIRONMENT_H
#define KAIO_ENVIRONMENT_H

#include <node_api.h>
#include <stdbool.h>
#include <uv.h>

#include "link.h"

struct environment {
  napi_env env;
  uv_loop_t *loop;
  napi_async_cleanup_hook_handle hook;
  /* uv handles that are not closed yet: the memory goes when the last is. */
  unsigned handles;
  bool closing;
  struct link watchers;
  struct link submit_threads;
  /* Where threads leave results for this environment; its own file knows what is in it. */
  struct mailbox *mailbox;
};

/* Returns NULL having thrown. */
struct environment *environment_new(napi_env env);
/* Preconditions: no handle is open. */
void environment_free(struct environment *environment);
void environment_handle_opened(struct environment *environment);
/* The last one of an environment that is closing frees it, and lets Node.js go on with its own clean-up. */
void environment_handle_closed(struct environment *environment);

#endif
