/* Condition variables whose deadlines are on the monotonic clock, as all deadlines here are: the wall clock may jump.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* pthread_cond_destroy when it is done with. */
void cond_init(pthread_cond_t *cond);
/* With the lock held. False when the deadline (a mono_ms() value) came first; true may be for no reason, so look again.
 */
bool cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline_ms);
