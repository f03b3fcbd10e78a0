/*
 * A thread that calls io_submit, where the call may block: bulk reads, buffered files, cold metadata.
 *
 * One call at a time, in the order they were asked for: requests of a context that has one such thread enter the kernel as they
 * would from the event loop.
 */
#include "submit-thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "link.h"
#include "mailbox.h"
#include "thread.h"
#include "values.h"

/* Between two attempts at a thread that may just not have been in the call yet. */
#define INTERRUPT_NANOSECONDS 2000000

struct submit_thread {
  struct link link;
  struct environment *environment;
  pthread_t thread;
  long context;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct link jobs;      /* under the lock */
  struct job *last;      /* under the lock: asked to end, and to say so with this */
  bool abandoned;        /* under the lock: the environment ends */
  bool ended;            /* under the lock */
  bool joined;
  /* The thread, the JavaScript object, and `last`: the last of them frees the memory. */
  unsigned owners;
};

static pthread_once_t interrupt_once = PTHREAD_ONCE_INIT;
static int interrupt_signal;

static void on_interrupt(int number) { (void)number; }

/*
 * A signal without SA_RESTART and with a handler that does nothing ends a blocked request with EINTR; io_submit then goes
 * on with the next iocb of the batch (observed on Linux 6.18). One that nobody else uses is taken, once and for good.
 */
static void choose_interrupt(void) {
  for (int number = SIGRTMAX - 1; number >= SIGRTMIN; number--) {
    struct sigaction action;
    if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_DFL) continue;
    action.sa_handler = on_interrupt;
    action.sa_flags = 0;
    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) != 0) continue;
    interrupt_signal = number;
    return;
  }
}

static void disown(struct submit_thread *submitter) {
  if (--submitter->owners > 0) return;
  pthread_cond_destroy(&submitter->changed);
  pthread_mutex_destroy(&submitter->lock);
  free(submitter);
}

static void on_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  disown(data);
}

/* Preconditions: the lock is held. Returns NULL when there will be no more. */
static struct job *next_job(struct submit_thread *submitter) {
  while (link_empty(&submitter->jobs) && submitter->last == NULL && !submitter->abandoned) {
    pthread_cond_wait(&submitter->changed, &submitter->lock);
  }
  return link_take_first(&submitter->jobs);
}

static void *submit_main(void *argument) {
  struct submit_thread *submitter = argument;
  struct job *job;
  if (interrupt_signal != 0) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, interrupt_signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  }
  pthread_mutex_lock(&submitter->lock);
  while ((job = next_job(submitter)) != NULL) {
    pthread_mutex_unlock(&submitter->lock);
    long result = syscall(SYS_io_submit, submitter->context, job->nr, job->iocbpp);
    job_post(job, result == -1 ? -errno : result);
    pthread_mutex_lock(&submitter->lock);
  }
  submitter->ended = true;
  if (submitter->last != NULL) job_post(submitter->last, 0);
  pthread_cond_broadcast(&submitter->changed);
  pthread_mutex_unlock(&submitter->lock);
  return NULL;
}

/* Preconditions: the thread has ended, or is about to without waiting for anything. */
static void join(struct submit_thread *submitter) {
  if (submitter->joined) return;
  submitter->joined = true;
  pthread_join(submitter->thread, NULL);
  link_remove(&submitter->link);
  disown(submitter);
}

static void on_last_job(struct job *job) {
  join(job->subject);
  disown(job->subject);
}

napi_value submit_thread_open(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  napi_value result;
  struct environment *environment = arguments(env, info, 1, argv);
  struct submit_thread *submitter = calloc(1, sizeof *submitter);
  if (submitter == NULL) return throw_errno(env, ENOMEM, "pthread_create");
  submitter->environment = environment;
  submitter->context = to_word(env, argv[0]);
  submitter->owners = 1;
  link_init(&submitter->jobs);
  pthread_mutex_init(&submitter->lock, NULL);
  pthread_cond_init(&submitter->changed, NULL);
  if (napi_create_external(env, submitter, on_collected, NULL, &result) != napi_ok) {
    disown(submitter);
    return NULL;
  }
  pthread_once(&interrupt_once, choose_interrupt);
  int error = start_thread(&submitter->thread, false, submit_main, submitter);
  /* From here on the JavaScript object is an owner, and without a thread the only one. */
  if (error != 0) return throw_errno(env, error, "pthread_create");
  submitter->owners++;
  link_append(&environment->submit_threads, &submitter->link);
  return result;
}

static napi_value hand_over(napi_env env, struct submit_thread *submitter, napi_value callback, napi_value *call) {
  struct job *job = job_new(submitter->environment, callback);
  if (job == NULL) return throw_errno(env, ENOMEM, "io_submit");
  job->subject = submitter;
  pthread_mutex_lock(&submitter->lock);
  if (call == NULL) {
    job->arrived = on_last_job;
    submitter->last = job;
    submitter->owners++;
  } else {
    job->nr = to_word(env, call[0]);
    job->iocbpp = to_word(env, call[1]);
    link_append(&submitter->jobs, &job->link);
  }
  pthread_cond_signal(&submitter->changed);
  pthread_mutex_unlock(&submitter->lock);
  return NULL;
}

/* Preconditions: submit_thread_close() has not been called. */
napi_value submit_thread_submit(napi_env env, napi_callback_info info) {
  napi_value argv[4];
  arguments(env, info, 4, argv);
  return hand_over(env, to_pointer(env, argv[0]), argv[3], argv + 1);
}

/* The thread ends when everything that was handed to it is done. Preconditions: called once. */
napi_value submit_thread_close(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  arguments(env, info, 2, argv);
  return hand_over(env, to_pointer(env, argv[0]), argv[1], NULL);
}

/* Preconditions: the lock is held. */
static void interrupt_until_ended(struct submit_thread *submitter) {
  while (!submitter->ended) {
    struct timespec until;
    if (interrupt_signal != 0) pthread_kill(submitter->thread, interrupt_signal);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += INTERRUPT_NANOSECONDS;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&submitter->changed, &submitter->lock, &until);
  }
}

/*
 * What has not begun is dropped. A call that blocks (a read from a quiet pipe) is interrupted until it has ended; one that
 * waits for a disk ends by itself.
 */
static void abandon(struct submit_thread *submitter) {
  struct link dropped;
  struct job *job;
  link_init(&dropped);
  pthread_mutex_lock(&submitter->lock);
  submitter->abandoned = true;
  while ((job = link_take_first(&submitter->jobs)) != NULL) link_append(&dropped, &job->link);
  pthread_cond_broadcast(&submitter->changed);
  interrupt_until_ended(submitter);
  pthread_mutex_unlock(&submitter->lock);
  join(submitter);
  while ((job = link_take_first(&dropped)) != NULL) job_drop(job);
}

void submit_threads_close(struct environment *environment) {
  while (!link_empty(&environment->submit_threads)) {
    abandon((struct submit_thread *)environment->submit_threads.next);
  }
}
