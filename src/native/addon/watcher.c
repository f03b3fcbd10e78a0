/*
 * An eventfd in the event loop.
 *
 * The reference to the callback is strong. Through it hangs all that the kernel may still write to (the queue, its iocbs,
 * the buffers in flight): it is let go by close(), or when the guard has destroyed the contexts.
 */
#include "watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "callback.h"
#include "link.h"
#include "values.h"

struct watcher {
  struct link link;
  uv_poll_t poll;
  struct environment *environment;
  napi_ref callback;
  napi_async_context context;
  /* A duplicate, so that it does not matter which is closed first, the watcher or the descriptor it was made for. */
  int fd;
  bool closed;
  /* The open handle, and the JavaScript object: the last of them frees the memory. */
  unsigned owners;
};

static void disown(struct watcher *watcher) {
  if (--watcher->owners == 0) free(watcher);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  disown(data);
}

static void on_closed(uv_handle_t *handle) {
  struct watcher *watcher = handle->data;
  struct environment *environment = watcher->environment;
  napi_delete_reference(environment->env, watcher->callback);
  napi_async_destroy(environment->env, watcher->context);
  close(watcher->fd);
  disown(watcher);
  environment_handle_closed(environment);
}

static void stop(struct watcher *watcher) {
  if (watcher->closed) return;
  watcher->closed = true;
  link_remove(&watcher->link);
  uv_close((uv_handle_t *)&watcher->poll, on_closed);
}

static void on_readable(uv_poll_t *handle, int status, int events) {
  struct watcher *watcher = handle->data;
  napi_handle_scope scope;
  (void)status;
  (void)events;
  /* An eventfd whose counter has overflown reports an error, and is readable all the same. */
  if (napi_open_handle_scope(watcher->environment->env, &scope) != napi_ok) return;
  call_back(watcher->environment->env, watcher->context, watcher->callback, 0, NULL);
  napi_close_handle_scope(watcher->environment->env, scope);
}

napi_value watcher_open(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  napi_value result;
  struct environment *environment = arguments(env, info, 2, argv);
  int fd = fcntl((int)to_word(env, argv[0]), F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return throw_errno(env, errno, "fcntl");
  struct watcher *watcher = calloc(1, sizeof *watcher);
  int error = watcher == NULL ? UV_ENOMEM : uv_poll_init(environment->loop, &watcher->poll, fd);
  if (error != 0) {
    close(fd);
    free(watcher);
    return throw_errno(env, -error, "uv_poll_init");
  }
  watcher->poll.data = watcher;
  watcher->environment = environment;
  watcher->fd = fd;
  watcher->owners = 1;
  watcher->context = new_async_context(env, "kaio:eventfd");
  napi_create_reference(env, argv[1], 1, &watcher->callback);
  link_append(&environment->watchers, &watcher->link);
  environment_handle_opened(environment);
  uv_unref((uv_handle_t *)&watcher->poll);
  error = uv_poll_start(&watcher->poll, UV_READABLE, on_readable);
  if (error == 0 && napi_create_external(env, watcher, on_collected, NULL, &result) == napi_ok) {
    watcher->owners++;
    return result;
  }
  stop(watcher);
  return throw_errno(env, error == 0 ? ENOMEM : -error, "uv_poll_start");
}

napi_value watcher_ref(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  arguments(env, info, 1, argv);
  struct watcher *watcher = to_pointer(env, argv[0]);
  if (!watcher->closed) uv_ref((uv_handle_t *)&watcher->poll);
  return NULL;
}

napi_value watcher_unref(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  arguments(env, info, 1, argv);
  struct watcher *watcher = to_pointer(env, argv[0]);
  if (!watcher->closed) uv_unref((uv_handle_t *)&watcher->poll);
  return NULL;
}

napi_value watcher_close(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  arguments(env, info, 1, argv);
  stop(to_pointer(env, argv[0]));
  return NULL;
}

void watchers_close(struct environment *environment) {
  while (!link_empty(&environment->watchers)) stop((struct watcher *)environment->watchers.next);
}
