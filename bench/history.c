/* history.c - trove-history: a data directory with a past, written by the daemon's own shard and
 * journal, as fast as they go.
 *
 *   trove-history --config FILE --catalog FILE --core N [--begin ITEM --users N] [--events N]
 *                 [--among N] [--rate N]
 *
 * First every one of --users begins with an event about --begin, and a checkpoint is made of them;
 * then come --events events of --among users (100,000), items as popular as Zipf says, 80 views for
 * 20 purchases, 1 in 100 a duplicate.  What they say of time is --rate (240,000) a second, ending
 * now.  One JSON object a line: durable_events_per_s is from the first byte parsed to the last
 * sync, of events that lay ready.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/blast_items.h"
#include "bench/blast_zipf.h"
#include "bench/history_node.h"
#include "dataplane/base/clock.h"
#include "graph/mix.h"

#define STRIDE      192
#define EVENT_BYTES 170
#define CHUNK       (1u << 20) /* events made before they are taken */
#define AMONG       100000u
#define RATE        240000u
#define REACH       10000u /* how far back a duplicate goes */

struct history {
    const char *config, *catalog, *begin;
    uint64_t users, events, among, rate;
    int core;
    uint64_t span_ns; /* between two events */
    uint64_t first_ns;
    struct blast_items items;
    struct blast_zipf zipf;
    uint8_t *bytes; /* [CHUNK][STRIDE] */
    uint8_t lens[CHUNK];
    uint64_t taken_ns, taken; /* measured */
    struct history_node node;
};

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

/* ---- events ---- */

static uint8_t make_event(uint8_t *out, uint64_t id, uint64_t receive_ns, uint64_t user,
                          const char *type, const char *item, int item_len)
{
    char text[STRIDE + 160];
    uint64_t low = mix64(id);
    int len = snprintf(text, sizeof text,
                       "{\"id\":\"%08x-%04x-4000-8000-%012llx\",\"time\":%llu,\"user\":\"u-%llu\","
                       "\"type\":\"%s\",\"item\":\"%.*s\",\"data\":{\"pad\":\"",
                       (uint32_t)low, (unsigned)(low >> 32) & 0xffff, (unsigned long long)id,
                       (unsigned long long)(receive_ns / NS_PER_MS), (unsigned long long)user, type,
                       item_len, item);
    for (; len < EVENT_BYTES - 3; len++)
        text[len] = 'x';
    need(len + 3 <= STRIDE, "an item's name is too long");
    text[len] = '"';
    text[len + 1] = text[len + 2] = '}';
    memcpy(out, text, (size_t)len + 3);
    return (uint8_t)(len + 3);
}

/* The n-th event of all: first each user's first, then the rest. */
static uint8_t make_nth(const struct history *h, uint64_t n, uint64_t receive_ns, uint8_t *out)
{
    uint64_t draw = mix64(n);
    if (n < h->users)
        return make_event(out, n + 1, receive_ns, n, "view", h->begin, (int)strlen(h->begin));
    if (draw % 100 == 0 && n >= h->users + REACH)
        draw = mix64(n -= 1 + (draw >> 8) % (REACH - 1));
    uint32_t item = blast_zipf_draw(&h->zipf, mix64(draw));
    return make_event(out, n + 1, receive_ns, mix64(draw + 1) % h->among,
                      draw >> 32 & 0xff && draw % 5 ? "view" : "purchase",
                      h->items.text + h->items.at[item],
                      (int)(h->items.at[item + 1] - h->items.at[item]));
}

/* ---- time ---- */

static uint64_t receive_ns(const struct history *h, uint64_t n)
{
    return h->first_ns + n * h->span_ns;
}

/* take has the events [from, to) taken, and returns how long that lasted. */
static uint64_t take(struct history *h, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n++)
        h->lens[n - from] =
            make_nth(h, n, receive_ns(h, n), h->bytes + (size_t)(n - from) * STRIDE);
    uint64_t began_ns = clock_monotonic_ns();
    for (uint64_t n = from; n < to; n++)
        history_node_submit(&h->node, h->bytes + (size_t)(n - from) * STRIDE, h->lens[n - from],
                            receive_ns(h, n));
    history_node_settle(&h->node);
    return clock_monotonic_ns() - began_ns;
}

static void take_all(struct history *h, uint64_t from, uint64_t to)
{
    for (uint64_t n = from; n < to; n += CHUNK) {
        uint64_t end = to - n < CHUNK ? to : n + CHUNK;
        h->taken_ns += take(h, n, end);
        h->taken += end - n;
    }
}

/* ---- the program ---- */

static void figure(const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"history\",\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"peer\":null,"
           "\"at\":null,\"runs\":1,\"min\":%.3f,\"max\":%.3f}\n",
           name, value, unit, value, value);
    fflush(stdout);
}

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *value >= least && *value <= most;
}

static int read_options(struct history *h, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", 1, NULL, 'c'}, {"catalog", 1, NULL, 'i'}, {"begin", 1, NULL, 'b'},
        {"users", 1, NULL, 'u'},  {"events", 1, NULL, 'e'},  {"among", 1, NULL, 'a'},
        {"rate", 1, NULL, 'r'},   {"core", 1, NULL, 'k'},    {0}};
    uint64_t core = 0;
    bool good = true;
    int option;
    *h = (struct history){.among = AMONG, .rate = RATE};
    while (good && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'c':
            h->config = optarg;
            break;
        case 'i':
            h->catalog = optarg;
            break;
        case 'b':
            h->begin = optarg;
            break;
        case 'u':
            good = read_number(optarg, 0, 1ull << 32, &h->users);
            break;
        case 'e':
            good = read_number(optarg, 0, 1ull << 36, &h->events);
            break;
        case 'a':
            good = read_number(optarg, 1, 1ull << 32, &h->among);
            break;
        case 'r':
            good = read_number(optarg, 1, 1000000000, &h->rate);
            break;
        case 'k':
            good = read_number(optarg, 0, CPU_SETSIZE - 1, &core);
            break;
        default:
            good = false;
        }
    h->core = (int)core;
    return good && optind == argc && h->config && h->catalog && (h->begin || !h->users) ? 0 : -1;
}

static void open_all(struct history *h)
{
    char error[512];
    uint32_t line;
    h->span_ns = NS_PER_S / h->rate;
    h->first_ns = clock_realtime_ns() - (h->users + h->events) * h->span_ns;
    h->bytes = aligned_alloc(64, (size_t)CHUNK * STRIDE);
    need(h->bytes, "not enough memory");
    memset(h->bytes, 0, (size_t)CHUNK * STRIDE);
    need(!blast_items_load(&h->items, h->catalog, &line), "the catalog cannot be read");
    need(!blast_zipf_init(&h->zipf, h->items.count, 1.0), "not enough memory");
    need(!history_node_open(&h->node, h->config, h->core, error), error);
}

int main(int argc, char **argv)
{
    static struct history h;
    if (read_options(&h, argc, argv)) {
        fputs("usage: trove-history --config FILE --catalog FILE --core N [--begin ITEM --users N] "
              "[--events N] [--among N] [--rate N]\n",
              stderr);
        return 2;
    }
    open_all(&h);
    take_all(&h, 0, h.users);
    if (h.users)
        need(!history_node_checkpoint(&h.node), "the checkpoint cannot be made");
    h.taken_ns = h.taken = 0;
    take_all(&h, h.users, h.users + h.events);
    if (h.taken)
        figure("durable_events_per_s", (double)h.taken * NS_PER_S / (double)h.taken_ns, "1/s");
    figure("journal_bytes", (double)h.node.journal.counters.bytes, "B");
    figure("segments", (double)h.node.journal.counters.segments, "1");
    figure("sync_us_p50", (double)histogram_percentile(&h.node.journal.sync, 50) / 1000, "us");
    need(!h.node.refused, "there was no room for some of it: see limits in the configuration");
    history_node_close(&h.node);
    blast_zipf_fini(&h.zipf);
    blast_items_fini(&h.items);
    free(h.bytes);
    return 0;
}
