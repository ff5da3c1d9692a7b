/* tcp_input.c - a segment's way to its connection; and what belongs to none: handshakes, TIME-WAIT,
 * strays.
 */
#include "dataplane/tcp_impl.h"

/* A segment on its way. */
struct arrival {
    const struct tcp_segment *segment;
    struct tcp_head head;
    struct tcp_tuple tuple;
};

static void answer_reset(struct tcp *tcp, const struct arrival *in)
{
    const struct tcp_head *head = &in->head;
    struct tcp_packet packet = {
        .src_port = head->dst_port,
        .dst_port = head->src_port,
        .flags = TCP_RST,
        .seq = head->ack,
        .options_len = 0,
    };
    if (!(head->flags & TCP_ACK)) {
        packet.flags = TCP_RST | TCP_ACK;
        packet.seq = 0;
        packet.ack = head->seq + head->len + 1; /* it is a SYN: sane_flags */
    }
    TCP_COUNT(tcp, resets_out);
    tcp_answer(tcp, in->segment, &packet);
}

static uint32_t first_window(const struct tcp *tcp)
{
    return tcp_min(tcp->settings.receive_bytes, UINT16_MAX);
}

/* answer_syn: everything worth keeping goes into the cookie, and nothing is kept here.  Whoever
 * sends its SYN again gets another answer, so none is ever sent unasked. */
static void answer_syn(struct tcp *tcp, const struct arrival *in)
{
    const struct tcp_head *head = &in->head;
    uint8_t family = in->segment->family;
    struct tcp_offer offer = {
        .mss = head->mss     ? head->mss
               : family == 4 ? TCP_MSS_FLOOR
                             : TCP_MSS_FLOOR6,
        .wscale = head->wscale,
        .sack = head->sack_permitted,
        .timestamp = head->has_timestamp,
    };
    struct tcp_packet packet = {
        .src_port = tcp->port,
        .dst_port = head->src_port,
        .seq = tcp_cookie_make(tcp, &in->tuple, head->seq, &offer),
        .ack = head->seq + 1,
        .flags = TCP_SYN | TCP_ACK,
        .window = (uint16_t)first_window(tcp),
        .options_len = 0,
    };
    bool scales = head->wscale != TCP_NO_WSCALE;
    tcp_option_syn(&packet, tcp_our_mss(tcp, family), scales ? TCP_WSCALE : TCP_NO_WSCALE,
                   offer.sack);
    if (head->has_timestamp)
        tcp_option_timestamp(&packet, tcp_ts_now(tcp, tcp_cookie_ts_offset(tcp, &in->tuple)),
                             head->ts_value);
    TCP_COUNT(tcp, syns);
    tcp_answer(tcp, in->segment, &packet);
}

/* judge_cookie: with timestamps, that of our SYN-ACK must have come back, too; where it has, a
 * wrong cookie is that of a segment that is early. */
static enum tcp_cookie judge_cookie(const struct tcp *tcp, const struct arrival *in,
                                    struct tcp_offer *offer)
{
    const struct tcp_head *head = &in->head;
    offer->timestamp = head->has_timestamp;
    if (head->has_timestamp &&
        !tcp_cookie_fresh_echo(tcp, tcp_cookie_ts_offset(tcp, &in->tuple), head->ts_echo))
        return TCP_COOKIE_WRONG;
    enum tcp_cookie verdict =
        tcp_cookie_check(tcp, &in->tuple, head->ack - 1, head->seq - 1, offer);
    return verdict == TCP_COOKIE_WRONG && head->has_timestamp ? TCP_COOKIE_EARLY : verdict;
}

static void fill_in_peer(struct tcp_conn *conn, const struct arrival *in)
{
    const struct tcp_segment *segment = in->segment;
    uint32_t bytes = segment->family == 4 ? 4 : 16;
    conn->family = segment->family;
    conn->peer_port = in->head.src_port;
    memcpy(conn->addrs, segment->src, bytes);
    memcpy(conn->addrs + bytes, segment->dst, bytes);
    conn->link_len = (uint8_t)segment->link_len;
    tcp_link_turn(conn->link, segment->link, segment->link_len);
}

static void fill_in(struct tcp *tcp, struct tcp_conn *conn, const struct arrival *in,
                    const struct tcp_offer *offer)
{
    const struct tcp_head *head = &in->head;
    fill_in_peer(conn, in);
    if (head->has_timestamp) {
        conn->flags |= TCP_F_TIMESTAMP;
        conn->ts_offset = tcp_cookie_ts_offset(tcp, &in->tuple);
        conn->ts_recent = head->ts_value;
    }
    if (offer->wscale != TCP_NO_WSCALE) {
        conn->flags |= TCP_F_WSCALE;
        conn->snd_shift = offer->wscale;
    }
    if (offer->sack)
        conn->flags |= TCP_F_SACK;
    conn->mss = (uint16_t)tcp_min(offer->mss, tcp_our_mss(tcp, conn->family));
    conn->rcv_mss = TCP_MSS_FLOOR;
    conn->iss = head->ack - 1;
    conn->rcv_nxt = conn->rcv_acked = head->seq;
    conn->rcv_adv = head->seq + first_window(tcp);
    conn->snd_una = conn->snd_nxt = conn->snd_max = conn->recover = head->ack;
    conn->high_rxt = head->ack;
    conn->snd_wl1 = head->seq;
    conn->wnd = conn->wnd_max = head->window;
    conn->heard_at = tcp->now_ms;
    conn->state = TCP_ESTABLISHED;
    tcp_loss_open(conn);
}

static void refuse(struct tcp *tcp, const struct arrival *in, enum tcp_reason reason)
{
    tcp_drop(tcp, reason);
    answer_reset(tcp, in);
}

/* open_conn: the cookie was right.  The segment that brought it goes on as any other. */
static void open_conn(struct tcp *tcp, const struct arrival *in, const struct tcp_offer *offer,
                      struct tcp_past *past)
{
    uint8_t bits = tcp_prefix_bits(tcp, in->segment->family);
    uint32_t prefix = tcp_prefix_hash(tcp, in->segment->family, in->segment->src, bits);
    if (tcp_prefix_count(tcp, prefix) >= tcp->settings.per_prefix) {
        refuse(tcp, in, TCP_REASON_prefix);
        return;
    }
    struct tcp_conn *conn = tcp_take_conn(tcp);
    if (!conn) {
        refuse(tcp, in, TCP_REASON_connections);
        return;
    }
    if (!tcp_table_add(tcp, conn, &in->tuple)) {
        tcp_give_conn(tcp, conn);
        refuse(tcp, in, TCP_REASON_connections);
        return;
    }
    fill_in(tcp, conn, in, offer);
    if (past) {
        TCP_COUNT(tcp, reopened);
        tcp_past_remove(tcp, past);
    }
    conn->prefix_bits = bits;
    tcp_prefix_add(tcp, prefix, 1);
    TCP_COUNT(tcp, opened);
    if (!tcp->app.open(tcp->app.app, conn)) {
        tcp_over(tcp, conn, TCP_END_refused);
        return;
    }
    if (tcp->settings.keepalive_ms)
        tcp_timer_set(tcp, conn, TCP_T_IDLE, tcp->settings.keepalive_ms);
    tcp_receive(tcp, conn, &in->head);
}

/* listen takes what belongs to no connection (RFC 9293 sections 3.10.7.1 and 3.10.7.2). */
static void listen(struct tcp *tcp, const struct arrival *in, struct tcp_past *past)
{
    struct tcp_offer offer;
    if (in->head.flags & TCP_RST) {
        tcp_drop(tcp, TCP_REASON_stray_reset);
    } else if (!(in->head.flags & TCP_ACK)) {
        answer_syn(tcp, in);
    } else if (in->head.flags & TCP_SYN) {
        refuse(tcp, in, TCP_REASON_stray);
    } else {
        switch (judge_cookie(tcp, in, &offer)) {
        case TCP_COOKIE_RIGHT:
            open_conn(tcp, in, &offer, past);
            break;
        case TCP_COOKIE_EARLY:
            if (!past) {
                tcp_drop(tcp, TCP_REASON_early);
                break;
            } /* what was open a moment ago is not about to open */
            /* fall through */
        default:
            refuse(tcp, in, TCP_REASON_stray);
        }
    }
}

static void answer_past(struct tcp *tcp, const struct arrival *in, const struct tcp_past *past)
{
    struct tcp_packet packet = {
        .src_port = tcp->port,
        .dst_port = in->head.src_port,
        .seq = past->snd_nxt,
        .ack = past->rcv_nxt,
        .flags = TCP_ACK,
        .options_len = 0,
    };
    if (past->timestamp)
        tcp_option_timestamp(&packet, tcp_ts_now(tcp, past->ts_offset), past->ts_recent);
    tcp_answer(tcp, in->segment, &packet);
}

/* newer: it cannot be a late segment of the connection that is over (RFC 6191; RFC 1122 section
 * 4.2.2.13). */
static bool newer(const struct tcp_past *past, const struct tcp_head *head)
{
    if (past->timestamp && head->has_timestamp && past->ts_recent != head->ts_value)
        return tcp_before(past->ts_recent, head->ts_value);
    return tcp_before(past->rcv_nxt, head->seq);
}

/* time_wait says whether TIME-WAIT has dealt with the segment; if not, it opens something new.
 * Resets are ignored (RFC 1337), and pure acknowledgements not answered. */
static bool time_wait(struct tcp *tcp, const struct arrival *in, struct tcp_past *past)
{
    const struct tcp_head *head = &in->head;
    struct tcp_offer offer;
    bool opens = (head->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ||
                 (!(head->flags & TCP_SYN) && head->ack - 1 != past->iss &&
                  judge_cookie(tcp, in, &offer) == TCP_COOKIE_RIGHT);
    if (!(head->flags & TCP_RST) && opens && newer(past, head))
        return false;
    tcp_drop(tcp, TCP_REASON_time_wait);
    if (head->flags & TCP_RST)
        return true;
    if (head->flags & TCP_FIN && head->seq + head->len + 1 == past->rcv_nxt)
        tcp_past_restart(tcp, past);
    if (head->len || head->flags & (TCP_SYN | TCP_FIN))
        answer_past(tcp, in, past);
    return true;
}

static void no_conn(struct tcp *tcp, const struct arrival *in)
{
    struct tcp_past *past = tcp_past_find(tcp, &in->tuple.id);
    if (past && past->time_wait && time_wait(tcp, in, past))
        return;
    bool handshake = !(in->head.flags & (TCP_SYN | TCP_RST));
    if (past && handshake && in->head.ack - 1 == past->iss)
        refuse(tcp, in, TCP_REASON_replay);
    else
        listen(tcp, in, past);
}

/* learn_link: answers go to where the peer's segments come from, also when that changes. */
static void learn_link(struct tcp_conn *conn, const struct tcp_segment *segment)
{
    uint32_t len = segment->link_len;
    if (conn->link_len == len && !memcmp(conn->link, segment->link + 6, 6) &&
        !memcmp(conn->link + 12, segment->link + 12, len - 12))
        return;
    conn->link_len = (uint8_t)len;
    tcp_link_turn(conn->link, segment->link, len);
}

void tcp_input(struct tcp *tcp, const struct tcp_segment *segment, uint64_t now_ns)
{
    assert(segment->link_len >= 14 && segment->link_len <= TCP_LINK_BYTES_MAX);
    tcp_clock_set(tcp, now_ns);
    TCP_COUNT(tcp, segments_in);
    struct arrival in = {.segment = segment};
    if (!segment->checksum_ok && segment->len >= TCP_HEADER_BYTES && !tcp_checksum_right(segment)) {
        tcp_drop(tcp, TCP_REASON_checksum);
        return;
    }
    int reason = tcp_head_decode(&in.head, segment->bytes, segment->len);
    if (reason >= 0) {
        tcp_drop(tcp, (enum tcp_reason)reason);
        return;
    }
    if (in.head.dst_port != tcp->port) {
        tcp_drop(tcp, TCP_REASON_closed_port);
        if (!(in.head.flags & TCP_RST))
            answer_reset(tcp, &in);
        return;
    }
    if (segment->hashed)
        tcp_tuple_take(&in.tuple, tcp, segment, in.head.src_port);
    else
        tcp_tuple_init(&in.tuple, tcp, segment->family, segment->src, segment->dst,
                       in.head.src_port);
    struct tcp_conn *conn = tcp_table_find(tcp, &in.tuple);
    if (!conn)
        no_conn(tcp, &in);
    else if ((tcp_receive_fast(tcp, conn, &in.head) || tcp_receive(tcp, conn, &in.head)) &&
             conn->state != TCP_OVER && conn->state != TCP_FREE)
        learn_link(conn, segment);
}
