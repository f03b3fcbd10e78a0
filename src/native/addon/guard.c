/*
 * Contexts and eventfds, with the environment that each belongs to, so that none outlives the memory it writes to.
 *
 * The system calls are made here and not through FFI because a thread can be terminated between any two steps of
 * JavaScript: a context that exists must be known, and an id that is gone must be forgotten, before JavaScript goes on.
 * The kernel gives out ids again, to whichever thread asks next.
 */
#include "guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "link.h"
#include "mailbox.h"
#include "thread.h"
#include "values.h"

struct context {
  struct link link;
  struct environment *owner;
  long id;
  /* Some thread is in io_destroy, or about to be. That thread takes the entry out. */
  bool dying;
  /* Forgotten even if the kernel refuses: nobody is left who could ask again. */
  bool last_attempt;
  /* Who is told, if anybody. */
  struct job *job;
};

struct descriptor {
  struct link link;
  struct environment *owner;
  int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gone = PTHREAD_COND_INITIALIZER;
static struct link contexts = {&contexts, &contexts};
static struct link descriptors = {&descriptors, &descriptors};

static long answer(long result) { return result == -1 ? -errno : result; }

/* Preconditions: the lock is held. */
static struct context *find_living(long id) {
  for (struct link *one = contexts.next; one != &contexts; one = one->next) {
    struct context *context = (struct context *)one;
    if (context->id == id && !context->dying) return context;
  }
  return NULL;
}

napi_value guard_io_setup(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct environment *environment = arguments(env, info, 2, argv);
  struct context *context = calloc(1, sizeof *context);
  if (context == NULL) return from_long(env, -ENOMEM);
  unsigned long *ctxp = (unsigned long *)to_word(env, argv[1]);
  long result = answer(syscall(SYS_io_setup, to_word(env, argv[0]), ctxp));
  if (result < 0) {
    free(context);
    return from_long(env, result);
  }
  context->owner = environment;
  context->id = (long)*ctxp;
  pthread_mutex_lock(&lock);
  /* Whoever held this id before has lost it behind our back (moved by mremap, destroyed by other means). */
  struct context *stale = find_living(context->id);
  if (stale != NULL) link_remove(&stale->link);
  link_append(&contexts, &context->link);
  pthread_mutex_unlock(&lock);
  free(stale);
  return from_long(env, result);
}

/* Preconditions: the context is marked as dying by this thread, or handed to it. */
static long destroy(struct context *context) {
  long result = answer(syscall(SYS_io_destroy, context->id));
  pthread_mutex_lock(&lock);
  /* Before the entry is gone: the environment that waits for that may then close its mailbox. */
  if (context->job != NULL) job_post(context->job, result);
  context->job = NULL;
  context->dying = false;
  /* A context whose ring is unreadable is refused and lives on. */
  bool forget = result == 0 || context->last_attempt;
  if (forget) link_remove(&context->link);
  pthread_cond_broadcast(&gone);
  pthread_mutex_unlock(&lock);
  if (forget) free(context);
  return result;
}

static void *destroy_main(void *context) {
  destroy(context);
  return NULL;
}

/* Each destroy waits for a grace period of the kernel, some 30 ms: in threads of their own they wait together. */
static void destroy_elsewhere(struct context *context) {
  pthread_t thread;
  if (start_thread(&thread, true, destroy_main, context) != 0) destroy(context);
}

napi_value guard_io_destroy(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  arguments(env, info, 1, argv);
  long id = to_word(env, argv[0]);
  pthread_mutex_lock(&lock);
  struct context *context = find_living(id);
  if (context != NULL) context->dying = true;
  pthread_mutex_unlock(&lock);
  return from_long(env, context == NULL ? answer(syscall(SYS_io_destroy, id)) : destroy(context));
}

napi_value guard_destroy_in_background(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct environment *environment = arguments(env, info, 2, argv);
  long id = to_word(env, argv[0]);
  struct job *job = job_new(environment, argv[1]);
  struct context *unknown = calloc(1, sizeof *unknown);
  if (job == NULL || unknown == NULL) {
    if (job != NULL) job_drop(job);
    free(unknown);
    return throw_errno(env, ENOMEM, "io_destroy");
  }
  pthread_mutex_lock(&lock);
  struct context *context = find_living(id);
  if (context == NULL) {
    context = unknown;
    context->owner = environment;
    context->id = id;
    context->last_attempt = true;
    link_append(&contexts, &context->link);
  }
  context->dying = true;
  context->job = job;
  pthread_mutex_unlock(&lock);
  if (context != unknown) free(unknown);
  destroy_elsewhere(context);
  return NULL;
}

napi_value guard_eventfd(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct environment *environment = arguments(env, info, 2, argv);
  struct descriptor *descriptor = calloc(1, sizeof *descriptor);
  if (descriptor == NULL) return from_long(env, -ENOMEM);
  long fd = answer(eventfd((unsigned)to_word(env, argv[0]), (int)to_word(env, argv[1])));
  if (fd < 0) {
    free(descriptor);
    return from_long(env, fd);
  }
  descriptor->owner = environment;
  descriptor->fd = (int)fd;
  pthread_mutex_lock(&lock);
  link_append(&descriptors, &descriptor->link);
  pthread_mutex_unlock(&lock);
  return from_long(env, fd);
}

napi_value guard_close_descriptor(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  arguments(env, info, 1, argv);
  int fd = (int)to_word(env, argv[0]);
  struct link *found = NULL;
  pthread_mutex_lock(&lock);
  for (struct link *one = descriptors.next; one != &descriptors && found == NULL; one = one->next) {
    if (((struct descriptor *)one)->fd == fd) found = one;
  }
  if (found != NULL) link_remove(found);
  /* Inside the lock: afterwards another thread may be given the number. */
  long result = answer(close(fd));
  pthread_mutex_unlock(&lock);
  free(found);
  return from_long(env, result);
}

/* Preconditions: the lock is held. */
static bool is_concerned(const struct environment *environment) {
  for (struct link *one = contexts.next; one != &contexts; one = one->next) {
    const struct context *context = (struct context *)one;
    if (context->owner == environment) return true;
    /* Somebody else's, which this environment destroys and will be told about. */
    if (context->job != NULL && context->job->environment == environment) return true;
  }
  return false;
}

/* Preconditions: the lock is held. */
static struct context *take_living(const struct environment *environment) {
  for (struct link *one = contexts.next; one != &contexts; one = one->next) {
    struct context *context = (struct context *)one;
    if (context->owner != environment || context->dying) continue;
    context->dying = true;
    context->last_attempt = true;
    return context;
  }
  return NULL;
}

/*
 * Destroys every context of the environment. When this returns no request of theirs is in flight: io_destroy cancels what
 * waits in poll and waits for the rest, and so does this for those that another thread is destroying.
 */
void guard_close(struct environment *environment) {
  struct context *context;
  pthread_mutex_lock(&lock);
  while (is_concerned(environment)) {
    context = take_living(environment);
    if (context == NULL) {
      pthread_cond_wait(&gone, &lock);
      continue;
    }
    pthread_mutex_unlock(&lock);
    destroy_elsewhere(context);
    pthread_mutex_lock(&lock);
  }
  for (struct link *one = descriptors.next, *next; one != &descriptors; one = next) {
    next = one->next;
    struct descriptor *descriptor = (struct descriptor *)one;
    if (descriptor->owner != environment) continue;
    link_remove(one);
    close(descriptor->fd);
    free(descriptor);
  }
  pthread_mutex_unlock(&lock);
}
