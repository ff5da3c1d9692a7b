/* fuzz_tcp_store.c - the receive store by an op script, beside a store that is a list of pieces,
 * each with the number of the segment that brought it first.
 *
 * Four bytes are an operation: where a segment begins, how long it is, and how much the application
 * then takes.  Its bytes are its number, so that it shows which segment a byte came from.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp_impl.h"

#define WINDOW      12288u
#define SEGMENT_MAX (1u + 127u * 37u)
#define OPS_MAX     512u
#define PIECES_MAX  (2 * OPS_MAX) /* an op fills the gaps it meets, and leaves one more at most */

struct piece { /* bytes [from, to) of the stream */
    uint32_t from, to;
    uint8_t number;
};

struct model {
    struct piece pieces[PIECES_MAX]; /* in order; what was taken is gone */
    unsigned count;
    uint32_t taken, nxt; /* places in the stream */
    uint32_t base;       /* the sequence number of place 0 */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void model_put(struct model *m, uint32_t from, uint32_t to, uint8_t number)
{
    struct piece old[PIECES_MAX];
    unsigned count = m->count;
    memcpy(old, m->pieces, count * sizeof *old);
    m->count = 0;
    for (unsigned i = 0; i < count; i++) {
        if (from < to && from < old[i].from)
            m->pieces[m->count++] = (struct piece){from, tcp_min(to, old[i].from), number};
        m->pieces[m->count++] = old[i];
        if (from < old[i].to)
            from = old[i].to;
    }
    if (from < to)
        m->pieces[m->count++] = (struct piece){from, to, number};
    for (unsigned i = 0; i < m->count && m->pieces[i].from <= m->nxt; i++)
        if (m->nxt < m->pieces[i].to)
            m->nxt = m->pieces[i].to;
}

/* model_take requires that these bytes are the stream's next. */
static void model_take(struct model *m, const uint8_t *bytes, uint32_t len)
{
    while (len) {
        struct piece *first = &m->pieces[0];
        require(m->count && first->from == m->taken);
        uint32_t part = tcp_min(len, first->to - first->from);
        require(bytes[0] == first->number && !memcmp(bytes, bytes + 1, part - 1));
        bytes += part;
        len -= part;
        m->taken += part;
        first->from += part;
        if (first->from == first->to)
            memmove(first, first + 1, --m->count * sizeof *first);
    }
}

static unsigned runs_of(const struct model *m, struct tcp_range *runs, unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; i < m->count; i++) {
        const struct piece *p = &m->pieces[i];
        if (p->from < m->nxt)
            continue;
        if (!count || runs[count - 1].end != m->base + p->from) {
            require(count < max);
            runs[count++].start = m->base + p->from;
        }
        runs[count - 1].end = m->base + p->to;
    }
    return count;
}

/* touches: the segment meets or overlaps something that is kept. */
static bool touches(const struct model *m, uint32_t place, uint32_t len)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->pieces[i].from <= place + len && m->pieces[i].to >= place)
            return true;
    return false;
}

static void put(struct tcp *tcp, struct tcp_conn *conn, struct model *m, uint32_t place,
                uint32_t len, uint8_t number)
{
    struct tcp_range runs[64];
    static uint8_t room[SEGMENT_MAX]; /* a segment ends where it does */
    uint8_t *bytes = room + SEGMENT_MAX - len;
    memset(bytes, number, len);
    bool full = place != m->nxt && runs_of(m, runs, 64) >= TCP_RUNS_MAX && !touches(m, place, len);
    bool kept = tcp_store_put(tcp, conn, m->base + place, bytes, len);
    require(kept == !full); /* the limits of chunks are never reached before that of ranges */
    if (kept)
        model_put(m, place, place + len, number);
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
        model_take(m, bytes, there);
        tcp_store_drop(tcp, conn, there);
        conn->unread -= there;
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
        if (offset + len < WINDOW - (m->nxt - m->taken))
            put(tcp, conn, m, place, len, (uint8_t)(i / 4 + 1));
        compare_ranges(tcp, conn, m);
        take(tcp, conn, m, data[i + 3] & 1 ? (uint32_t)data[i + 2] * data[i + 3] : 0);
    }
    tcp_chunks_give(tcp, conn->store);
    tcp_give_conn(tcp, conn);
    require(tcp->counters.chunks == 0 && tcp->counters.connections == 0);
}

/* start makes one for all inputs: what one leaves behind, the next one finds. */
static struct tcp *start(void)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "fuzz";
    static struct hash_key key;
    struct tcp_wiring wiring = {
        .limits = {.connections = 1, .time_waits = 1, .chunks = 32},
        .port = 1,
        .mtu = 1500,
        .key = &key,
    };
    hash_key_init(&key, seed);
    tcp_settings_init(&wiring.settings);
    wiring.settings.receive_bytes = WINDOW;
    size_t bytes = tcp_footprint(&wiring.limits);
    void *memory = calloc(1, bytes);
    require(memory);
    struct arena arena;
    arena_init(&arena, memory, bytes);
    return tcp_init(&arena, &wiring, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tcp *tcp;
    static struct model model;
    if (size > 4 * OPS_MAX)
        return 0;
    if (!tcp)
        tcp = start();
    model.count = model.taken = model.nxt = 0;
    model.base = UINT32_MAX - 10000; /* the numbers wrap on the way */
    script(tcp, &model, data, size);
    return 0;
}
