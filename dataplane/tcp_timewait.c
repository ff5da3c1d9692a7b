/* tcp_timewait.c - connections that are over, in little memory, bounded, the oldest reused.
 *
 * One in TIME-WAIT answers for it (RFC 9293 section 3.10.7.4, RFC 1337).  The others are kept for
 * as long as a cookie is right, so that a copy of the segment that opened one, late in the network,
 * does not open it again.
 */
#include "dataplane/tcp_impl.h"

#define COOKIE_LIFE_MS (2 * TCP_COOKIE_SLOT_MS)

static struct tcp_past *past_at(struct tcp *tcp, uint32_t index)
{
    return &tcp->pasts[index];
}

static uint32_t past_index(const struct tcp *tcp, const struct tcp_past *past)
{
    return (uint32_t)(past - tcp->pasts);
}

static uint32_t *past_head(struct tcp *tcp, const struct hash128 *id)
{
    return &tcp->past_heads[(uint32_t)id->lo & tcp->past_mask];
}

struct tcp_past *tcp_past_find(struct tcp *tcp, const struct hash128 *id)
{
    for (uint32_t at = *past_head(tcp, id); at != TCP_NONE; at = past_at(tcp, at)->hash_next) {
        struct tcp_past *past = past_at(tcp, at);
        if (past->id.lo == id->lo && past->id.hi == id->hi)
            return tcp_before(tcp->now_ms, past->until) ? past : NULL;
    }
    return NULL;
}

static void unlink_age(struct tcp *tcp, struct tcp_past *past)
{
    if (past->older == TCP_NONE)
        tcp->past_oldest = past->newer;
    else
        past_at(tcp, past->older)->newer = past->newer;
    if (past->newer == TCP_NONE)
        tcp->past_newest = past->older;
    else
        past_at(tcp, past->newer)->older = past->older;
}

static void link_newest(struct tcp *tcp, struct tcp_past *past)
{
    uint32_t index = past_index(tcp, past);
    past->older = tcp->past_newest;
    past->newer = TCP_NONE;
    if (past->older == TCP_NONE)
        tcp->past_oldest = index;
    else
        past_at(tcp, past->older)->newer = index;
    tcp->past_newest = index;
}

void tcp_past_remove(struct tcp *tcp, struct tcp_past *past)
{
    uint32_t index = past_index(tcp, past);
    uint32_t *link = past_head(tcp, &past->id);
    while (*link != index)
        link = &past_at(tcp, *link)->hash_next;
    *link = past->hash_next;
    unlink_age(tcp, past);
    past->hash_next = tcp->free_past;
    tcp->free_past = index;
    counter_add(&tcp->counters.time_waits, UINT64_MAX);
}

static struct tcp_past *take(struct tcp *tcp)
{
    if (tcp->free_past == TCP_NONE && tcp->fresh_past == tcp->limits.time_waits) {
        TCP_COUNT(tcp, time_wait_reused);
        tcp_past_remove(tcp, past_at(tcp, tcp->past_oldest));
    }
    uint32_t index = tcp->free_past;
    if (index != TCP_NONE)
        tcp->free_past = past_at(tcp, index)->hash_next;
    else
        index = tcp->fresh_past++;
    counter_add(&tcp->counters.time_waits, 1);
    return past_at(tcp, index);
}

void tcp_past_add(struct tcp *tcp, const struct tcp_conn *conn, const struct hash128 *id,
                  bool time_wait)
{
    struct tcp_past *past = take(tcp);
    uint32_t *head = past_head(tcp, id);
    *past = (struct tcp_past){
        .id = *id,
        .hash_next = *head,
        .until = tcp->now_ms + (time_wait ? tcp->settings.time_wait_ms : COOKIE_LIFE_MS),
        .snd_nxt = conn->snd_max,
        .rcv_nxt = conn->rcv_nxt,
        .iss = conn->iss,
        .ts_recent = conn->ts_recent,
        .ts_offset = conn->ts_offset,
        .time_wait = time_wait,
        .timestamp = conn->flags & TCP_F_TIMESTAMP,
    };
    *head = past_index(tcp, past);
    link_newest(tcp, past);
}

void tcp_past_restart(struct tcp *tcp, struct tcp_past *past)
{
    unlink_age(tcp, past);
    link_newest(tcp, past);
    past->until = tcp->now_ms + tcp->settings.time_wait_ms;
}

unsigned tcp_past_expire(struct tcp *tcp, unsigned budget)
{
    unsigned work = 0;
    while (work < budget && tcp->past_oldest != TCP_NONE) {
        struct tcp_past *past = past_at(tcp, tcp->past_oldest);
        if (tcp_before(tcp->now_ms, past->until))
            break;
        tcp_past_remove(tcp, past);
        work++;
    }
    return work;
}
