#include "mailbox.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "callback.h"
#include "values.h"

struct mailbox {
  uv_async_t bell;
  napi_async_context context;
  /* Jobs whose callbacks will be called. */
  unsigned awaited;
  pthread_mutex_t lock;
  struct link jobs; /* under the lock */
};

static void await_one_more(struct mailbox *mailbox) {
  if (mailbox->awaited++ == 0) uv_ref((uv_handle_t *)&mailbox->bell);
}

static void await_one_less(struct mailbox *mailbox) {
  if (--mailbox->awaited == 0) uv_unref((uv_handle_t *)&mailbox->bell);
}

static void take_all(struct mailbox *mailbox, struct link *jobs) {
  struct link *job;
  pthread_mutex_lock(&mailbox->lock);
  while ((job = link_take_first(&mailbox->jobs)) != NULL) link_append(jobs, job);
  pthread_mutex_unlock(&mailbox->lock);
}

static void deliver(struct job *job) {
  struct environment *environment = job->environment;
  napi_handle_scope scope;
  if (napi_open_handle_scope(environment->env, &scope) != napi_ok) return;
  napi_value result = from_long(environment->env, job->result);
  if (job->arrived != NULL) job->arrived(job);
  call_back(environment->env, environment->mailbox->context, job->callback, 1, &result);
  job_drop(job);
  napi_close_handle_scope(environment->env, scope);
}

static void on_bell(uv_async_t *bell) {
  struct environment *environment = bell->data;
  struct link jobs;
  struct job *job;
  link_init(&jobs);
  take_all(environment->mailbox, &jobs);
  while ((job = link_take_first(&jobs)) != NULL) deliver(job);
}

int mailbox_open(struct environment *environment) {
  struct mailbox *mailbox = calloc(1, sizeof *mailbox);
  if (mailbox == NULL) return UV_ENOMEM;
  link_init(&mailbox->jobs);
  int error = -pthread_mutex_init(&mailbox->lock, NULL);
  if (error == 0) {
    error = uv_async_init(environment->loop, &mailbox->bell, on_bell);
    if (error != 0) pthread_mutex_destroy(&mailbox->lock);
  }
  if (error != 0) {
    free(mailbox);
    return error;
  }
  mailbox->bell.data = environment;
  mailbox->context = new_async_context(environment->env, "kaio:thread");
  environment->mailbox = mailbox;
  environment_handle_opened(environment);
  uv_unref((uv_handle_t *)&mailbox->bell);
  return 0;
}

static void on_closed(uv_handle_t *bell) {
  struct environment *environment = bell->data;
  pthread_mutex_destroy(&environment->mailbox->lock);
  free(environment->mailbox);
  environment->mailbox = NULL;
  environment_handle_closed(environment);
}

void mailbox_close(struct environment *environment) {
  struct mailbox *mailbox = environment->mailbox;
  struct link jobs;
  struct job *job;
  link_init(&jobs);
  take_all(mailbox, &jobs);
  while ((job = link_take_first(&jobs)) != NULL) {
    if (job->arrived != NULL) job->arrived(job);
    job_drop(job);
  }
  napi_async_destroy(environment->env, mailbox->context);
  uv_close((uv_handle_t *)&mailbox->bell, on_closed);
}

struct job *job_new(struct environment *environment, napi_value callback) {
  struct job *job = calloc(1, sizeof *job);
  if (job == NULL) return NULL;
  link_init(&job->link);
  job->environment = environment;
  if (napi_create_reference(environment->env, callback, 1, &job->callback) != napi_ok) {
    free(job);
    return NULL;
  }
  await_one_more(environment->mailbox);
  return job;
}

void job_post(struct job *job, long result) {
  struct mailbox *mailbox = job->environment->mailbox;
  job->result = result;
  /* Inside the lock: once the job can be seen, the environment may close the bell. */
  pthread_mutex_lock(&mailbox->lock);
  link_append(&mailbox->jobs, &job->link);
  uv_async_send(&mailbox->bell);
  pthread_mutex_unlock(&mailbox->lock);
}

void job_drop(struct job *job) {
  await_one_less(job->environment->mailbox);
  napi_delete_reference(job->environment->env, job->callback);
  free(job);
}
