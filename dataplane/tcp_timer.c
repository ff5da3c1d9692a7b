/* tcp_timer.c - a hierarchical wheel (Varghese and Lauck, 1987), one entry per connection.
 *
 * A connection hangs where its earliest timer was when it was last looked at.  Timers that move
 * later, as that of retransmission does with every acknowledgement, leave it there; when its slot
 * comes it is looked at and hung anew.  A tick is over when its slots are empty: any number of
 * connections in one is a bounded piece of work per poll.
 */
#include "dataplane/tcp_impl.h"

#define LEVEL0_SPAN TCP_WHEEL_SLOTS
#define LEVEL1_SPAN (LEVEL0_SPAN * TCP_WHEEL_SLOTS)
#define LEVEL2_SPAN (LEVEL1_SPAN * TCP_WHEEL_SLOTS)
#define TICKS_MAX   1024 /* in one poll */
#define FAR_MS      (1u << 30)

void tcp_wheel_init(struct tcp_wheel *wheel)
{
    wheel->tick = 0;
    for (unsigned i = 0; i < TCP_WHEEL_SLOTS * TCP_WHEEL_LEVELS; i++)
        wheel->heads[i] = TCP_NONE;
}

static void hang(struct tcp *tcp, struct tcp_conn *conn, uint32_t slot)
{
    uint32_t index = tcp_index(tcp, conn), *head = &tcp->wheel.heads[slot];
    conn->timer_slot = (uint16_t)slot;
    conn->timer_prev = TCP_NONE;
    conn->timer_next = *head;
    if (*head != TCP_NONE)
        tcp_conn(tcp, *head)->timer_prev = index;
    *head = index;
}

void tcp_timer_remove(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->timer_slot == TCP_SLOT_NONE)
        return;
    if (conn->timer_prev == TCP_NONE)
        tcp->wheel.heads[conn->timer_slot] = conn->timer_next;
    else
        tcp_conn(tcp, conn->timer_prev)->timer_next = conn->timer_next;
    if (conn->timer_next != TCP_NONE)
        tcp_conn(tcp, conn->timer_next)->timer_prev = conn->timer_prev;
    conn->timer_slot = TCP_SLOT_NONE;
}

/* slot_for returns where a connection hangs that is to be looked at at that tick, or, when that is
 * too far, before.  Never in a slot of the current tick, which may be being emptied. */
static uint32_t slot_for(const struct tcp_wheel *wheel, uint32_t at)
{
    uint32_t next = wheel->tick + 1;
    uint32_t in = tcp_before(at, next) ? 0 : at - next;
    if (in < LEVEL0_SPAN - 1)
        return (next + in) % TCP_WHEEL_SLOTS;
    if (in < LEVEL1_SPAN - LEVEL0_SPAN)
        return TCP_WHEEL_SLOTS + (at >> TCP_WHEEL_BITS) % TCP_WHEEL_SLOTS;
    if (in >= LEVEL2_SPAN - LEVEL1_SPAN)
        at = next + LEVEL2_SPAN - LEVEL1_SPAN - 1;
    return 2 * TCP_WHEEL_SLOTS + (at >> 2 * TCP_WHEEL_BITS) % TCP_WHEEL_SLOTS;
}

/* rehang puts a connection where its earliest timer wants it. */
static void rehang(struct tcp *tcp, struct tcp_conn *conn)
{
    bool any = false;
    uint32_t first = 0;
    for (unsigned i = 0; i < TCP_T_COUNT; i++) {
        if (!(conn->armed & 1u << i) || (any && !tcp_before(conn->at[i], first)))
            continue;
        first = conn->at[i];
        any = true;
    }
    tcp_timer_remove(tcp, conn);
    if (!any)
        return;
    conn->timer_at = first;
    hang(tcp, conn, slot_for(&tcp->wheel, first));
}

void tcp_timer_set(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer timer, uint32_t in_ms)
{
    conn->at[timer] = tcp->now_ms + tcp_min(in_ms, FAR_MS);
    conn->armed |= (uint8_t)(1u << timer);
    if (conn->timer_slot == TCP_SLOT_NONE || tcp_before(conn->at[timer], conn->timer_at))
        rehang(tcp, conn);
}

void tcp_timer_stop(struct tcp_conn *conn, enum tcp_timer timer)
{
    conn->armed &= (uint8_t) ~(1u << timer);
}

static bool take_due(const struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer timer)
{
    if (!(conn->armed & 1u << timer) || tcp_before(tcp->now_ms, conn->at[timer]))
        return false;
    tcp_timer_stop(conn, timer);
    return true;
}

static bool fire_persist(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_SHUT && tcp->now_ms - conn->shut_at >= tcp->settings.zero_window_ms) {
        tcp_over(tcp, conn, TCP_END_window);
        return false;
    }
    conn->flags |= TCP_F_PROBE;
    if (conn->backoff < 16)
        conn->backoff++;
    tcp_want_output(tcp, conn);
    return true;
}

/* fire_rexmit returns false when that ended the connection, as do the next two. */
static bool fire_rexmit(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_PERSIST)
        return fire_persist(tcp, conn);
    if (conn->snd_una == conn->snd_max)
        return true;
    if (conn->retries >= tcp->settings.retries) {
        tcp_over(tcp, conn, TCP_END_timeout);
        return false;
    }
    conn->retries++;
    if (conn->queued)
        tcp_stuck_add(tcp, conn);
    tcp_loss_timeout(tcp, conn);
    tcp_want_output(tcp, conn);
    return true;
}

static bool fire_keepalive(struct tcp *tcp, struct tcp_conn *conn)
{
    const struct tcp_settings *settings = &tcp->settings;
    if (!settings->keepalive_ms)
        return true;
    uint32_t silent = tcp->now_ms - conn->heard_at;
    if (conn->snd_una != conn->snd_max || conn->queued) /* what is under way asks already */
        silent = 0;
    if (silent < settings->keepalive_ms) {
        tcp_timer_set(tcp, conn, TCP_T_IDLE, settings->keepalive_ms - silent);
        return true;
    }
    if (conn->probes >= settings->keepalive_probes) {
        tcp_over(tcp, conn, TCP_END_keepalive);
        return false;
    }
    conn->probes++;
    conn->flags |= TCP_F_KEEPALIVE;
    tcp_want_output(tcp, conn);
    tcp_timer_set(tcp, conn, TCP_T_IDLE, settings->keepalive_every_ms);
    return true;
}

static bool fire_idle(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!(conn->flags & TCP_F_LINGER))
        return fire_keepalive(tcp, conn);
    tcp_over(tcp, conn, TCP_END_linger);
    return false;
}

/* look does what is due for a connection and hangs it anew. */
static void look(struct tcp *tcp, struct tcp_conn *conn)
{
    if (take_due(tcp, conn, TCP_T_ACK)) {
        TCP_COUNT(tcp, acks_delayed);
        tcp_ack_now(tcp, conn);
    }
    if (take_due(tcp, conn, TCP_T_REXMIT) && !fire_rexmit(tcp, conn))
        return;
    if (take_due(tcp, conn, TCP_T_IDLE) && !fire_idle(tcp, conn))
        return;
    if (take_due(tcp, conn, TCP_T_WAKE) && !(conn->flags & TCP_F_ABORT))
        tcp->app.wake(tcp->app.app, conn);
    rehang(tcp, conn);
}

/* due_slot returns a slot of the current tick that is not empty, or TCP_SLOT_NONE.  The slots of
 * the upper levels come up at the first tick of what they span. */
static uint32_t due_slot(const struct tcp_wheel *wheel)
{
    uint32_t tick = wheel->tick;
    if (wheel->heads[tick % TCP_WHEEL_SLOTS] != TCP_NONE)
        return tick % TCP_WHEEL_SLOTS;
    uint32_t level1 = TCP_WHEEL_SLOTS + (tick >> TCP_WHEEL_BITS) % TCP_WHEEL_SLOTS;
    if (tick % LEVEL0_SPAN == 0 && wheel->heads[level1] != TCP_NONE)
        return level1;
    uint32_t level2 = 2 * TCP_WHEEL_SLOTS + (tick >> 2 * TCP_WHEEL_BITS) % TCP_WHEEL_SLOTS;
    if (tick % LEVEL1_SPAN == 0 && wheel->heads[level2] != TCP_NONE)
        return level2;
    return TCP_SLOT_NONE;
}

unsigned tcp_timer_poll(struct tcp *tcp, unsigned budget)
{
    struct tcp_wheel *wheel = &tcp->wheel;
    unsigned work = 0, ticks = 0;
    while (!tcp_before(tcp->now_ms, wheel->tick)) {
        uint32_t slot = due_slot(wheel);
        if (slot == TCP_SLOT_NONE) {
            wheel->tick++;
            if (++ticks == TICKS_MAX)
                break;
            continue;
        }
        if (work == budget)
            break;
        struct tcp_conn *conn = tcp_conn(tcp, wheel->heads[slot]);
        tcp_timer_remove(tcp, conn);
        look(tcp, conn);
        work++;
    }
    return work;
}
