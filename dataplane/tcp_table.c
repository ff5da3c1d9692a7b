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

void tcp_tuple_init(struct tcp_tuple *tuple, const struct tcp *tcp, uint8_t family,
                    const uint8_t *peer, const uint8_t *ours, uint16_t peer_port)
{
    size_t bytes = family == 4 ? 4 : 16;
    memset(tuple->bytes, 0, sizeof tuple->bytes);
    memcpy(tuple->bytes, peer, bytes);
    memcpy(tuple->bytes + bytes, ours, bytes);
    memcpy(tuple->bytes + 2 * bytes, &peer_port, sizeof peer_port);
    memcpy(tuple->bytes + 2 * bytes + 2, &tcp->port, sizeof tcp->port);
    tuple->bytes[39] = family;
    tuple->id = hash128(tcp->key, tuple->bytes, 2 * bytes + 4);
}

/* same: the tuple's addresses lie as the connection's do, and the port behind them. */
static bool same(const struct tcp_conn *conn, const struct tcp_tuple *tuple)
{
    if (conn->family != tuple->bytes[39])
        return false;
    uint32_t bytes = conn->family == 4 ? 8 : 32;
    return !memcmp(tuple->bytes + bytes, &conn->peer_port, sizeof conn->peer_port) &&
           !memcmp(conn->addrs, tuple->bytes, bytes);
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
