/* priority.c - setpriority(2) for the thread, /proc/self/autogroup for the session, sched(7). */
#include "dataplane/priority.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define SWITCH    "/proc/sys/kernel/sched_autogroup_enabled"
#define AUTOGROUP "/proc/self/autogroup"

/* read_number reads a file's number by a format; whether there is one. */
static bool read_number(const char *path, const char *format, int *number)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool found = fscanf(file, format, number) == 1;
    fclose(file);
    return found;
}

static bool grouped(int *nice)
{
    int on;
    return read_number(SWITCH, "%d", &on) && on &&
           read_number(AUTOGROUP, "/autogroup-%*d nice %d", nice);
}

static int set_session(int nice)
{
    int now;
    if (!grouped(&now) || now == nice)
        return 0;
    if (getsid(0) != getpid())
        return -EBUSY;
    FILE *file = fopen(AUTOGROUP, "we");
    int rc = file && fprintf(file, "%d", nice) > 0 ? 0 : -errno;
    if (file && fclose(file))
        rc = -errno;
    /* Without CAP_SYS_ADMIN one write in 100 ms is let through: another worker's, maybe. */
    return rc && grouped(&now) && now == nice ? 0 : rc;
}

struct priority priority_get(void)
{
    struct priority priority = {.thread = getpriority(PRIO_PROCESS, (id_t)gettid())};
    if (!grouped(&priority.session))
        priority.session = 0;
    return priority;
}

int priority_set(const struct priority *priority)
{
    int rc = setpriority(PRIO_PROCESS, (id_t)gettid(), priority->thread) ? -errno : 0;
    int session_rc = set_session(priority->session);
    return rc ? rc : session_rc;
}

void priority_first(enum priority_first priority)
{
    (void)pthread_setschedparam(pthread_self(), SCHED_FIFO,
                                &(struct sched_param){.sched_priority = (int)priority});
}
