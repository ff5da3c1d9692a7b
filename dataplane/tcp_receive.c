/* tcp_receive.c - a segment within its connection, in the order of RFC 9293 section 3.10.7.4, with
 * the checks of RFC 5961 and RFC 7323.
 */
#include "dataplane/tcp_impl.h"

#define CHALLENGE_MS     1000u
#define LATELY_BYTES     (1u << 19)               /* twice the largest window */
#define TS_RECENT_MS_MAX (24u * 24 * 3600 * 1000) /* RFC 7323 section 5.5 */

/* tcp_challenge answers what may be forged with an acknowledgement, of which a connection sends a
 * few per second and no more (RFC 5961 section 7; per connection, so that nothing is learnt about
 * others). */
void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn)
{
    uint8_t second = (uint8_t)(tcp->now_ms / CHALLENGE_MS);
    if (conn->challenge_second != second) {
        conn->challenge_second = second;
        conn->challenges = 0;
    }
    if (conn->challenges >= tcp_min(tcp->settings.challenges, UINT8_MAX)) {
        TCP_COUNT(tcp, challenges_held);
        return;
    }
    conn->challenges++;
    TCP_COUNT(tcp, challenges);
    tcp_ack_now(tcp, conn);
}

/* timestamp_ok refuses what is older than what has come before (PAWS), and what has no timestamp
 * though all must have one. */
static bool timestamp_ok(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    if (!(conn->flags & TCP_F_TIMESTAMP) || head->flags & TCP_RST)
        return true;
    if (!head->has_timestamp) {
        tcp_drop(tcp, TCP_REASON_timestamp);
        return false;
    }
    if (tcp_before(head->ts_value, conn->ts_recent) &&
        tcp->now_ms - conn->heard_at < TS_RECENT_MS_MAX) {
        tcp_drop(tcp, TCP_REASON_paws);
        tcp_challenge(tcp, conn);
        return false;
    }
    return true;
}

/* sequence_ok: some of the segment lies in the window (RFC 9293 section 3.4). */
static bool sequence_ok(const struct tcp_conn *conn, const struct tcp_head *head)
{
    uint32_t len = head->len + (head->flags & TCP_FIN ? 1 : 0);
    uint32_t window = conn->rcv_adv - conn->rcv_nxt;
    uint32_t first = head->seq - conn->rcv_nxt, last = head->seq + len - 1 - conn->rcv_nxt;
    if (len == 0)
        return first < window || first == 0;
    if (window == 0)
        return false;
    /* Also when it begins before the window and ends behind it. */
    return first < window || last < window ||
           (tcp_before(head->seq, conn->rcv_nxt) && tcp_before(conn->rcv_adv, head->seq + len));
}

/* reset: exact, it ends the connection; in the window, it is asked for again (RFC 5961 section 3).
 */
static void reset(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    if (head->seq == conn->rcv_nxt) {
        tcp_over(tcp, conn, TCP_END_reset);
        return;
    }
    tcp_drop(tcp, TCP_REASON_reset);
    if (head->seq - conn->rcv_nxt < conn->rcv_adv - conn->rcv_nxt)
        tcp_challenge(tcp, conn);
}

/* acceptable says whether the segment goes on to its acknowledgement; the others are done with. */
static bool acceptable(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    if (!timestamp_ok(tcp, conn, head))
        return false;
    if (head->flags & TCP_RST) {
        reset(tcp, conn, head);
        return false;
    }
    if (head->flags & TCP_SYN) {
        tcp_drop(tcp, TCP_REASON_syn);
        tcp_challenge(tcp, conn);
        return false;
    }
    if (!sequence_ok(conn, head)) {
        /* A copy of what came lately tells that its acknowledgement was lost: it is owed always. */
        if (head->len && conn->rcv_nxt - head->seq <= LATELY_BYTES &&
            !tcp_before(conn->rcv_nxt, head->seq + head->len)) {
            TCP_COUNT(tcp, duplicate);
            tcp_ack_now(tcp, conn);
        } else {
            tcp_drop(tcp, TCP_REASON_sequence);
            tcp_challenge(tcp, conn);
        }
        return false;
    }
    /* RFC 5961 section 5.2, and what was never sent. */
    if (tcp_before(head->ack, conn->snd_una - tcp_snd_wnd_max(conn)) ||
        tcp_before(conn->snd_max, head->ack)) {
        tcp_drop(tcp, TCP_REASON_ack);
        tcp_challenge(tcp, conn);
        return false;
    }
    return true;
}

static void take_window(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    bool newer = tcp_before(conn->snd_wl1, head->seq) ||
                 (conn->snd_wl1 == head->seq && !tcp_before(head->ack, conn->snd_una));
    if (!newer)
        return;
    conn->snd_wl1 = head->seq;
    if (head->window == conn->wnd)
        return;
    conn->wnd = head->window;
    if (conn->wnd_max < conn->wnd)
        conn->wnd_max = conn->wnd;
    tcp_want_output(tcp, conn);
}

/* fin_acked: nothing more is to be sent, ever.  Returns false when the connection is over. */
static bool fin_acked(struct tcp *tcp, struct tcp_conn *conn)
{
    tcp_timer_stop(conn, TCP_T_REXMIT);
    switch (conn->state) {
    case TCP_FIN_WAIT_1:
        conn->state = TCP_FIN_WAIT_2;
        conn->flags |= TCP_F_LINGER;
        tcp_timer_set(tcp, conn, TCP_T_IDLE, tcp->settings.linger_ms);
        return true;
    default: /* CLOSING goes to TIME-WAIT, LAST-ACK to the end */
        tcp_over(tcp, conn, TCP_END_done);
        return false;
    }
}

static void tell_writable(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!(conn->flags & TCP_F_BLOCKED) || conn->queued > tcp->settings.send_bytes / 2 ||
        conn->flags & TCP_F_ABORT)
        return;
    conn->flags &= ~TCP_F_BLOCKED;
    tcp->app.writable(tcp->app.app, conn);
}

/* advance takes an acknowledgement of something new.  Returns false when that was the end. */
static bool advance(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    uint32_t acked = head->ack - conn->snd_una, flight = conn->snd_max - conn->snd_una;
    uint32_t bytes = tcp_min(acked, conn->queued);
    tcp_queue_drop(tcp, conn, bytes);
    counter_add(&tcp->counters.bytes_out, bytes);
    conn->snd_una = head->ack;
    if (tcp_before(conn->snd_nxt, conn->snd_una))
        conn->snd_nxt = conn->snd_una;
    conn->retries = 0;
    if (!conn->queued)
        conn->flags &= ~TCP_F_SHUT;
    if (!(conn->flags & TCP_F_SHUT))
        tcp_stuck_remove(tcp, conn);
    tcp_loss_acked(tcp, conn, head, acked, flight);
    if (acked > bytes)
        return fin_acked(tcp, conn);
    if (conn->snd_una == conn->snd_max)
        tcp_timer_stop(conn, TCP_T_REXMIT);
    else
        tcp_timer_set(tcp, conn, TCP_T_REXMIT, tcp_rto(tcp, conn));
    if (conn->queued || tcp_fin_queued(conn))
        tcp_want_output(tcp, conn);
    tell_writable(tcp, conn);
    return true;
}

/* take_ack returns false when the connection is over. */
static bool take_ack(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    bool same_window = head->window == conn->wnd;
    bool news = conn->flags & TCP_F_SACK && head->sack_count && tcp_loss_sacks(conn, head);
    take_window(tcp, conn, head);
    if (tcp_before(conn->snd_una, head->ack))
        return advance(tcp, conn, head);
    bool duplicate = head->ack == conn->snd_una && head->len == 0 && !(head->flags & TCP_FIN) &&
                     conn->snd_una != conn->snd_max &&
                     (conn->flags & TCP_F_SACK ? news : same_window);
    if (duplicate)
        tcp_loss_duplicate(tcp, conn);
    return true;
}

/* throw_away is what happens to data after tcp_finish. */
static void throw_away(struct tcp *tcp, struct tcp_conn *conn, uint32_t len)
{
    counter_add(&tcp->counters.discarded, len);
    conn->rcv_nxt += len;
    conn->unread += tcp_min(len, UINT32_MAX - conn->unread);
}

/* give offers bytes in order to the application, and returns how many it took. */
static uint32_t give(struct tcp *tcp, struct tcp_conn *conn, const uint8_t *bytes, uint32_t len)
{
    uint32_t took = tcp->app.data(tcp->app.app, conn, bytes, len);
    assert(took <= len);
    counter_add(&tcp->counters.bytes_in, took);
    if (took < len && !(conn->flags & TCP_F_ABORT) && !tcp_finished(conn)) {
        conn->flags |= TCP_F_PAUSED;
        return took;
    }
    return len;
}

/* tell_end: the peer's FIN, once all before it has been taken. */
static void tell_end(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!(conn->flags & TCP_F_PEER_FIN) || (conn->unread && !tcp_finished(conn)) ||
        conn->flags & (TCP_F_ENDED | TCP_F_ABORT))
        return;
    conn->flags |= TCP_F_ENDED;
    if (!tcp_finished(conn))
        tcp->app.end(tcp->app.app, conn);
}

/* tcp_offer_store offers what waits in the store, until all is taken or the application pauses. */
void tcp_offer_store(struct tcp *tcp, struct tcp_conn *conn)
{
    while (conn->unread && !(conn->flags & (TCP_F_PAUSED | TCP_F_ABORT)) && !tcp_finished(conn)) {
        uint32_t len;
        const uint8_t *bytes = tcp_store_front(tcp, conn, &len);
        len = tcp_min(len, conn->unread);
        uint32_t took = give(tcp, conn, bytes, len);
        if (took == 0)
            break;
        conn->unread -= took;
        tcp_store_drop(tcp, conn, took);
    }
    if (tcp_finished(conn)) { /* nobody wants the rest either */
        tcp_chunks_give(tcp, conn->store);
        conn->store = TCP_NONE;
        conn->store_chunks = 0;
    }
    tell_end(tcp, conn);
}

/* keep puts a segment's data into the store and moves rcv_nxt over what is now complete. */
static void keep(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, const uint8_t *bytes,
                 uint32_t len)
{
    if (!tcp_store_put(tcp, conn, seq, bytes, len))
        TCP_COUNT(tcp, store_full);
    uint32_t end = tcp_store_end(tcp, conn, conn->rcv_nxt);
    conn->unread += end - conn->rcv_nxt;
    conn->rcv_nxt = end;
}

/* in_order takes data at rcv_nxt.  What the application can take goes to it from where it lies;
 * what is in the store already is not taken from the segment. */
static void in_order(struct tcp *tcp, struct tcp_conn *conn, const uint8_t *bytes, uint32_t len)
{
    if (tcp_finished(conn) || conn->flags & TCP_F_ABORT) {
        throw_away(tcp, conn, len);
        return;
    }
    if (conn->flags & TCP_F_PAUSED || conn->store != TCP_NONE) {
        keep(tcp, conn, conn->rcv_nxt, bytes, len);
        tcp_offer_store(tcp, conn);
        return;
    }
    /* rcv_nxt moves first: the application may cause a segment that acknowledges. */
    conn->rcv_nxt += len;
    uint32_t took = give(tcp, conn, bytes, len);
    if (took < len) {
        conn->rcv_nxt -= len - took;
        keep(tcp, conn, conn->rcv_nxt, bytes + took, len - took);
    }
}

static void learn_mss(const struct tcp *tcp, struct tcp_conn *conn, uint32_t len)
{
    if (len > conn->rcv_mss)
        conn->rcv_mss = (uint16_t)tcp_min(len, tcp_our_mss(tcp, conn->family));
}

/* owe_ack: every second full segment at once, any other by and by (RFC 9293 section 3.8.6.3). */
static void owe_ack(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->rcv_nxt - conn->rcv_acked >= 2u * conn->rcv_mss)
        tcp_ack_now(tcp, conn);
    else if (!(conn->armed & 1u << TCP_T_ACK))
        tcp_timer_set(tcp, conn, TCP_T_ACK, tcp->settings.delayed_ack_ms);
}

static void out_of_order(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, const uint8_t *bytes,
                         uint32_t len)
{
    if (!tcp_finished(conn) && !(conn->flags & TCP_F_PEER_FIN)) {
        TCP_COUNT(tcp, out_of_order);
        keep(tcp, conn, seq, bytes, len);
    }
    if (conn->acks_owed < TCP_DUP_ACKS_MAX)
        conn->acks_owed++;
    tcp_ack_now(tcp, conn);
}

/* take_data cuts the segment to the window and takes what is left.  Returns whether it goes up to
 * its own end, so that a FIN behind it counts. */
static bool take_data(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    const uint8_t *bytes = head->payload;
    uint32_t seq = head->seq, len = head->len;
    bool whole = true;
    if (tcp_before(seq, conn->rcv_nxt)) {
        uint32_t old = tcp_min(conn->rcv_nxt - seq, len);
        TCP_COUNT(tcp, overlap);
        seq += old;
        bytes += old;
        len -= old;
        tcp_ack_now(tcp, conn);
    }
    if (tcp_before(conn->rcv_adv, seq + len)) {
        TCP_COUNT(tcp, beyond_window);
        len = tcp_before(seq, conn->rcv_adv) ? conn->rcv_adv - seq : 0;
        whole = false;
        tcp_ack_now(tcp, conn);
    }
    if (len == 0)
        return whole;
    if (conn->flags & TCP_F_PEER_FIN)
        return false; /* it said that there is no more */
    learn_mss(tcp, conn, len);
    if (seq != conn->rcv_nxt) {
        out_of_order(tcp, conn, seq, bytes, len);
        return whole;
    }
    bool gap = conn->store != TCP_NONE && !(conn->flags & TCP_F_PAUSED);
    in_order(tcp, conn, bytes, len);
    if (gap)
        tcp_ack_now(tcp, conn); /* RFC 5681 section 4.2 */
    else
        owe_ack(tcp, conn);
    return whole;
}

static void take_fin(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->flags |= TCP_F_PEER_FIN;
    conn->rcv_nxt++;
    if (tcp_before(conn->rcv_adv, conn->rcv_nxt))
        conn->rcv_adv = conn->rcv_nxt;
    tcp_ack_now(tcp, conn);
    if (conn->state == TCP_FIN_WAIT_2) {
        tcp_over(tcp, conn, TCP_END_done);
        return;
    }
    assert(conn->state == TCP_ESTABLISHED || conn->state == TCP_FIN_WAIT_1);
    conn->state = conn->state == TCP_ESTABLISHED ? TCP_CLOSE_WAIT : TCP_CLOSING;
    tcp_offer_store(tcp, conn);
}

static void take_timestamp(struct tcp_conn *conn, const struct tcp_head *head)
{
    if (!head->has_timestamp || !(conn->flags & TCP_F_TIMESTAMP) ||
        tcp_before(conn->rcv_acked, head->seq))
        return;
    conn->ts_recent = head->ts_value;
}

/* expected: the next segment in order, with nothing about it that would need a second look. */
static bool expected(const struct tcp_conn *conn, const struct tcp_head *head)
{
    const uint32_t special = TCP_F_ABORT | TCP_F_PAUSED | TCP_F_RECOVERY | TCP_F_PERSIST;
    bool timestamp = conn->flags & TCP_F_TIMESTAMP;
    return conn->state == TCP_ESTABLISHED && (head->flags & ~TCP_PSH) == TCP_ACK &&
           head->seq == conn->rcv_nxt && !(conn->flags & special) && !head->sack_count &&
           conn->store == TCP_NONE && head->len <= conn->rcv_adv - conn->rcv_nxt &&
           head->ack - conn->snd_una <= conn->snd_max - conn->snd_una &&
           (head->len || head->ack != conn->snd_una) && head->window == conn->wnd &&
           head->has_timestamp == timestamp &&
           (!timestamp || !tcp_before(head->ts_value, conn->ts_recent));
}

/* tcp_receive_fast takes the segments that nearly all are; false: it is none of them. */
bool tcp_receive_fast(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    if (!expected(conn, head))
        return false;
    TCP_COUNT(tcp, fast);
    conn->heard_at = tcp->now_ms;
    conn->probes = 0;
    conn->snd_wl1 = head->seq;
    take_timestamp(conn, head);
    if (head->ack != conn->snd_una)
        (void)advance(tcp, conn, head); /* never the end: no FIN of ours is out */
    if (head->len == 0)
        return true;
    learn_mss(tcp, conn, head->len);
    in_order(tcp, conn, head->payload, head->len);
    owe_ack(tcp, conn);
    return true;
}

bool tcp_receive(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head)
{
    if (conn->flags & TCP_F_ABORT) {
        tcp_drop(tcp, TCP_REASON_ending);
        return false;
    }
    if (!acceptable(tcp, conn, head))
        return false;
    conn->heard_at = tcp->now_ms;
    conn->probes = 0;
    take_timestamp(conn, head);
    if (!take_ack(tcp, conn, head))
        return true;
    bool whole = take_data(tcp, conn, head);
    if (tcp_finished(conn) && conn->unread > tcp->settings.linger_bytes) {
        tcp_over(tcp, conn, TCP_END_linger);
        return true;
    }
    bool fin = head->flags & TCP_FIN && whole && !(conn->flags & TCP_F_PEER_FIN) &&
               head->seq + head->len == conn->rcv_nxt;
    if (fin && !(conn->flags & TCP_F_ABORT))
        take_fin(tcp, conn);
    return true;
}
