/* priority.h - how much of its core a thread has when others are let onto it.
 *
 * nice(7) weighs a thread against those of its session.  Where the kernel groups by session, as
 * Debian's does (sched(7), "The autogroup feature"), the session's own value weighs it against
 * everything else, the kernel's threads included, and the thread's counts for nothing there.  A
 * session is troved's to weigh only when troved leads it, as a service does; one that it was typed
 * into is the shell's as well.
 *
 * Memory:  none is kept.  Threads: any; files of the kernel are read, so not in a poll.
 */
#pragma once

/* Nice values, [-20, 19]. */
struct priority {
    int thread;
    int session; /* 0 where the kernel does not group */
};

/* priority_get returns those of the calling thread and of its session. */
struct priority priority_get(void);

/* priority_set sets them: 0; -EACCES or -EPERM without the right to (CAP_SYS_NICE); -EBUSY when the
 * session, which counts, would have to change and is not ours.  What can be set is set. */
int priority_set(const struct priority *priority);

/* Of threads on a shared core that others wait for, and that work in short spells: they go before
 * every thread that has a nice value (sched(7), SCHED_FIFO), and the second before the first. */
enum priority_first { PRIORITY_STOCK = 1, PRIORITY_JOURNAL };

/* priority_first gives it to the calling thread; without the right to, that is merely later. */
void priority_first(enum priority_first priority);
