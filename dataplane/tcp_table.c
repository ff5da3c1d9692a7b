/* tcp_table.c - connections by a keyed hash of their addresses and ports, in chains; how many there
 * are from each source prefix.
 *
 * There are twice as many chains as connections, and nobody outside knows the hash: a chain of more
 * than a few is chance, one of CHAIN_MAX an error, and refused.
 *
 * Prefixes are counted in two rows of counters, each under another part of the prefix's hash; the
 * smaller count is taken.  Two prefixes that share a counter in one row hardly do in the other.
 */
#include "dataplane/tcp_impl.h"

#define CHAIN_MAX 16

#define CONN_LINES (sizeof(struct tcp_conn) / 64)

/* put_tuple and same_in are inlined for each family, so that lengths are known there. */
static inline __attribute__((always_inline)) size_t
put_tuple(struct tcp_tuple *tuple, const struct tcp *tcp, size_t bytes, const uint8_t *peer,
          const uint8_t *ours, uint16_t peer_port)
{
    memcpy(tuple->bytes, peer, bytes);
    memcpy(tuple->bytes + bytes, ours, bytes);
    memcpy(tuple->bytes + 2 * bytes, &peer_port, sizeof peer_port);
    memcpy(tuple->bytes + 2 * bytes + 2, &tcp->port, sizeof tcp->port);
    return 2 * bytes + 4;
}

/* fill_tuple writes what is hashed, and returns how much that is. */
static size_t fill_tuple(struct tcp_tuple *tuple, const struct tcp *tcp, uint8_t family,
                         const uint8_t *peer, const uint8_t *ours, uint16_t peer_port)
{
    memset(tuple->bytes, 0, sizeof tuple->bytes);
    tuple->bytes[39] = family;
    return family == 4 ? put_tuple(tuple, tcp, 4, peer, ours, peer_port)
                       : put_tuple(tuple, tcp, 16, peer, ours, peer_port);
}

void tcp_tuple_init(struct tcp_tuple *tuple, const struct tcp *tcp, uint8_t family,
                    const uint8_t *peer, const uint8_t *ours, uint16_t peer_port)
{
    size_t bytes = fill_tuple(tuple, tcp, family, peer, ours, peer_port);
    tuple->id = hash128(tcp->key, tuple->bytes, bytes);
}

void tcp_tuple_take(struct tcp_tuple *tuple, const struct tcp *tcp,
                    const struct tcp_segment *segment, uint16_t peer_port)
{
    (void)fill_tuple(tuple, tcp, segment->family, segment->src, segment->dst, peer_port);
    tuple->id = segment->tuple;
}

void tcp_prefetch(const struct tcp *tcp, struct tcp_segment *segments, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_segment *s = &segments[i];
        struct tcp_tuple tuple;
        s->hashed = s->len >= TCP_HEADER_BYTES;
        s->likely = TCP_NONE;
        if (!s->hashed)
            continue;
        tcp_tuple_init(&tuple, tcp, s->family, s->src, s->dst, tcp_get16(s->bytes));
        s->tuple = tuple.id;
        __builtin_prefetch(&tcp->heads[tuple.id.lo & tcp->head_mask]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!segments[i].hashed)
            continue;
        segments[i].likely = tcp->heads[segments[i].tuple.lo & tcp->head_mask];
        if (segments[i].likely == TCP_NONE)
            continue;
        const char *conn = (const char *)&tcp->conns[segments[i].likely];
        for (size_t line = 0; line < CONN_LINES; line++)
            __builtin_prefetch(conn + line * 64);
    }
}

/* same_in: the tuple's addresses lie as the connection's do, and the port behind them. */
static inline __attribute__((always_inline)) bool
same_in(const struct tcp_conn *conn, const struct tcp_tuple *tuple, size_t bytes)
{
    return !memcmp(tuple->bytes + bytes, &conn->peer_port, sizeof conn->peer_port) &&
           !memcmp(conn->addrs, tuple->bytes, bytes);
}

static bool same(const struct tcp_conn *conn, const struct tcp_tuple *tuple)
{
    if (conn->family != tuple->bytes[39])
        return false;
    return conn->family == 4 ? same_in(conn, tuple, 8) : same_in(conn, tuple, 32);
}

void tcp_tuple_of(struct tcp_tuple *tuple, const struct tcp *tcp, const struct tcp_conn *conn)
{
    uint32_t half = conn->family == 4 ? 4 : 16;
    tcp_tuple_init(tuple, tcp, conn->family, conn->addrs, conn->addrs + half, conn->peer_port);
}

static uint32_t *head_of(const struct tcp *tcp, const struct tcp_tuple *tuple)
{
    return &tcp->heads[tuple->id.lo & tcp->head_mask];
}

struct tcp_conn *tcp_table_find(struct tcp *tcp, const struct tcp_tuple *tuple)
{
    uint32_t at = *head_of(tcp, tuple);
    while (at != TCP_NONE) {
        struct tcp_conn *conn = tcp_conn(tcp, at);
        if (same(conn, tuple))
            return conn;
        at = conn->hash_next;
    }
    return NULL;
}

bool tcp_table_add(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tuple *tuple)
{
    uint32_t *head = head_of(tcp, tuple);
    unsigned length = 0;
    for (uint32_t at = *head; at != TCP_NONE; at = tcp_conn(tcp, at)->hash_next)
        length++;
    if (length >= CHAIN_MAX)
        return false;
    conn->hash_next = *head;
    *head = tcp_index(tcp, conn);
    return true;
}

void tcp_table_remove(struct tcp *tcp, struct tcp_conn *conn, const struct tcp_tuple *tuple)
{
    uint32_t *link = head_of(tcp, tuple);
    while (*link != tcp_index(tcp, conn))
        link = &tcp_conn(tcp, *link)->hash_next;
    *link = conn->hash_next;
}

uint8_t tcp_prefix_bits(const struct tcp *tcp, uint8_t family)
{
    return family == 4 ? tcp->settings.prefix4 : tcp->settings.prefix6;
}

uint32_t tcp_prefix_hash(const struct tcp *tcp, uint8_t family, const uint8_t *addr, uint8_t bits)
{
    uint8_t prefix[18] = {family, bits};
    memcpy(prefix + 2, addr, (bits + 7) / 8);
    if (bits % 8)
        prefix[2 + bits / 8] &= (uint8_t)(0xff00 >> bits % 8);
    return (uint32_t)hash64(tcp->key, prefix, sizeof prefix);
}

static uint32_t *prefix_counter(const struct tcp *tcp, uint32_t prefix, int row)
{
    uint32_t at = row ? prefix >> 16 | prefix << 16 : prefix;
    return &tcp->prefixes[row][at & tcp->prefix_mask];
}

uint32_t tcp_prefix_count(const struct tcp *tcp, uint32_t prefix)
{
    return tcp_min(*prefix_counter(tcp, prefix, 0), *prefix_counter(tcp, prefix, 1));
}

void tcp_prefix_add(struct tcp *tcp, uint32_t prefix, int change)
{
    *prefix_counter(tcp, prefix, 0) += (uint32_t)change;
    *prefix_counter(tcp, prefix, 1) += (uint32_t)change;
}
