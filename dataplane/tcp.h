/* tcp.h - the server side of TCP (RFC 9293), passive open only: one instance per core, sharing
 * nothing, over frames that somebody else receives and sends.
 *
 * One design decision explains most of it: what a stranger sends costs no memory.  A SYN is
 * answered with a cookie, and a connection exists from the segment that brings the cookie back.
 * From there on everything is bounded: connections in all and per source prefix, chunks of buffer
 * in all and per connection, work per segment and per poll.
 *
 * Segments come in by tcp_input, which calls the application at once; what there is to send leaves
 * by tcp_poll, so that one segment carries the answer, the acknowledgement and the window together.
 * Only what belongs to no connection (SYN-ACK, RST, the acknowledgements of TIME-WAIT) leaves from
 * tcp_input.
 *
 * No clock is read: every entry point is given the time.  No randomness is made: the key is given.
 *
 * Memory:  all from the arena, in tcp_init; tcp_conn_bytes per connection that holds no data.
 * Threads: one core calls everything; counters are read by any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/arena.h"
#include "dataplane/base/hash.h"

#define TCP_LINK_BYTES_MAX  22   /* Ethernet header with two VLAN tags */
#define TCP_MTU_MIN         576  /* over IPv6: 1280 */
#define TCP_MTU_MAX         1500 /* of the link: frames are single buffers */
#define TCP_FRAME_MAX       (TCP_LINK_BYTES_MAX + TCP_MTU_MAX)
#define TCP_CHUNK_BYTES     2048 /* the unit of buffer memory, of which TCP_CHUNK_DATA hold data */
#define TCP_CHUNK_DATA      2032
#define TCP_CONNECTIONS_MAX (1u << 22)

struct tcp;
struct tcp_conn;

/* TCP_REASON(name, help): why a segment or an ICMP error was dropped, each counted. */
#define TCP_REASON_LIST(TCP_REASON)                                                                \
    TCP_REASON(header, "shorter than a TCP header, or its header length is wrong")                 \
    TCP_REASON(checksum, "wrong TCP checksum")                                                     \
    TCP_REASON(flags, "a combination of flags that no TCP sends")                                  \
    TCP_REASON(options, "TCP options that are malformed")                                          \
    TCP_REASON(port, "source port 0")                                                              \
    TCP_REASON(closed_port, "no listener on that TCP port; answered with a reset")                 \
    TCP_REASON(stray, "belongs to no connection and brings no cookie; answered with a reset")      \
    TCP_REASON(stray_reset, "a reset that belongs to no connection")                               \
    TCP_REASON(early, "brings the cookie back, but what came before it is missing")                \
    TCP_REASON(replay, "brings back the cookie of a connection that is over")                      \
    TCP_REASON(time_wait, "for a connection that is over and in TIME-WAIT")                        \
    TCP_REASON(connections, "a connection too many: listen.http.connections")                      \
    TCP_REASON(prefix, "a connection too many from one prefix")                                    \
    TCP_REASON(paws, "older than what has come before, by its timestamp (RFC 7323)")               \
    TCP_REASON(sequence, "outside the receive window")                                             \
    TCP_REASON(ack, "acknowledges what was not sent, or what was long ago (RFC 5961)")             \
    TCP_REASON(no_ack, "carries no acknowledgement")                                               \
    TCP_REASON(syn, "a SYN inside a connection: challenged (RFC 5961)")                            \
    TCP_REASON(reset, "a reset that is not exact: challenged (RFC 5961)")                          \
    TCP_REASON(timestamp, "the timestamp that was agreed on is missing (RFC 7323)")                \
    TCP_REASON(ending, "for a connection that is being reset")                                     \
    TCP_REASON(icmp, "an ICMP error that fits no connection, or not its sequence (RFC 5927)")

enum tcp_reason {
#define TCP_REASON_ENUM(name, help) TCP_REASON_##name,
    TCP_REASON_LIST(TCP_REASON_ENUM)
#undef TCP_REASON_ENUM
        TCP_REASON_COUNT
};

/* TCP_END(name, help): how a connection ended, each counted; what closed() is told. */
#define TCP_END_LIST(TCP_END)                                                                      \
    TCP_END(done, "both sides had said all and confirmed it")                                      \
    TCP_END(reset, "the peer reset it")                                                            \
    TCP_END(aborted, "the application reset it")                                                   \
    TCP_END(refused, "the application did not want it; closed() is not called")                    \
    TCP_END(timeout, "what was sent was not acknowledged, however often")                          \
    TCP_END(window, "the peer kept its window shut for too long")                                  \
    TCP_END(keepalive, "the peer was silent and did not answer when asked")                        \
    TCP_END(linger, "the peer went on after the end: too long, or too much")                       \
    TCP_END(gave_way, "buffers ran out, and it had not taken what was sent for longest")

enum tcp_end {
#define TCP_END_ENUM(name, help) TCP_END_##name,
    TCP_END_LIST(TCP_END_ENUM)
#undef TCP_END_ENUM
        TCP_END_COUNT
};

/* TCP_COUNTER(name, help): what else is counted. */
#define TCP_COUNTER_LIST(TCP_COUNTER)                                                              \
    TCP_COUNTER(segments_in, "segments received")                                                  \
    TCP_COUNTER(segments_out, "segments sent")                                                     \
    TCP_COUNTER(bytes_in, "bytes given to the application, once each")                             \
    TCP_COUNTER(bytes_out, "bytes acknowledged by peers")                                          \
    TCP_COUNTER(syns, "SYNs answered with a cookie")                                               \
    TCP_COUNTER(opened, "connections opened")                                                      \
    TCP_COUNTER(resets_out, "resets sent")                                                         \
    TCP_COUNTER(fast, "segments that took the short way")                                          \
    TCP_COUNTER(acks_delayed, "acknowledgements sent because their time had come")                 \
    TCP_COUNTER(challenges, "challenge acknowledgements sent (RFC 5961)")                          \
    TCP_COUNTER(challenges_held, "challenge acknowledgements over a connection's limit")           \
    TCP_COUNTER(retransmits, "segments sent again")                                                \
    TCP_COUNTER(timeouts, "retransmission timeouts")                                               \
    TCP_COUNTER(recoveries, "losses found by duplicate or selective acknowledgements")             \
    TCP_COUNTER(probes, "zero-window probes sent")                                                 \
    TCP_COUNTER(keepalives, "keep-alive probes sent")                                              \
    TCP_COUNTER(out_of_order, "segments kept until what is missing comes")                         \
    TCP_COUNTER(duplicate, "segments all of whose bytes had come before")                          \
    TCP_COUNTER(overlap, "segments some of whose bytes had come before: the first ones stand")     \
    TCP_COUNTER(beyond_window, "segments cut at the end of the receive window")                    \
    TCP_COUNTER(store_full, "segments not kept: a connection's or the pool's limit")               \
    TCP_COUNTER(send_full, "sends cut short: a connection's or the pool's limit")                  \
    TCP_COUNTER(discarded, "bytes that came after the application was done")                       \
    TCP_COUNTER(no_frame, "times that there was no frame to send in")                              \
    TCP_COUNTER(path_mtu, "segment sizes lowered by an ICMP error")                                \
    TCP_COUNTER(soft_errors, "other ICMP errors for a connection: noted, nothing done")            \
    TCP_COUNTER(reopened, "connections that replaced one in TIME-WAIT")                            \
    TCP_COUNTER(time_wait_reused, "TIME-WAIT entries given up early for newer ones")

struct tcp_counters {
#define TCP_COUNTER_FIELD(name, help) uint64_t name;
    TCP_COUNTER_LIST(TCP_COUNTER_FIELD)
#undef TCP_COUNTER_FIELD
    uint64_t dropped[TCP_REASON_COUNT];
    uint64_t ended[TCP_END_COUNT];
    /* How much there is now. */
    uint64_t connections;
    uint64_t time_waits; /* in TIME-WAIT, or over and remembered */
    uint64_t chunks;     /* in use */
};

/* The names and help texts of the lists above; "unknown" for what is not in them. */
const char *tcp_reason_name(unsigned reason);
const char *tcp_reason_help(unsigned reason);
const char *tcp_end_name(unsigned end);
const char *tcp_end_help(unsigned end);

/* What sizes memory: a restart changes it. */
struct tcp_limits {
    uint32_t connections; /* [1, TCP_CONNECTIONS_MAX] */
    uint32_t time_waits;  /* [1, TCP_CONNECTIONS_MAX]; 64 bytes each */
    uint32_t chunks;      /* [8, 2^22], TCP_CHUNK_BYTES each, for all that is stored or queued */
};

/* What a reload may change; existing connections follow.  Zero is not a default: tcp_settings_init
 * fills in what the comments say. */
struct tcp_settings {
    uint32_t per_prefix;      /* connections from one prefix, >= 1: as many as there are */
    uint8_t prefix4, prefix6; /* bits: [8, 32] 24, [16, 128] 64 */
    uint32_t receive_bytes;   /* window of a connection: [4096, 262144] 65536 */
    uint32_t send_bytes;      /* queued for a connection: [4096, 1048576] 65536 */
    uint32_t rto_min_ms;      /* [10, 10000] 200 */
    uint32_t rto_max_ms;      /* [1000, 120000] 60000 */
    uint32_t retries;         /* of one segment, then the end: [1, 30] 8 */
    uint32_t zero_window_ms;  /* that the peer may keep its window shut: [100, 3600000] 60000 */
    uint32_t delayed_ack_ms;  /* [1, 500] 40 */
    uint32_t keepalive_ms;    /* of silence until the first probe: 0 off, [1000, 86400000] 75000 */
    uint32_t keepalive_every_ms; /* [100, 600000] 15000 */
    uint32_t keepalive_probes;   /* [1, 30] 4 */
    uint32_t linger_ms;          /* for the peer's end after ours: [100, 600000] 10000 */
    uint32_t linger_bytes;       /* taken and thrown away meanwhile: [0, 2^30] 1048576 */
    uint32_t time_wait_ms;       /* [1000, 240000] 60000 */
    uint32_t challenges;         /* challenge ACKs per connection and second: [1, 1000] 10 */
};

void tcp_settings_init(struct tcp_settings *settings);

/* One received TCP segment, as net.c found it in a frame. */
struct tcp_segment {
    const uint8_t *link; /* Ethernet header with its VLAN tags: answers go back the way it came */
    uint32_t link_len;   /* 14, 18 or 22 */
    uint8_t family;      /* 4 or 6 */
    bool checksum_ok;    /* the port has verified it; else tcp_input does */
    const uint8_t *src, *dst; /* addresses in the frame, 4 or 16 bytes */
    const uint8_t *bytes;     /* TCP header and payload */
    uint32_t len;             /* by the IP header, in [0, 65535] */

    /* tcp_prefetch's. */
    bool hashed;     /* `tuple` is the hash of the addresses and ports */
    uint32_t likely; /* number of the connection that it may belong to, UINT32_MAX: none */
    struct hash128 tuple;
};

/* One ICMP or ICMPv6 error whose quoted packet is TCP from an address of ours.  The message's own
 * checksum has been verified. */
struct tcp_icmp {
    uint8_t family;
    uint8_t type, code;
    uint32_t mtu;             /* ICMP: the 16 bits at 6; ICMPv6: the 32 bits at 4 */
    const uint8_t *src, *dst; /* the quoted packet's: ours, the peer's */
    const uint8_t *bytes;     /* the quoted TCP header, of which 8 bytes are needed */
    uint32_t len;
};

/* Where frames go out: the rx part, or a simulated wire. */
struct tcp_link {
    /* alloc gives room for one frame of TCP_FRAME_MAX bytes and a handle for it; NULL: none now.
     * What was taken is always sent before the call into tcp returns. */
    uint8_t *(*alloc)(void *link, void **buffer);
    /* send takes a whole frame of len bytes: link header, IP and TCP header, payload, checksums. */
    void (*send)(void *link, void *buffer, uint32_t len);
    void *link;
};

/* The one application that listens.  Every callback may call the functions below on its own or any
 * other connection. */
struct tcp_app {
    /* open: the handshake is complete.  False: reset, counted, no further call for it. */
    bool (*open)(void *app, struct tcp_conn *conn);
    /* data: len >= 1 bytes in order, valid during the call.  Returns how many it took, in [0, len].
     * Having taken fewer, it is not called again until tcp_resume; then it is offered the rest. */
    uint32_t (*data)(void *app, struct tcp_conn *conn, const uint8_t *bytes, uint32_t len);
    /* end: the peer will send no more, and all that it sent has been taken. */
    void (*end)(void *app, struct tcp_conn *conn);
    /* writable: there is room again after tcp_send took less than asked. */
    void (*writable)(void *app, struct tcp_conn *conn);
    /* wake: the time asked for with tcp_wake has come. */
    void (*wake)(void *app, struct tcp_conn *conn);
    /* closed: over, whoever ended it; the last call for conn, which must not be used any more.
     * Never called from within tcp_send, tcp_resume, tcp_finish, tcp_abort and tcp_wake. */
    void (*closed)(void *app, struct tcp_conn *conn, enum tcp_end why);
    void *app;
};

struct tcp_wiring {
    struct tcp_limits limits;
    struct tcp_settings settings;
    struct tcp_link link;
    struct tcp_app app;
    uint16_t port;              /* the one that listens, [1, 65535] */
    uint16_t mtu;               /* of the link's IP packets, [TCP_MTU_MIN, TCP_MTU_MAX] */
    bool tx_checksum;           /* the port makes TCP checksums: the field holds the sum of the
                                   pseudo header, length included; IPv4's is always made here */
    const struct hash_key *key; /* secret; outlives the instance */
    uint64_t seed;              /* different at every start, not to be known outside */
};

/* tcp_footprint returns the bytes that tcp_init takes of its arena; tcp_conn_bytes what one
 * connection costs of them while nothing is buffered for it. */
size_t tcp_footprint(const struct tcp_limits *limits);
size_t tcp_conn_bytes(void);

/* tcp_init makes an instance; the limits and settings are in their ranges (asserted). */
struct tcp *tcp_init(struct arena *arena, const struct tcp_wiring *wiring, uint64_t now_ns);
void tcp_reconfigure(struct tcp *tcp, const struct tcp_settings *settings);

/* tcp_prefetch looks ahead at a burst: it brings what tcp_input will read of the connections into
 * the cache, of all segments at once instead of one after the other, and changes nothing but the
 * segments' last fields.  Without it tcp_input does the same, later; then they are zero. */
void tcp_prefetch(const struct tcp *tcp, struct tcp_segment *segments, uint32_t count);

/* tcp_input takes one segment from outside.  Calls the application; sends what belongs to no
 * connection.  now_ns, here and below: CLOCK_MONOTONIC, never less than in an earlier call. */
void tcp_input(struct tcp *tcp, const struct tcp_segment *segment, uint64_t now_ns);

/* tcp_icmp takes one ICMP error.  Hard errors do not end a connection (RFC 5927 section 5.2); too
 * big lowers its segment size, never under 536 bytes (IPv6: 1220). */
void tcp_icmp(struct tcp *tcp, const struct tcp_icmp *error, uint64_t now_ns);

/* tcp_poll runs due timers, offers what was resumed and sends what there is to send, at most about
 * budget connections' worth of each.  Once per turn of the core's loop, after the burst's tcp_input
 * calls and the application's sends.  Returns work done, 0 means idle. */
unsigned tcp_poll(struct tcp *tcp, uint64_t now_ns, unsigned budget);

const struct tcp_counters *tcp_counters(const struct tcp *tcp);

/* The calls of the application.  None of them calls back. */

/* tcp_send queues a copy.  Returns the bytes taken, fewer than len only when the connection's or
 * the pool's limit is reached (writable will be called), or 0 after tcp_finish or tcp_abort. */
uint32_t tcp_send(struct tcp *tcp, struct tcp_conn *conn, const void *bytes, uint32_t len);

/* tcp_send_room returns how much tcp_send would take now. */
uint32_t tcp_send_room(const struct tcp *tcp, const struct tcp_conn *conn);

/* tcp_resume: the application can take data again; it is offered in the next tcp_poll. */
void tcp_resume(struct tcp *tcp, struct tcp_conn *conn);

/* tcp_finish sends FIN behind what was queued.  Data that still comes is acknowledged and thrown
 * away, up to linger_bytes and for linger_ms after our FIN was acknowledged, then reset. */
void tcp_finish(struct tcp *tcp, struct tcp_conn *conn);

/* tcp_abort resets the connection in the next tcp_poll and calls closed there; no other callback
 * comes before. */
void tcp_abort(struct tcp *tcp, struct tcp_conn *conn);

/* tcp_wake asks for one wake() at or after at_ns, in at most 12 days, to the millisecond; it
 * replaces what was asked before.  UINT64_MAX: none. */
void tcp_wake(struct tcp *tcp, struct tcp_conn *conn, uint64_t at_ns);

/* tcp_conn_index returns the connection's number, in [0, limits.connections), which no other open
 * one has; tcp_conn_at the open connection of that number, or NULL. */
uint32_t tcp_conn_index(const struct tcp *tcp, const struct tcp_conn *conn);
struct tcp_conn *tcp_conn_at(struct tcp *tcp, uint32_t index);

struct tcp_peer {
    uint8_t family;
    uint8_t addr[16];
    uint16_t port;
};

struct tcp_peer tcp_conn_peer(const struct tcp_conn *conn);

/* tcp_conn_queued returns the bytes that were sent and are not acknowledged. */
uint32_t tcp_conn_queued(const struct tcp_conn *conn);
