/* What threads have finished comes back to JavaScript here, on the event loop of the environment that asked. */
#ifndef KAIO_MAILBOX_H
#define KAIO_MAILBOX_H

#include <node_api.h>

#include "environment.h"
#include "link.h"

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

/* Returns 0 or an error of libuv's. */
int mailbox_open(struct environment *environment);
/* Preconditions: no thread that could post is left. */
void mailbox_close(struct environment *environment);
/* The job's callback will be called: the event loop stays alive until then. NULL when there is no memory. */
struct job *job_new(struct environment *environment, napi_value callback);
/* From any thread. The environment must not have closed its mailbox. */
void job_post(struct job *job, long result);
/* Preconditions: on the environment's thread, and in no list. */
void job_drop(struct job *job);

#endif
