/* fuzz_tcp_store.c - the receive store by an op script, beside a store that is one flag and one
 * value per byte.
 *
 * Four bytes are an operation: where a segment begins, how long it is, and how much the application
 * then takes.  Its bytes are its number, so that it shows which segment a byte came from: the first
 * one that brought it.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_impl.h"

#define WINDOW 12288u
#define PLACES (1u << 16)

struct model {
    uint8_t have[PLACES], value[PLACES];
    uint32_t taken, nxt; /* places */
    uint32_t base;       /* the sequence number of place 0 */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static unsigned runs_of(const struct model *m, struct tcp_range *runs, unsigned max)
{
    unsigned count = 0;
    const uint8_t *at = m->have + m->nxt, *end = at + WINDOW;
    while ((at = memchr(at, 1, (size_t)(end - at)))) {
        const uint8_t *to = memchr(at, 0, (size_t)(end - at));
        require(count < max && to); /* nothing is kept up to the window's very end */
        runs[count++] = (struct tcp_range){m->base + (uint32_t)(at - m->have),
                                           m->base + (uint32_t)(to - m->have)};
        at = to;
    }
    return count;
}

/* touches: the segment meets or overlaps something that is kept. */
static bool touches(const struct model *m, uint32_t place, uint32_t len)
{
    uint32_t from = place > m->taken ? place - 1 : place;
    return memchr(m->have + from, 1, place + len + 1 - from);
}

static void put(struct tcp *tcp, struct tcp_conn *conn, struct model *m, uint32_t place,
                uint32_t len, uint8_t number)
{
    struct tcp_range runs[64];
    uint8_t *bytes = malloc(len);
    require(bytes);
    memset(bytes, number, len);
    bool full = place != m->nxt && runs_of(m, runs, 64) >= TCP_RUNS_MAX && !touches(m, place, len);
    bool kept = tcp_store_put(tcp, conn, m->base + place, bytes, len);
    free(bytes);
    require(kept == !full); /* the limits of chunks are never reached before that of ranges */
    for (uint32_t i = place; kept && i < place + len; i++) {
        if (!m->have[i])
            m->value[i] = number;
        m->have[i] = 1;
    }
    m->nxt = (uint32_t)((uint8_t *)memchr(m->have + m->nxt, 0, WINDOW + 1) - m->have);
    uint32_t end = tcp_store_end(tcp, conn, conn->rcv_nxt);
    conn->unread += end - conn->rcv_nxt;
    conn->rcv_nxt = end;
    require(end == m->base + m->nxt);
}

static void take(struct tcp *tcp, struct tcp_conn *conn, struct model *m, uint32_t len)
{
    while (len && conn->unread) {
        uint32_t there;
        const uint8_t *bytes = tcp_store_front(tcp, conn, &there);
        require(there >= 1);
        there = tcp_min(tcp_min(there, conn->unread), len);
        for (uint32_t i = 0; i < there; i++)
            require(m->have[m->taken + i] && bytes[i] == m->value[m->taken + i]);
        tcp_store_drop(tcp, conn, there);
        conn->unread -= there;
        m->taken += there;
        len -= there;
    }
    require(conn->unread == m->nxt - m->taken);
}

static void compare_ranges(const struct tcp *tcp, const struct tcp_conn *conn,
                           const struct model *m)
{
    struct tcp_range want[64], got[16];
    unsigned count = runs_of(m, want, 64);
    require(tcp_store_ranges(tcp, conn, got, 16) == count);
    for (unsigned i = 0; i < count; i++) { /* the latest comes first, the others in order */
        unsigned found = 0;
        for (unsigned k = 0; k < count; k++)
            found += got[k].start == want[i].start && got[k].end == want[i].end;
        require(found == 1);
    }
}

static void script(struct tcp *tcp, struct model *m, const uint8_t *data, size_t size)
{
    struct tcp_conn *conn = tcp_take_conn(tcp);
    conn->rcv_nxt = m->base;
    for (size_t i = 0; i + 4 <= size; i += 4) {
        uint32_t offset = data[i] * (data[i + 1] & 128 ? 97u : 1u);
        uint32_t len = 1 + (data[i + 1] & 127) * (data[i + 2] & 128 ? 37u : 1u);
        uint32_t place = m->nxt + offset;
        if (offset + len < WINDOW - (m->nxt - m->taken) && place + len < PLACES - WINDOW)
            put(tcp, conn, m, place, len, (uint8_t)(i / 4 + 1));
        compare_ranges(tcp, conn, m);
        take(tcp, conn, m, data[i + 3] & 1 ? (uint32_t)data[i + 2] * data[i + 3] : 0);
    }
    tcp_chunks_give(tcp, conn->store);
    require(tcp->counters.chunks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "fuzz";
    static struct hash_key key;
    struct tcp_wiring wiring = {
        .limits = {.connections = 1, .time_waits = 1, .chunks = 32},
        .port = 1,
        .mtu = 1500,
        .key = &key,
    };
    if (size > 2048)
        return 0;
    hash_key_init(&key, seed);
    tcp_settings_init(&wiring.settings);
    wiring.settings.receive_bytes = WINDOW;
    size_t bytes = tcp_footprint(&wiring.limits);
    void *memory = calloc(1, bytes);
    static struct model model;
    struct model *m = &model;
    require(memory);
    memset(m->have, 0, sizeof m->have);
    m->taken = m->nxt = 0;
    struct arena arena;
    arena_init(&arena, memory, bytes);
    m->base = UINT32_MAX - 10000; /* the numbers wrap on the way */
    script(tcp_init(&arena, &wiring, 0), m, data, size);
    free(memory);
    return 0;
}
