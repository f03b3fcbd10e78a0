/* Threads of the addon's own. */
#ifndef KAIO_THREAD_H
#define KAIO_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts a thread that no signal of the process is delivered to. Returns 0 or an errno. */
int start_thread(pthread_t *thread, bool detached, void *(*main)(void *), void *argument);

#endif
