/* busy.c - a thread on each core that polls nothing. */
#include "dataplane/busy.h"

#include <assert.h>
#include <sched.h>

static void *spin(void *arg)
{
    struct busy *busy = arg;
    while (!atomic_load_explicit(&busy->stop, memory_order_relaxed))
        atomic_fetch_add_explicit(&busy->turns, 1, memory_order_relaxed);
    return NULL;
}

int busy_start(struct busy *busy, uint32_t core)
{
    pthread_attr_t attr;
    cpu_set_t set;
    assert(busy->count < BUSY_CORES_MAX);
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_attr_init(&attr);
    pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
    pthread_attr_setschedpolicy(&attr, SCHED_OTHER);
    pthread_attr_setschedparam(&attr, &(struct sched_param){.sched_priority = 0});
    int rc = pthread_attr_setaffinity_np(&attr, sizeof set, &set);
    if (!rc)
        rc = pthread_create(&busy->threads[busy->count], &attr, spin, busy);
    busy->count += !rc;
    pthread_attr_destroy(&attr);
    return -rc;
}

void busy_stop(struct busy *busy)
{
    atomic_store(&busy->stop, true);
    while (busy->count)
        pthread_join(busy->threads[--busy->count], NULL);
}
