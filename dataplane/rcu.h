/* rcu.h - liburcu's QSBR flavour, as the dataplane uses it: cores read one published pointer and
 * say when they hold none.
 *
 * ThreadSanitizer cannot see Debian's liburcu; the two annotations here tell it what a grace period
 * orders.
 *
 * Threads: readers register; the publisher need not.
 */
#pragma once

#include <urcu-qsbr.h>

#include "dataplane/base/ring.h"

static char rcu_grace __attribute__((unused));

static inline void rcu_core_start(void)
{
    rcu_register_thread();
}

static inline void rcu_core_stop(void)
{
    RING_RELEASE(&rcu_grace);
    rcu_unregister_thread();
}

/* rcu_core_idle says that this core holds no pointer that was published before. */
static inline void rcu_core_idle(void)
{
    RING_RELEASE(&rcu_grace);
    rcu_quiescent_state();
}

/* rcu_wait returns when every core has been idle since the call. */
static inline void rcu_wait(void)
{
    synchronize_rcu();
    RING_ACQUIRE(&rcu_grace);
}
