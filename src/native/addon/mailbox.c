/* What threads have finished comes back to JavaScript here, on the event loop of the environment that asked. */
#include "addon.h"

#include <stdlib.h>

static void await_one_more(struct environment *environment) {
  if (environment->awaited++ == 0) uv_ref((uv_handle_t *)&environment->mailbox);
}

static void await_one_less(struct environment *environment) {
  if (--environment->awaited == 0) uv_unref((uv_handle_t *)&environment->mailbox);
}

static void take_all(struct environment *environment, struct link *jobs) {
  struct link *job;
  pthread_mutex_lock(&environment->mailbox_lock);
  while ((job = link_take_first(&environment->mailbox_jobs)) != NULL) link_append(jobs, job);
  pthread_mutex_unlock(&environment->mailbox_lock);
}

static void deliver(struct job *job) {
  struct environment *environment = job->environment;
  napi_handle_scope scope;
  if (napi_open_handle_scope(environment->env, &scope) != napi_ok) return;
  napi_value result = from_long(environment->env, job->result);
  if (job->arrived != NULL) job->arrived(job);
  call_back(environment, environment->mailbox_context, job->callback, 1, &result);
  job_drop(job);
  napi_close_handle_scope(environment->env, scope);
}

static void on_mail(uv_async_t *handle) {
  struct environment *environment = handle->data;
  struct link jobs;
  struct job *job;
  link_init(&jobs);
  take_all(environment, &jobs);
  while ((job = link_take_first(&jobs)) != NULL) deliver(job);
}

int mailbox_open(struct environment *environment) {
  link_init(&environment->mailbox_jobs);
  int error = -pthread_mutex_init(&environment->mailbox_lock, NULL);
  if (error != 0) return error;
  error = uv_async_init(environment->loop, &environment->mailbox, on_mail);
  if (error != 0) {
    pthread_mutex_destroy(&environment->mailbox_lock);
    return error;
  }
  environment->mailbox.data = environment;
  environment->mailbox_context = new_async_context(environment->env, "kaio:thread");
  environment_handle_opened(environment);
  uv_unref((uv_handle_t *)&environment->mailbox);
  return 0;
}

static void on_closed(uv_handle_t *handle) { environment_handle_closed(handle->data); }

/* Preconditions: no thread that could post is left. */
void mailbox_close(struct environment *environment) {
  struct link jobs;
  struct job *job;
  link_init(&jobs);
  take_all(environment, &jobs);
  while ((job = link_take_first(&jobs)) != NULL) {
    if (job->arrived != NULL) job->arrived(job);
    job_drop(job);
  }
  napi_async_destroy(environment->env, environment->mailbox_context);
  uv_close((uv_handle_t *)&environment->mailbox, on_closed);
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
  await_one_more(environment);
  return job;
}

void job_post(struct job *job, long result) {
  struct environment *environment = job->environment;
  job->result = result;
  /* Inside the lock: once the job can be seen, the environment may close the handle. */
  pthread_mutex_lock(&environment->mailbox_lock);
  link_append(&environment->mailbox_jobs, &job->link);
  uv_async_send(&environment->mailbox);
  pthread_mutex_unlock(&environment->mailbox_lock);
}

/* Preconditions: on the environment's thread, and in no list. */
void job_drop(struct job *job) {
  await_one_less(job->environment);
  napi_delete_reference(job->environment->env, job->callback);
  free(job);
}
