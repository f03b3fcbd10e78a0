/*
 * What the files of the addon share.
 *
 * An `environment` is one JavaScript thread that has loaded the addon: the main thread or a worker. Everything in it is
 * touched by that thread alone, except where a lock is named.
 */
#ifndef KAIO_ADDON_H
#define KAIO_ADDON_H

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif

#include <node_api.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The interface between this addon and src/native/addon.ts: the two are refused to each other when it differs. */
#define KAIO_ADDON_INTERFACE 1

/* A list that goes round, so that taking an element out needs no list. An empty head points to itself. */
struct link {
  struct link *next;
  struct link *previous;
};

static inline void link_init(struct link *head) { head->next = head->previous = head; }

static inline bool link_empty(const struct link *head) { return head->next == head; }

static inline void link_append(struct link *head, struct link *element) {
  element->next = head;
  element->previous = head->previous;
  head->previous->next = element;
  head->previous = element;
}

static inline void link_remove(struct link *element) {
  element->previous->next = element->next;
  element->next->previous = element->previous;
  link_init(element);
}

/* The link is the first member of everything that is in a list. */
static inline void *link_take_first(struct link *head) {
  struct link *first = head->next;
  if (first == head) return NULL;
  link_remove(first);
  return first;
}

struct environment {
  napi_env env;
  uv_loop_t *loop;
  napi_async_cleanup_hook_handle hook;
  /* uv handles that are not closed yet: the memory goes when the last is. */
  unsigned handles;
  bool closing;
  struct link watchers;
  struct link submit_threads;
  /* Results that threads have for this environment (mailbox.c). */
  uv_async_t mailbox;
  napi_async_context mailbox_context;
  pthread_mutex_t mailbox_lock;
  struct link mailbox_jobs; /* under mailbox_lock */
  unsigned awaited;
};

/* Something a thread does for an environment, and the function that is called with the result. */
struct job {
  struct link link;
  struct environment *environment;
  napi_ref callback;
  long result;
  /* Called on the environment's thread before the callback; may be NULL. */
  void (*arrived)(struct job *);
  void *subject;
  long nr;
  long iocbpp;
};

/* module.c */
void environment_handle_opened(struct environment *environment);
void environment_handle_closed(struct environment *environment);
void call_back(struct environment *environment, napi_async_context context, napi_ref function, size_t argc,
               const napi_value *argv);
struct environment *arguments(napi_env env, napi_callback_info info, size_t argc, napi_value *argv);
/* A register's worth of a number or bigint, cut as C would. */
long to_word(napi_env env, napi_value value);
void *to_pointer(napi_env env, napi_value value);
napi_value from_long(napi_env env, long value);
napi_value throw_errno(napi_env env, int error, const char *syscall);
napi_async_context new_async_context(napi_env env, const char *name);
/* Starts a thread that no signal of the process is delivered to. Returns 0 or an errno. */
int start_thread(pthread_t *thread, bool detached, void *(*main)(void *), void *argument);

/* mailbox.c */
int mailbox_open(struct environment *environment);
void mailbox_close(struct environment *environment);
/* The job's callback will be called: the event loop stays alive until then. NULL when there is no memory. */
struct job *job_new(struct environment *environment, napi_value callback);
/* From any thread. The environment must not have closed its mailbox. */
void job_post(struct job *job, long result);
void job_drop(struct job *job);

/* guard.c */
void guard_close(struct environment *environment);
napi_value guard_io_setup(napi_env env, napi_callback_info info);
napi_value guard_io_destroy(napi_env env, napi_callback_info info);
napi_value guard_destroy_in_background(napi_env env, napi_callback_info info);
napi_value guard_eventfd(napi_env env, napi_callback_info info);
napi_value guard_close_descriptor(napi_env env, napi_callback_info info);

/* watcher.c */
void watchers_close(struct environment *environment);
napi_value watcher_open(napi_env env, napi_callback_info info);
napi_value watcher_ref(napi_env env, napi_callback_info info);
napi_value watcher_unref(napi_env env, napi_callback_info info);
napi_value watcher_close(napi_env env, napi_callback_info info);

/* submit-thread.c */
void submit_threads_close(struct environment *environment);
napi_value submit_thread_open(napi_env env, napi_callback_info info);
napi_value submit_thread_submit(napi_env env, napi_callback_info info);
napi_value submit_thread_close(napi_env env, napi_callback_info info);

/* abi.c */
napi_value abi(napi_env env, napi_callback_info info);

#endif
