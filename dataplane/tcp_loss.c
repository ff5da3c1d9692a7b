/* tcp_loss.c - round trips and timeouts (RFC 6298), congestion control (RFC 5681), and recovery
 * from loss by duplicate acknowledgements (RFC 6582) or by what the peer tells to have (RFC 6675).
 */
#include "dataplane/tcp_impl.h"

#define RTO_FIRST_MS 1000
#define CWND_MAX     (1u << 24)

/* initial_window: ten segments, but not more than 14600 bytes (RFC 6928). */
static uint32_t initial_window(const struct tcp_conn *conn)
{
    return tcp_min(10u * conn->mss, tcp_max(2u * conn->mss, 14600));
}

/* tcp_loss_restart: after a silence, what was learnt about the path is old (RFC 5681 section 4.1).
 */
void tcp_loss_restart(struct tcp_conn *conn)
{
    conn->cwnd = tcp_min(conn->cwnd, initial_window(conn));
}

void tcp_loss_open(struct tcp_conn *conn)
{
    conn->cwnd = initial_window(conn);
    conn->ssthresh = UINT32_MAX;
}

uint32_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint64_t rto_ms = RTO_FIRST_MS;
    if (conn->srtt_us)
        rto_ms = ((uint64_t)conn->srtt_us + 4ull * conn->rttvar_us) / 1000 + 1;
    if (rto_ms < tcp->settings.rto_min_ms)
        rto_ms = tcp->settings.rto_min_ms;
    rto_ms <<= conn->backoff;
    return rto_ms < tcp->settings.rto_max_ms ? (uint32_t)rto_ms : tcp->settings.rto_max_ms;
}

void tcp_loss_sample(struct tcp_conn *conn, uint32_t rtt_us)
{
    if (rtt_us == 0)
        rtt_us = 1;
    if (conn->srtt_us == 0) {
        conn->srtt_us = rtt_us;
        conn->rttvar_us = rtt_us / 2;
    } else {
        uint32_t off = conn->srtt_us > rtt_us ? conn->srtt_us - rtt_us : rtt_us - conn->srtt_us;
        conn->rttvar_us = conn->rttvar_us - conn->rttvar_us / 4 + off / 4;
        conn->srtt_us = conn->srtt_us - conn->srtt_us / 8 + rtt_us / 8;
    }
    conn->backoff = 0;
}

/* sample_echo measures with the peer's timestamp: also right for what was sent again (RFC 7323
 * section 4.1). */
static void sample_echo(struct tcp *tcp, struct tcp_conn *conn, uint32_t echo)
{
    uint32_t rtt_ms = tcp_ts_now(tcp, conn->ts_offset) - echo;
    if (rtt_ms <= tcp->settings.rto_max_ms)
        tcp_loss_sample(conn, rtt_ms * 1000);
}

static void measure(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    bool again = conn->flags & TCP_F_RTO;
    if (again && head->has_timestamp && conn->flags & TCP_F_TIMESTAMP)
        sample_echo(tcp, conn, head->ts_echo);
    if (conn->flags & TCP_F_RTT && !tcp_before(head->ack, conn->rtt_seq)) {
        conn->flags &= ~TCP_F_RTT;
        if (!again)
            tcp_loss_sample(conn, tcp->now_us - conn->rtt_at_us);
    }
    if (conn->snd_una == conn->snd_max)
        conn->flags &= ~TCP_F_RTO;
}

static void grow(struct tcp_conn *conn, uint32_t acked, uint32_t flight)
{
    if (flight + conn->mss < conn->cwnd || conn->cwnd >= CWND_MAX)
        return; /* what is not used proves nothing */
    if (conn->cwnd < conn->ssthresh)
        conn->cwnd += tcp_min(acked, conn->mss);
    else
        conn->cwnd += tcp_max(1, (uint32_t)conn->mss * conn->mss / conn->cwnd);
}

static void leave_recovery(struct tcp_conn *conn)
{
    conn->flags &= ~(TCP_F_RECOVERY | TCP_F_RESEND);
    conn->cwnd = tcp_max(conn->ssthresh, conn->mss);
    conn->dup_acks = 0;
}

/* partial is an acknowledgement of some of what was there when recovery began. */
static void partial(struct tcp_conn *conn, uint32_t acked)
{
    if (tcp_before(conn->high_rxt, conn->snd_una))
        conn->high_rxt = conn->snd_una;
    if (conn->flags & TCP_F_SACK)
        return;
    conn->flags |= TCP_F_RESEND;
    conn->cwnd -= tcp_min(acked, conn->cwnd);
    conn->cwnd += conn->mss;
}

static void trim_scoreboard(struct tcp_conn *conn)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < conn->scoreboard_count; i++) {
        struct tcp_range range = conn->scoreboard[i];
        if (!tcp_before(conn->snd_una, range.end))
            continue;
        if (tcp_before(range.start, conn->snd_una))
            range.start = conn->snd_una;
        conn->scoreboard[kept++] = range;
    }
    conn->scoreboard_count = (uint8_t)kept;
}

/* tcp_loss_acked: acked bytes more of `flight` are acknowledged; snd_una has moved. */
void tcp_loss_acked(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head,
                    uint32_t acked, uint32_t flight)
{
    measure(tcp, conn, head);
    trim_scoreboard(conn);
    if (!(conn->flags & TCP_F_RECOVERY)) {
        conn->dup_acks = 0;
        if (tcp_before(conn->recover, conn->snd_una))
            conn->recover = conn->snd_una; /* so that it never gets far behind */
        grow(conn, acked, flight);
    } else if (!tcp_before(conn->snd_una, conn->recover)) {
        leave_recovery(conn);
    } else {
        partial(conn, acked);
    }
}

/* add_range puts one selectively acknowledged range into the scoreboard, joined with those that it
 * touches.  When there are too many, the highest is forgotten: it will be told again.  Returns
 * whether anything was new. */
static bool add_range(struct tcp_conn *conn, struct tcp_range range)
{
    struct tcp_range out[TCP_SCOREBOARD + 1];
    unsigned count = 0;
    bool placed = false;
    for (unsigned i = 0; i < conn->scoreboard_count; i++) {
        struct tcp_range old = conn->scoreboard[i];
        if (!tcp_before(range.start, old.start) && !tcp_before(old.end, range.end))
            return false;
        if (tcp_before(old.end, range.start)) {
            out[count++] = old;
        } else if (tcp_before(range.end, old.start)) {
            if (!placed)
                out[count++] = range;
            placed = true;
            out[count++] = old;
        } else {
            if (tcp_before(old.start, range.start))
                range.start = old.start;
            if (tcp_before(range.end, old.end))
                range.end = old.end;
        }
    }
    if (!placed)
        out[count++] = range;
    count = tcp_min(count, TCP_SCOREBOARD);
    memcpy(conn->scoreboard, out, count * sizeof *out);
    conn->scoreboard_count = (uint8_t)count;
    return true;
}

bool tcp_loss_sacks(struct tcp_conn *conn, const struct tcp_head *head)
{
    bool news = false;
    for (unsigned i = 0; i < head->sack_count; i++) {
        struct tcp_range range = head->sacks[i];
        if (tcp_before(conn->snd_una, range.start) && tcp_before(range.start, range.end) &&
            !tcp_before(conn->snd_max, range.end))
            news |= add_range(conn, range);
    }
    return news;
}

/* lost_below returns up to where everything that is not in the scoreboard is taken to be lost (RFC
 * 6675 IsLost): three ranges, or more than two segments' bytes, have come from beyond. */
static uint32_t lost_below(const struct tcp_conn *conn)
{
    uint32_t bytes = 0;
    for (unsigned i = conn->scoreboard_count; i-- > 0;) {
        bytes += conn->scoreboard[i].end - conn->scoreboard[i].start;
        if (conn->scoreboard_count - i >= TCP_DUP_THRESHOLD ||
            bytes > (TCP_DUP_THRESHOLD - 1u) * conn->mss)
            return conn->scoreboard[i].start;
    }
    return conn->snd_una;
}

static uint32_t overlap(struct tcp_range a, uint32_t start, uint32_t end)
{
    if (tcp_before(a.start, start))
        a.start = start;
    if (tcp_before(end, a.end))
        a.end = end;
    return tcp_before(a.start, a.end) ? a.end - a.start : 0;
}

/* tcp_loss_pipe estimates what is under way (RFC 6675 SetPipe): of what is not in the scoreboard,
 * what is not lost, and what was sent again. */
uint32_t tcp_loss_pipe(const struct tcp_conn *conn)
{
    uint32_t from = conn->snd_una, pipe = 0, lost = lost_below(conn);
    for (unsigned i = 0; i <= conn->scoreboard_count; i++) {
        bool last = i == conn->scoreboard_count;
        struct tcp_range hole = {from, last ? conn->snd_max : conn->scoreboard[i].start};
        pipe += overlap(hole, lost, conn->snd_max);
        pipe += overlap(hole, conn->snd_una, conn->high_rxt);
        if (!last)
            from = conn->scoreboard[i].end;
    }
    return pipe;
}

struct tcp_range tcp_loss_hole(const struct tcp_conn *conn)
{
    uint32_t from = tcp_before(conn->high_rxt, conn->snd_una) ? conn->snd_una : conn->high_rxt;
    uint32_t lost = lost_below(conn);
    for (unsigned i = 0; i < conn->scoreboard_count; i++) {
        struct tcp_range have = conn->scoreboard[i];
        if (tcp_before(from, have.start))
            return tcp_before(from, lost) ? (struct tcp_range){from, have.start}
                                          : (struct tcp_range){from, from};
        if (tcp_before(from, have.end))
            from = have.end;
    }
    return (struct tcp_range){from, from};
}

static uint32_t half_flight(const struct tcp_conn *conn)
{
    return tcp_max((conn->snd_max - conn->snd_una) / 2, 2u * conn->mss);
}

static void enter_recovery(struct tcp *tcp, struct tcp_conn *conn)
{
    TCP_COUNT(tcp, recoveries);
    conn->flags |= TCP_F_RECOVERY | TCP_F_RESEND | TCP_F_RTO;
    conn->flags &= ~TCP_F_RTT;
    conn->recover = conn->snd_max;
    conn->high_rxt = conn->snd_una;
    conn->ssthresh = half_flight(conn);
    conn->cwnd = conn->ssthresh;
    if (!(conn->flags & TCP_F_SACK))
        conn->cwnd += TCP_DUP_THRESHOLD * conn->mss;
}

void tcp_loss_duplicate(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->dup_acks < UINT8_MAX)
        conn->dup_acks++;
    if (conn->flags & TCP_F_RECOVERY) {
        if (!(conn->flags & TCP_F_SACK) && conn->cwnd < CWND_MAX)
            conn->cwnd += conn->mss;
    } else if (!tcp_before(conn->snd_una, conn->recover) &&
               (conn->dup_acks >= TCP_DUP_THRESHOLD || lost_below(conn) != conn->snd_una)) {
        enter_recovery(tcp, conn);
    }
    tcp_want_output(tcp, conn);
}

void tcp_loss_timeout(struct tcp *tcp, struct tcp_conn *conn)
{
    TCP_COUNT(tcp, timeouts);
    if (conn->retries == 1)
        conn->ssthresh = half_flight(conn);
    conn->cwnd = conn->mss;
    conn->flags &= ~(TCP_F_RECOVERY | TCP_F_RESEND | TCP_F_RTT);
    conn->flags |= TCP_F_RTO;
    conn->recover = conn->snd_max;
    conn->dup_acks = 0;
    conn->scoreboard_count = 0; /* the peer may have thrown it away (RFC 2018 section 8) */
    conn->snd_nxt = conn->snd_una;
    if (conn->backoff < 16)
        conn->backoff++;
}
