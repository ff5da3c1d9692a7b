/* tcp_output.c - what a connection sends: what is lost, what is new, and what is owed. */
#include "dataplane/tcp_impl.h"

/* tcp_window_edge returns the right edge of the receive window to announce.  It never moves back,
 * and forward by a full segment or half of the window at least (RFC 9293 section 3.8.6.2.2). */
uint32_t tcp_window_edge(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t bytes = tcp->settings.receive_bytes;
    uint32_t unread = tcp_finished(conn) ? 0 : tcp_min(conn->unread, bytes);
    uint32_t edge = conn->rcv_nxt + bytes - unread;
    if (!(conn->flags & TCP_F_WSCALE) && edge - conn->rcv_nxt > UINT16_MAX)
        edge = conn->rcv_nxt + UINT16_MAX;
    if (!tcp_before(conn->rcv_adv, edge))
        return conn->rcv_adv;
    return edge - conn->rcv_adv >= tcp_min(conn->rcv_mss, bytes / 2) ? edge : conn->rcv_adv;
}

static struct tcp_packet begin(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq)
{
    uint32_t half = conn->family == 4 ? 4 : 16;
    struct tcp_packet packet = {
        .link = conn->link,
        .link_len = conn->link_len,
        .family = conn->family,
        .src = conn->addrs + half,
        .dst = conn->addrs,
        .src_port = tcp->port,
        .dst_port = conn->peer_port,
        .seq = seq,
        .ack = conn->rcv_nxt,
        .flags = TCP_ACK,
        .options_len = 0,
    };
    if (conn->flags & TCP_F_TIMESTAMP)
        tcp_option_timestamp(&packet, tcp_ts_now(tcp, conn->ts_offset), conn->ts_recent);
    return packet;
}

/* announce fills in the window and settles what was owed: every segment acknowledges. */
static void announce(struct tcp *tcp, struct tcp_conn *conn, struct tcp_packet *packet)
{
    uint32_t edge = tcp_window_edge(tcp, conn);
    uint32_t window = edge - conn->rcv_nxt;
    if (conn->flags & TCP_F_WSCALE) {
        /* Rounded up when it must not move back, which rounding down would. */
        window = (window + (1u << TCP_WSCALE) - 1) >> TCP_WSCALE;
        edge = conn->rcv_nxt + (window << TCP_WSCALE);
    }
    packet->window = (uint16_t)window;
    conn->rcv_adv = edge;
    conn->rcv_acked = conn->rcv_nxt;
    conn->flags &= ~(TCP_F_ACK_NOW | TCP_F_KEEPALIVE);
    tcp_timer_stop(conn, TCP_T_ACK);
}

static void finish(struct tcp *tcp, uint8_t *frame, void *buffer, const struct tcp_packet *packet,
                   uint32_t len)
{
    uint32_t bytes = tcp_packet_encode(frame, packet, len, tcp->tx_checksum);
    assert(bytes <= TCP_FRAME_MAX);
    TCP_COUNT(tcp, segments_out);
    tcp->link.send(tcp->link.link, buffer, bytes);
}

static uint8_t *take_frame(struct tcp *tcp, void **buffer)
{
    uint8_t *frame = tcp->link.alloc(tcp->link.link, buffer);
    if (!frame)
        TCP_COUNT(tcp, no_frame);
    return frame;
}

static void add_sacks(const struct tcp *tcp, const struct tcp_conn *conn, struct tcp_packet *packet)
{
    if (!(conn->flags & TCP_F_SACK) || conn->store == TCP_NONE)
        return;
    struct tcp_range ranges[TCP_SACKS_MAX];
    unsigned room = (TCP_OPTIONS_MAX - packet->options_len - 4u) / 8;
    unsigned count = tcp_store_ranges(tcp, conn, ranges, tcp_min(room, TCP_SACKS_MAX));
    if (count)
        tcp_option_sack(packet, ranges, count);
}

/* send_bare sends a segment without data: an acknowledgement, a probe, or a reset. */
static bool send_bare(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint8_t flags)
{
    void *buffer;
    uint8_t *frame = take_frame(tcp, &buffer);
    if (!frame)
        return false;
    struct tcp_packet packet = begin(tcp, conn, seq);
    packet.flags = flags;
    add_sacks(tcp, conn, &packet);
    announce(tcp, conn, &packet);
    finish(tcp, frame, buffer, &packet, 0);
    return true;
}

/* bare_seq: behind all that was sent, unless that is outside the peer's window, where nothing
 * counts. */
static uint32_t bare_seq(const struct tcp_conn *conn)
{
    return conn->snd_max - conn->snd_una <= tcp_snd_wnd(conn) ? conn->snd_max : conn->snd_nxt;
}

bool tcp_send_reset(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!send_bare(tcp, conn, bare_seq(conn), TCP_RST | TCP_ACK))
        return false;
    TCP_COUNT(tcp, resets_out);
    return true;
}

/* time_it measures one segment's round trip at a time (RFC 6298 section 3), never that of one which
 * was sent before. */
static void time_it(struct tcp *tcp, struct tcp_conn *conn, uint32_t end)
{
    if (conn->flags & TCP_F_RTT)
        return;
    conn->flags |= TCP_F_RTT;
    conn->rtt_seq = end;
    conn->rtt_at_us = tcp->now_us;
}

/* mark_sent notes that everything up to end has been sent; again: some of it was before. */
static void mark_sent(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint32_t end)
{
    if (tcp_before(seq, conn->snd_max))
        TCP_COUNT(tcp, retransmits);
    else
        time_it(tcp, conn, end);
    if (tcp_before(conn->snd_max, end))
        conn->snd_max = end;
    if (conn->flags & TCP_F_PERSIST) {
        conn->flags &= ~TCP_F_PERSIST;
        conn->backoff = 0;
        tcp_timer_stop(conn, TCP_T_REXMIT);
    }
    if (!(conn->armed & 1u << TCP_T_REXMIT))
        tcp_timer_set(tcp, conn, TCP_T_REXMIT, tcp_rto(tcp, conn));
}

/* send_data sends len bytes from seq on, and our FIN when it stands right behind them. */
static bool send_data(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    void *buffer;
    uint8_t *frame = take_frame(tcp, &buffer);
    if (!frame)
        return false;
    struct tcp_packet packet = begin(tcp, conn, seq);
    uint32_t offset = seq - conn->snd_una, end = seq + len;
    if (len)
        tcp_queue_copy(tcp, conn, offset, frame + tcp_packet_head_bytes(&packet), len);
    if (offset + len == conn->queued) {
        packet.flags |= len ? TCP_PSH : 0;
        if (tcp_fin_queued(conn)) {
            packet.flags |= TCP_FIN;
            end++;
        }
    }
    announce(tcp, conn, &packet);
    finish(tcp, frame, buffer, &packet, len);
    mark_sent(tcp, conn, seq, end);
    if (tcp_before(conn->snd_nxt, end) && !tcp_before(conn->snd_nxt, seq))
        conn->snd_nxt = end;
    return true;
}

/* segment_bytes returns how much data fits into one segment: ranges to be told take room. */
static uint32_t segment_bytes(const struct tcp_conn *conn)
{
    return conn->mss - (conn->flags & TCP_F_TIMESTAMP ? TCP_TIMESTAMP_BYTES : 0u);
}

/* send_hole sends what recovery finds to be lost.  Returns 1 when it did, 0 when there is nothing,
 * -1 without a frame. */
static int send_hole(struct tcp *tcp, struct tcp_conn *conn)
{
    struct tcp_range hole = tcp_loss_hole(conn);
    bool forced = conn->flags & TCP_F_RESEND;
    if (forced)
        hole = (struct tcp_range){conn->snd_una, conn->snd_max};
    uint32_t limit = conn->snd_una + conn->queued; /* a FIN is no data */
    if (tcp_before(limit, hole.end))
        hole.end = limit;
    if (hole.start == hole.end && !forced)
        return 0;
    if (!forced && tcp_loss_pipe(conn) + conn->mss > conn->cwnd)
        return 0;
    uint32_t len = tcp_min(hole.end - hole.start, segment_bytes(conn));
    if (!send_data(tcp, conn, hole.start, len))
        return -1;
    conn->flags &= ~TCP_F_RESEND;
    if (tcp_before(conn->high_rxt, hole.start + len))
        conn->high_rxt = hole.start + len;
    if (forced) /* RFC 6298 section 5.3 would have it run out while the loss is being mended */
        tcp_timer_set(tcp, conn, TCP_T_REXMIT, tcp_rto(tcp, conn));
    return 1;
}

/* usable returns how many bytes beyond snd_nxt congestion control and the peer's window allow. */
static uint32_t usable(const struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_nxt - conn->snd_una, cwnd = conn->cwnd;
    uint32_t in_network = flight;
    if (conn->flags & TCP_F_RECOVERY && conn->flags & TCP_F_SACK)
        in_network = tcp_loss_pipe(conn);
    else if (!(conn->flags & TCP_F_RECOVERY) && conn->dup_acks && conn->dup_acks < 3)
        cwnd += conn->dup_acks * conn->mss; /* RFC 3042 */
    uint32_t by_cwnd = cwnd > in_network ? cwnd - in_network : 0;
    uint32_t window = tcp_snd_wnd(conn), by_peer = window > flight ? window - flight : 0;
    return tcp_min(by_cwnd, by_peer);
}

/* worth_sending: a full segment, all that there is, or half of the largest window ever seen (RFC
 * 9293 section 3.8.6.2.1).  Nagle's wait is left out: an application here sends whole answers. */
static bool worth_sending(const struct tcp_conn *conn, uint32_t len, uint32_t left)
{
    return len && (len == left || len == segment_bytes(conn) || len >= tcp_snd_wnd_max(conn) / 2);
}

/* send_new sends the next data that was not sent, or is sent again after a timeout, or our FIN.
 * Returns as send_hole. */
static int send_new(struct tcp *tcp, struct tcp_conn *conn)
{
    uint32_t sent = conn->snd_nxt - conn->snd_una;
    if (conn->snd_nxt == tcp_snd_end(conn) || sent > conn->queued)
        return 0;
    uint32_t left = conn->queued - sent;
    uint32_t len = tcp_min(tcp_min(left, usable(conn)), segment_bytes(conn));
    if (left && !worth_sending(conn, len, left))
        return 0;
    if (!send_data(tcp, conn, conn->snd_nxt, len))
        return -1;
    if (conn->flags & TCP_F_SHUT) {
        conn->flags &= ~TCP_F_SHUT;
        tcp_stuck_remove(tcp, conn);
    }
    return 1;
}

/* persist starts the timer of window probes when the peer's window is all that holds us back. */
static void persist(struct tcp *tcp, struct tcp_conn *conn)
{
    bool waits = conn->queued && conn->snd_nxt == conn->snd_una &&
                 !(conn->flags & (TCP_F_RECOVERY | TCP_F_PROBE));
    if (!waits || (conn->armed & 1u << TCP_T_REXMIT && conn->flags & TCP_F_PERSIST))
        return;
    conn->flags |= TCP_F_PERSIST;
    if (!(conn->flags & TCP_F_SHUT)) {
        conn->flags |= TCP_F_SHUT;
        conn->shut_at = tcp->now_ms;
        conn->backoff = 0;
        tcp_stuck_add(tcp, conn);
    }
    uint32_t shut = tcp->now_ms - conn->shut_at, limit = tcp->settings.zero_window_ms;
    tcp_timer_set(tcp, conn, TCP_T_REXMIT,
                  tcp_min(tcp_rto(tcp, conn), shut < limit ? limit - shut : 0));
}

/* send_probe sends what the window lets through, and one byte when that is nothing. */
static bool send_probe(struct tcp *tcp, struct tcp_conn *conn)
{
    if (!conn->queued || conn->snd_nxt != conn->snd_una) {
        conn->flags &= ~TCP_F_PROBE;
        return true;
    }
    uint32_t len = tcp_min(conn->queued, segment_bytes(conn));
    len = tcp_max(1, tcp_min(len, tcp_snd_wnd(conn)));
    void *buffer;
    uint8_t *frame = take_frame(tcp, &buffer);
    if (!frame)
        return false;
    struct tcp_packet packet = begin(tcp, conn, conn->snd_una);
    tcp_queue_copy(tcp, conn, 0, frame + tcp_packet_head_bytes(&packet), len);
    announce(tcp, conn, &packet);
    finish(tcp, frame, buffer, &packet, len);
    TCP_COUNT(tcp, probes);
    conn->flags &= ~TCP_F_PROBE;
    if (tcp_before(conn->snd_max, conn->snd_una + len))
        conn->snd_max = conn->snd_una + len;
    return true;
}

static bool send_owed(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->flags & TCP_F_KEEPALIVE) {
        if (!send_bare(tcp, conn, conn->snd_una - 1, TCP_ACK))
            return false;
        TCP_COUNT(tcp, keepalives);
    }
    while (conn->flags & TCP_F_ACK_NOW || conn->acks_owed) {
        if (!send_bare(tcp, conn, bare_seq(conn), TCP_ACK))
            return false;
        if (conn->acks_owed)
            conn->acks_owed--;
    }
    return true;
}

/* widen says whether the window has opened by so much that the peer should hear of it. */
static bool widen(const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t opened = tcp_window_edge(tcp, conn) - conn->rcv_adv;
    return opened >= tcp_min(tcp->settings.receive_bytes / 2, 2u * conn->rcv_mss) &&
           conn->rcv_adv - conn->rcv_nxt < tcp->settings.receive_bytes / 2 && opened;
}

bool tcp_output(struct tcp *tcp, struct tcp_conn *conn)
{
    if (conn->snd_una == conn->snd_max && tcp->now_ms - conn->heard_at > tcp_rto(tcp, conn))
        tcp_loss_restart(conn);
    int sent = 1;
    for (unsigned i = 0; i < TCP_BURST && sent > 0; i++) {
        sent = conn->flags & TCP_F_RECOVERY ? send_hole(tcp, conn) : 0;
        if (sent == 0)
            sent = send_new(tcp, conn);
    }
    if (sent < 0 || (conn->flags & TCP_F_PROBE && !send_probe(tcp, conn)))
        return false;
    persist(tcp, conn);
    if (widen(tcp, conn))
        conn->flags |= TCP_F_ACK_NOW;
    if (!send_owed(tcp, conn))
        return false;
    if (sent > 0) /* there may be more, in the next turn */
        tcp_want_output(tcp, conn);
    return true;
}

void tcp_answer(struct tcp *tcp, const struct tcp_segment *segment, struct tcp_packet *packet)
{
    uint8_t link[TCP_LINK_BYTES_MAX];
    void *buffer;
    uint8_t *frame = take_frame(tcp, &buffer);
    if (!frame)
        return;
    tcp_link_turn(link, segment->link, segment->link_len);
    packet->link = link;
    packet->link_len = (uint8_t)segment->link_len;
    packet->family = segment->family;
    packet->src = segment->dst;
    packet->dst = segment->src;
    finish(tcp, frame, buffer, packet, 0);
}
