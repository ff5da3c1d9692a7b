/* busy.h - cores as busy as workers make them, for as long as something is measured beside them.
 *
 * A worker polls without a pause.  What the kernel leaves to a thread of its own on that core waits
 * there for its turn, some milliseconds at times: beside idle cores another thing is measured.
 *
 * Memory:  the caller's, until busy_stop.
 * Threads: one on each core between start and stop, at a worker's priority, whatever the caller's
 * is; one thread calls both.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BUSY_CORES_MAX 64u

struct busy {
    uint32_t count; /* threads that run */
    pthread_t threads[BUSY_CORES_MAX];
    _Atomic bool stop;
    _Atomic uint64_t turns; /* of all of them */
};

/* busy_start makes one more core busy, by the operating system's number, until busy_stop.  Of a
 * zeroed struct at first; at most BUSY_CORES_MAX cores (asserted).  Returns 0 or a negative errno:
 * that core stays as it is. */
int busy_start(struct busy *busy, uint32_t core);

/* busy_stop ends all threads, and waits until they have ended. */
void busy_stop(struct busy *busy);
