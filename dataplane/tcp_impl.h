/* tcp_impl.h - what the files of the TCP engine share: the connection, the instance, and who does
 * what.
 *
 *   tcp.c             memory, the calls of the application, the poll
 *   tcp_input.c       a segment's way to its connection, and what belongs to none
 *   tcp_receive.c     a segment within its connection: RFC 9293 section 3.10.7.4
 *   tcp_output.c      what a connection sends
 *   tcp_loss.c        round trips, congestion, loss recovery
 *   tcp_timer.c       the wheel, and what happens when a time has come
 *   tcp_reassembly.c  the receive store
 *   tcp_pool.c        chunks, and the send queue in them
 *   tcp_stuck.c       who does not take what is sent, and gives way
 *   tcp_table.c       connections by their addresses; counts per prefix
 *   tcp_timewait.c    connections that are over
 *   tcp_cookie.c      SYN cookies, timestamps' offsets
 *   tcp_icmp.c        ICMP errors
 *
 * Sequence numbers compare by their difference (RFC 9293 section 3.4).  Times are milliseconds
 * since tcp_init in 32 bits and compare in the same way.  Connections, chunks and entries are named
 * by index, TCP_NONE for none.
 */
#pragma once

#include <assert.h>

#include "dataplane/base/counter.h"
#include "dataplane/tcp_segment.h"

#define TCP_NONE UINT32_MAX

/* The window scale that we announce: constant, since a cookie has no room for it. */
#define TCP_WSCALE 7

#define TCP_SCOREBOARD    4  /* ranges that the peer has told to have, kept while it lacks others */
#define TCP_RUNS_MAX      8  /* ranges kept beyond what is missing */
#define TCP_DUP_THRESHOLD 3  /* RFC 5681 section 2 */
#define TCP_BURST         16 /* segments of one connection in one turn */
#define TCP_MSS_FLOOR     536
#define TCP_MSS_FLOOR6    1220
#define TCP_DUP_ACKS_MAX  4

enum tcp_state {
    TCP_FREE,
    TCP_ESTABLISHED,
    TCP_CLOSE_WAIT,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_OVER /* freed as soon as it leaves the output list */
};

enum tcp_flag {
    TCP_F_TIMESTAMP = 1 << 0,
    TCP_F_SACK = 1 << 1,
    TCP_F_WSCALE = 1 << 2,
    TCP_F_QUEUED = 1 << 3,     /* on the output list */
    TCP_F_ACK_NOW = 1 << 4,    /* an acknowledgement is owed in this turn */
    TCP_F_PAUSED = 1 << 5,     /* the application took less than it was offered */
    TCP_F_RESUMED = 1 << 6,    /* ... and can take the rest now */
    TCP_F_BLOCKED = 1 << 7,    /* the application was told that there is no room to send */
    TCP_F_PEER_FIN = 1 << 8,   /* the peer's FIN has been received in order */
    TCP_F_ENDED = 1 << 9,      /* ... and the application told */
    TCP_F_ABORT = 1 << 10,     /* to be reset */
    TCP_F_RECOVERY = 1 << 11,  /* loss recovery until `recover` is acknowledged */
    TCP_F_RESEND = 1 << 12,    /* the segment at snd_una is to be sent again */
    TCP_F_RTT = 1 << 13,       /* rtt_seq is being timed */
    TCP_F_RTO = 1 << 14,       /* something was sent again and not yet acknowledged (Karn) */
    TCP_F_PERSIST = 1 << 15,   /* the rexmit timer is the persist timer */
    TCP_F_SHUT = 1 << 16,      /* the window has been too small since shut_at */
    TCP_F_PROBE = 1 << 17,     /* a window probe is due */
    TCP_F_KEEPALIVE = 1 << 18, /* a keep-alive probe is due */
    TCP_F_LINGER = 1 << 19,    /* the idle timer counts from our FIN's acknowledgement */
    TCP_F_CHALLENGE = 1 << 20, /* ACK_NOW is owed as a challenge */
    TCP_F_STUCK = 1 << 21,     /* in the list of those who do not take what is sent */
    TCP_F_GAVE_WAY = 1 << 22,  /* to be reset, since its chunks were needed */
};

/* Timers of a connection; the earliest armed one is where it hangs in the wheel. */
enum tcp_timer { TCP_T_REXMIT, TCP_T_ACK, TCP_T_IDLE, TCP_T_WAKE, TCP_T_COUNT };

/* Four cache lines, of which an exchange of small segments touches each: there is one such struct
 * for every idle peer. */
struct tcp_conn {
    /* Who it is. */
    uint8_t addrs[32]; /* the peer's, then ours, as in the peer's segments */
    uint8_t link[TCP_LINK_BYTES_MAX];
    uint8_t link_len;
    uint8_t family;
    uint16_t peer_port;
    uint8_t state;  /* enum tcp_state */
    uint8_t armed;  /* 1 << enum tcp_timer */
    uint32_t flags; /* enum tcp_flag */

    /* Receiving. */
    uint32_t rcv_nxt;
    uint32_t rcv_adv;   /* right edge of the window that was announced */
    uint32_t rcv_acked; /* what was acknowledged last */
    uint32_t unread;    /* bytes before rcv_nxt that the application did not take: they are in the
                           store, or, once it is done, thrown away */
    uint32_t ts_recent, ts_offset;
    uint32_t store; /* first chunk of the receive store */
    uint16_t store_chunks;
    uint16_t rcv_mss; /* the longest segment that came, which is what a full one is taken to be */

    /* Sending. */
    uint32_t snd_una, snd_nxt;
    uint32_t snd_max;      /* the highest that was ever sent */
    uint16_t wnd, wnd_max; /* the peer's window, now and at its widest, as its header says it */
    uint32_t snd_wl1;
    uint32_t queue, queue_last; /* chunks from snd_una on */
    uint32_t queued;            /* bytes in them */
    uint16_t mss;               /* payload of a full segment without options */
    uint8_t snd_shift;          /* the peer's window scale */
    uint8_t acks_owed;          /* duplicate acknowledgements for this turn */

    /* Loss and round trips. */
    uint32_t cwnd, ssthresh;
    uint32_t recover;
    uint32_t high_rxt; /* in recovery: sent again up to here */
    struct tcp_range scoreboard[TCP_SCOREBOARD];
    uint32_t rtt_seq, rtt_at_us;
    uint32_t srtt_us, rttvar_us; /* 0: no sample */
    uint8_t scoreboard_count;
    uint8_t dup_acks;
    uint8_t backoff;
    uint8_t retries;
    uint8_t probes;           /* keep-alive probes without an answer */
    uint8_t challenges;       /* sent in the second that is ... */
    uint8_t challenge_second; /* ... this one */
    uint8_t prefix_bits;      /* of the prefix under which it is counted */

    /* Times. */
    uint16_t timer_slot; /* where in the wheel */
    uint32_t at[TCP_T_COUNT];
    uint32_t timer_at; /* when the wheel will look at it */
    uint32_t timer_next, timer_prev;
    uint32_t heard_at; /* of the last segment from the peer */
    uint32_t shut_at;

    uint32_t hash_next;
    uint32_t out_next; /* output list, or the list of the free */
    uint32_t iss;
};

struct tcp_stuck { /* a connection's place in the list of tcp_stuck.c */
    uint32_t before, after;
};

struct tcp_chunk {
    uint32_t next;
    uint32_t seq; /* of its first byte; receive store only */
    uint16_t start, len;
    uint32_t stamp; /* receive store: the later the higher */
    uint8_t data[TCP_CHUNK_DATA];
};

#define TCP_WHEEL_BITS   8
#define TCP_WHEEL_SLOTS  (1u << TCP_WHEEL_BITS)
#define TCP_WHEEL_LEVELS 3
#define TCP_SLOT_NONE    UINT16_MAX

struct tcp_wheel {
    uint32_t tick; /* the next to be looked at */
    uint32_t heads[TCP_WHEEL_SLOTS * TCP_WHEEL_LEVELS];
};

/* A connection that is over.  In TIME-WAIT it answers for it; else it only remembers that the
 * cookie has been used. */
struct tcp_past {
    struct hash128 id;
    uint32_t hash_next;
    uint32_t older, newer; /* by age */
    uint32_t until;
    uint32_t snd_nxt, rcv_nxt;
    uint32_t iss;
    uint32_t ts_recent, ts_offset;
    bool time_wait, timestamp;
};

/* Whom a segment is from: its addresses and ports as the hash and the cookies see them. */
struct tcp_tuple {
    uint8_t bytes[40]; /* the peer's address, ours, the peer's port, ours, the family, zeros */
    struct hash128 id;
};

struct tcp {
    struct tcp_settings settings;
    struct tcp_link link;
    struct tcp_app app;
    struct tcp_limits limits;
    const struct hash_key *key;
    uint64_t sip[2];
    uint16_t port, mtu;
    bool tx_checksum;

    uint64_t start_ns;
    uint32_t now_ms, now_us;
    uint32_t slot; /* of cookies */

    struct tcp_conn *conns;
    uint32_t *heads; /* of the chains of the connection table */
    uint32_t head_mask;
    uint32_t *prefixes[2];
    uint32_t prefix_mask;
    uint32_t free_conn;  /* list of those that were used before */
    uint32_t fresh_conn; /* from here on, none was */
    uint32_t out_first, out_last;
    struct tcp_stuck *stuck; /* [limits.connections] */
    uint32_t stuck_first, stuck_last;

    struct tcp_chunk *chunks;
    uint32_t free_chunk, fresh_chunk;
    uint32_t stamp;

    struct tcp_past *pasts;
    uint32_t *past_heads;
    uint32_t past_mask;
    uint32_t past_oldest, past_newest;
    uint32_t free_past, fresh_past;

    struct tcp_wheel wheel;

    /* Written by the core, read by the control thread. */
    struct tcp_counters counters __attribute__((aligned(64)));
};

#define TCP_COUNT(tcp, name) counter_add(&(tcp)->counters.name, 1)

static inline bool tcp_before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline uint32_t tcp_min(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t tcp_max(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline void tcp_drop(struct tcp *tcp, enum tcp_reason reason)
{
    TCP_COUNT(tcp, dropped[reason]);
}

static inline struct tcp_conn *tcp_conn(struct tcp *tcp, uint32_t index)
{
    return &tcp->conns[index];
}

static inline uint32_t tcp_index(const struct tcp *tcp, const struct tcp_conn *conn)
{
    return (uint32_t)(conn - tcp->conns);
}

/* tcp_fin_queued: our FIN stands behind the send queue, and was not acknowledged yet. */
static inline bool tcp_fin_queued(const struct tcp_conn *conn)
{
    return conn->state == TCP_FIN_WAIT_1 || conn->state == TCP_CLOSING ||
           conn->state == TCP_LAST_ACK;
}

/* tcp_finished: the application said that it is done. */
static inline bool tcp_finished(const struct tcp_conn *conn)
{
    return tcp_fin_queued(conn) || conn->state == TCP_FIN_WAIT_2;
}

/* tcp_snd_wnd is the peer's window in bytes, tcp_snd_wnd_max the widest that it has told. */
static inline uint32_t tcp_snd_wnd(const struct tcp_conn *conn)
{
    return (uint32_t)conn->wnd << conn->snd_shift;
}

static inline uint32_t tcp_snd_wnd_max(const struct tcp_conn *conn)
{
    return (uint32_t)conn->wnd_max << conn->snd_shift;
}

/* tcp_snd_end is the sequence number behind all that is queued, FIN included. */
static inline uint32_t tcp_snd_end(const struct tcp_conn *conn)
{
    return conn->snd_una + conn->queued + tcp_fin_queued(conn);
}

static inline uint32_t tcp_ts_now(const struct tcp *tcp, uint32_t offset)
{
    return tcp->now_ms + offset;
}

/* tcp_our_mss is what we can receive in one segment, and send at most. */
static inline uint16_t tcp_our_mss(const struct tcp *tcp, uint8_t family)
{
    uint32_t headers = TCP_HEADER_BYTES + (family == 4 ? TCP_IPV4_BYTES : TCP_IPV6_BYTES);
    return (uint16_t)(tcp->mtu - headers);
}

/* tcp.c */
void tcp_clock_set(struct tcp *tcp, uint64_t now_ns);
/* tcp_want_output puts the connection on the output list. */
void tcp_want_output(struct tcp *tcp, struct tcp_conn *conn);
static inline void tcp_ack_now(struct tcp *tcp, struct tcp_conn *conn)
{
    conn->flags |= TCP_F_ACK_NOW;
    tcp_want_output(tcp, conn);
}
/* tcp_over ends a connection and tells the application. */
void tcp_over(struct tcp *tcp, struct tcp_conn *conn, enum tcp_end why);
/* tcp_take_conn returns a cleared connection that is in no list, or NULL: none is free. */
struct tcp_conn *tcp_take_conn(struct tcp *tcp);
void tcp_give_conn(struct tcp *tcp, struct tcp_conn *conn);

/* tcp_table.c */
void tcp_tuple_init(struct tcp_tuple *tuple, const struct tcp *tcp, uint8_t family,
                    const uint8_t *peer, const uint8_t *ours, uint16_t peer_port);
/* tcp_tuple_take fills in the same, with a hash that was made before. */
void tcp_tuple_take(struct tcp_tuple *tuple, const struct tcp *tcp,
                    const struct tcp_segment *segment, uint16_t peer_port);
struct tcp_conn *tcp_table_find(struct tcp *tcp, const struct tcp_tuple *tuple);
/* tcp_table_add returns false when the chain is longer than chance makes it. */
bool tcp_table_add(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tuple *tuple);
void tcp_table_remove(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tuple *tuple);
void tcp_tuple_of(struct tcp_tuple *tuple, const struct tcp *tcp, const struct tcp_conn *conn);
uint8_t tcp_prefix_bits(const struct tcp *tcp, uint8_t family);
uint32_t tcp_prefix_hash(const struct tcp *tcp, uint8_t family, const uint8_t *addr, uint8_t bits);
uint32_t tcp_prefix_count(const struct tcp *tcp, uint32_t prefix);
void tcp_prefix_add(struct tcp *tcp, uint32_t prefix, int change);

/* tcp_cookie.c */
struct tcp_offer { /* what a SYN said, as far as a cookie can carry it */
    uint16_t mss;
    uint8_t wscale; /* [0, 14], or TCP_NO_WSCALE */
    bool sack;
    bool timestamp; /* of itself seen in every segment, and so handed in to tcp_cookie_check */
};
enum tcp_cookie { TCP_COOKIE_WRONG, TCP_COOKIE_EARLY, TCP_COOKIE_RIGHT };
uint32_t tcp_cookie_make(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t irs,
                         const struct tcp_offer *offer);
/* tcp_cookie_check looks at an ACK to sequence number iss + 1 from seq irs + 1.  EARLY: the cookie
 * is ours and fresh as far as can be told, but irs is not what it was made for. */
enum tcp_cookie tcp_cookie_check(const struct tcp *tcp, const struct tcp_tuple *tuple, uint32_t iss,
                                 uint32_t irs, struct tcp_offer *offer);
uint32_t tcp_cookie_ts_offset(const struct tcp *tcp, const struct tcp_tuple *tuple);
/* tcp_cookie_fresh_echo says whether an echoed timestamp is one that a SYN-ACK carried lately. */
bool tcp_cookie_fresh_echo(const struct tcp *tcp, uint32_t offset, uint32_t echo);
void tcp_cookie_key(struct tcp *tcp, const struct hash_key *key, uint64_t seed);
#define TCP_COOKIE_SLOT_MS 64000u

/* tcp_timewait.c */
struct tcp_past *tcp_past_find(struct tcp *tcp, const struct hash128 *id);
void tcp_past_add(struct tcp *tcp, const struct tcp_conn *conn, const struct hash128 *id,
                  bool time_wait);
void tcp_past_remove(struct tcp *tcp, struct tcp_past *past);
unsigned tcp_past_expire(struct tcp *tcp, unsigned budget);
void tcp_past_restart(struct tcp *tcp, struct tcp_past *past);

/* tcp_pool.c */
uint32_t tcp_chunk_take(struct tcp *tcp, bool to_send);
void tcp_chunk_give(struct tcp *tcp, uint32_t chunk);
void tcp_chunks_give(struct tcp *tcp, uint32_t chunk); /* and all behind it */
uint32_t tcp_queue_append(struct tcp *tcp, struct tcp_conn *conn, const uint8_t *bytes,
                          uint32_t len);
void tcp_queue_drop(struct tcp *tcp, struct tcp_conn *conn, uint32_t len);
void tcp_queue_copy(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t offset,
                    uint8_t *to, uint32_t len);

/* tcp_stuck.c */
void tcp_stuck_add(struct tcp *tcp, struct tcp_conn *conn);
void tcp_stuck_remove(struct tcp *tcp, struct tcp_conn *conn);
/* tcp_stuck_give_way takes the chunks of the connection that has been stuck for longest, unless it
 * is `to`, which wants them: false.  It is reset in the next tcp_poll. */
bool tcp_stuck_give_way(struct tcp *tcp, const struct tcp_conn *to);

/* tcp_reassembly.c */
/* tcp_store_put keeps what is not yet there of [seq, seq + len), which lies in [rcv_nxt, rcv_adv).
 * False: something of it found no room. */
bool tcp_store_put(struct tcp *tcp, struct tcp_conn *conn, uint32_t seq, const uint8_t *bytes,
                   uint32_t len);
/* tcp_store_end returns how far the store goes on without a gap from seq on. */
uint32_t tcp_store_end(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t seq);
/* tcp_store_front returns the bytes at the store's front, *len of them. */
const uint8_t *tcp_store_front(const struct tcp *tcp, const struct tcp_conn *conn, uint32_t *len);
void tcp_store_drop(struct tcp *tcp, struct tcp_conn *conn, uint32_t len);
/* tcp_store_ranges lists up to max ranges beyond rcv_nxt, the one that changed last first (RFC 2018
 * section 4). */
unsigned tcp_store_ranges(const struct tcp *tcp, const struct tcp_conn *conn,
                          struct tcp_range *ranges, unsigned max);

/* tcp_receive.c */
/* tcp_receive returns whether the segment was one of the peer's, as far as that can be told. */
bool tcp_receive(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head);
bool tcp_receive_fast(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head);
void tcp_offer_store(struct tcp *tcp, struct tcp_conn *conn);
void tcp_challenge(struct tcp *tcp, struct tcp_conn *conn);

/* tcp_output.c */
/* tcp_output sends what the connection may send; false: no frame, try again later. */
bool tcp_output(struct tcp *tcp, struct tcp_conn *conn);
bool tcp_send_reset(struct tcp *tcp, struct tcp_conn *conn);
uint32_t tcp_window_edge(const struct tcp *tcp, const struct tcp_conn *conn);
/* tcp_answer sends one segment that belongs to no connection, back to where *segment came from. */
void tcp_answer(struct tcp *tcp, const struct tcp_segment *segment, struct tcp_packet *packet);

/* tcp_loss.c */
void tcp_loss_open(struct tcp_conn *conn);
void tcp_loss_restart(struct tcp_conn *conn);
void tcp_loss_acked(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_head *head,
                    uint32_t acked, uint32_t flight);
void tcp_loss_duplicate(struct tcp *tcp, struct tcp_conn *conn);
bool tcp_loss_sacks(struct tcp_conn *conn, const struct tcp_head *head);
void tcp_loss_timeout(struct tcp *tcp, struct tcp_conn *conn);
void tcp_loss_sample(struct tcp_conn *conn, uint32_t rtt_us);
uint32_t tcp_loss_pipe(const struct tcp_conn *conn);
/* tcp_loss_hole finds what recovery sends next of what was sent before; an empty range: nothing. */
struct tcp_range tcp_loss_hole(const struct tcp_conn *conn);
uint32_t tcp_rto(const struct tcp *tcp, const struct tcp_conn *conn);

/* tcp_timer.c */
void tcp_wheel_init(struct tcp_wheel *wheel);
void tcp_timer_set(struct tcp *tcp, struct tcp_conn *conn, enum tcp_timer timer, uint32_t in_ms);
void tcp_timer_stop(struct tcp_conn *conn, enum tcp_timer timer);
void tcp_timer_remove(struct tcp *tcp, struct tcp_conn *conn);
unsigned tcp_timer_poll(struct tcp *tcp, unsigned budget);
