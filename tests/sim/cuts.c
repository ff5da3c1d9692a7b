/* cuts.c - a stream of requests gives the same events and answers however it is cut into segments,
 * in whatever order they come, and however much they overlap.
 *
 *   cuts [--count N] [--seed N]
 *
 * Each of some streams is sent once in order and whole; that is what must come of it, and some of
 * it stands here in numbers.  Then streams are drawn, cut anywhere, ranges of them repeated, all
 * shuffled a little or wholly, and what the server did not get or keep is sent again.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/big_endian.h"
#include "tests/sim/cuts_server.h"
#include "tests/sim/random.h"

#define STREAM_MAX   12000
#define SEGMENT_MAX  1460
#define SEGMENTS_MAX 96
#define STREAMS      (sizeof streams / sizeof *streams)

enum { SYN = 2, RST = 4, PSH = 8, ACK = 16 };

#define EVENT(n)                                                                                   \
    "{\"id\":\"7f3c1e2a-9b4d-4c8e-a1f2-0d9e8c7b6a" n "\",\"time\":1795209600123,\"user\":\"u-" n   \
    "\",\"type\":\"view\",\"item\":\"85123A\"}"
#define EVENT_BYTES "110"
#define POST        "POST /v1/events HTTP/1.1\r\nHost: trove\r\nContent-Type: application/json\r\n"
#define ONE(n)      POST "Content-Length: " EVENT_BYTES "\r\n\r\n" EVENT(n)
#define GET         "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"
#define FOUR(x)     x x x x

static const struct stream {
    const char *name, *text;
    unsigned events, answers; /* lines of the first, statuses of the second */
} streams[] = {
    {"one", ONE("01"), 1, 1},
    {"pipelined", ONE("01") GET ONE("02") ONE("03") GET, 3, 5},
    {"more than the pipeline takes", FOUR(FOUR(GET)) FOUR(ONE("01")) GET, 4, 21},
    {"chunks",
     POST "Transfer-Encoding: chunked\r\n\r\n1;x=\"y\"\r\n{\r\n6d\r\n\"id\":\"7f3c1e2a-9b4d-4c8e-"
          "a1f2-0d9e8c7b6a04\",\"time\":1795209600123,\"user\":\"u-04\",\"type\":\"view\",\"item\":"
          "\"85123A\"}\r\n0\r\nX-T: 1\r\n\r\n" ONE("05"),
     2, 2},
    {"lines",
     "POST /v1/events HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\nContent-Length: "
     "444\r\n\r\n" EVENT("01") "\n" EVENT("02") "\n" EVENT("03") "\n" EVENT("04") "\n" GET,
     4, 2},
    {"an array with a bad event",
     POST "Content-Length: 228\r\n\r\n[" EVENT("01") ", {} ," EVENT("02") "]" GET, 3, 2},
    {"a bad request ends it", ONE("01") "POST /v1/events HTTP/1.1\r\nHost : t\r\n\r\n" ONE("02"), 1,
     2},
    {"a bad chunk ends it", POST "Transfer-Encoding: chunked\r\n\r\n0x1\r\n{\r\n" ONE("01"), 0, 1},
    {"the client closes",
     ONE("01") "GET / HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n" ONE("02"), 1, 2},
};

struct cut { /* bytes [from, to) of the stream */
    uint32_t from, to;
};

struct peer {
    uint16_t port;
    uint32_t irs;
    const struct stream *stream;
    uint32_t len;
};

static struct {
    struct cuts_text events, answers;
} wanted[STREAMS];

static uint64_t segments_sent, resent;

/* say sends a segment with what of the stream is in a cut; its allocation ends with it. */
static void say(const struct peer *peer, uint8_t flags, uint32_t seq, struct cut cut)
{
    uint32_t data = cut.to - cut.from, len = 20 + data;
    uint8_t *bytes = calloc(1, len);
    if (!bytes)
        abort();
    put16(bytes, peer->port);
    put16(bytes + 2, 8080);
    put32(bytes + 4, seq);
    put32(bytes + 8, flags & ACK ? cuts_server.seq_next : 0);
    bytes[12] = 0x50;
    bytes[13] = flags;
    put16(bytes + 14, 65535);
    memcpy(bytes + 20, peer->stream->text + cut.from, data);
    cuts_server_segment(bytes, len);
    free(bytes);
    segments_sent++;
}

static void say_data(const struct peer *peer, struct cut cut)
{
    say(peer, ACK | PSH, peer->irs + 1 + cut.from, cut);
}

static bool open_peer(struct peer *peer, struct random *random, unsigned stream)
{
    static uint16_t port;
    peer->port = (uint16_t)(1024 + port++ % 60000);
    peer->irs = (uint32_t)random_next(random);
    peer->stream = &streams[stream];
    peer->len = (uint32_t)strlen(peer->stream->text);
    cuts_server_begin();
    say(peer, SYN, peer->irs, (struct cut){0, 0});
    if (!cuts_server.syn_ack)
        return false;
    cuts_server.ack = peer->irs + 1;
    say(peer, ACK, peer->irs + 1, (struct cut){0, 0});
    return true;
}

/* draw_cuts fills in a partition of the stream, and ranges that overlap it. */
static unsigned draw_cuts(struct random *random, uint32_t len, struct cut *cuts)
{
    static const uint32_t lengths[] = {3, 20, 200, SEGMENT_MAX};
    uint32_t most = lengths[random_below(random, 4)];
    unsigned count = 0;
    most = most < len / (SEGMENTS_MAX / 2) + 1 ? len / (SEGMENTS_MAX / 2) + 1 : most;
    for (uint32_t at = 0; at < len && count < SEGMENTS_MAX / 2;) {
        uint32_t part = random_between(random, 1, 2 * most);
        part = part < SEGMENT_MAX ? part : SEGMENT_MAX;
        cuts[count] = (struct cut){at, part < len - at ? at + part : len};
        at = cuts[count++].to;
    }
    for (unsigned more = random_below(random, SEGMENTS_MAX / 4); more; more--) {
        uint32_t from = random_below(random, len), part = random_between(random, 1, 2 * most);
        part = part < SEGMENT_MAX ? part : SEGMENT_MAX;
        cuts[count++] = (struct cut){from, part < len - from ? from + part : len};
    }
    return count;
}

/* shuffle moves each cut by at most `far` places. */
static void shuffle(struct random *random, struct cut *cuts, unsigned count, unsigned far)
{
    for (unsigned i = 0; i + 1 < count; i++) {
        unsigned left = count - 1 - i;
        unsigned with = i + random_below(random, (far < left ? far : left) + 1);
        struct cut kept = cuts[i];
        cuts[i] = cuts[with];
        cuts[with] = kept;
    }
}

/* complete sends again from what was acknowledged on, until all has come or the server ends it. */
static bool complete(const struct peer *peer)
{
    cuts_server_settle();
    for (unsigned tries = 0; !cuts_server.fin && tries < 2 * SEGMENTS_MAX; tries++) {
        uint32_t from = cuts_server.ack - peer->irs - 1;
        if (from >= peer->len)
            return true;
        uint32_t to = peer->len - from < SEGMENT_MAX ? peer->len : from + SEGMENT_MAX;
        say_data(peer, (struct cut){from, to});
        resent++;
        /* A second copy has its acknowledgement at once. */
        say_data(peer, (struct cut){from, to});
        cuts_server_settle();
    }
    return cuts_server.fin;
}

static unsigned count_of(const struct cuts_text *text, const char *what)
{
    unsigned count = 0;
    const char *at = text->bytes, *end = text->bytes + text->len;
    size_t len = strlen(what);
    while ((at = memmem(at, (size_t)(end - at), what, len))) {
        count++;
        at += len;
    }
    return count;
}

static bool same(const struct cuts_text *a, const struct cuts_text *b)
{
    return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

static bool blame(const struct peer *peer, uint64_t number, const char *what)
{
    fprintf(stderr, "cut %lu of '%s': %s\n", (unsigned long)number, peer->stream->name, what);
    fprintf(stderr, "events:\n%.*sanswers:\n%.*s\n", (int)cuts_server.events.len,
            cuts_server.events.bytes, (int)cuts_server.answers.len, cuts_server.answers.bytes);
    return false;
}

/* learn sends a stream whole and in order, which says what must come of it. */
static bool learn(struct random *random, unsigned stream)
{
    struct peer peer;
    if (!open_peer(&peer, random, stream))
        return blame(&peer, 0, "no connection");
    if (!complete(&peer))
        return blame(&peer, 0, "it is not taken");
    wanted[stream].events = cuts_server.events;
    wanted[stream].answers = cuts_server.answers;
    if (count_of(&cuts_server.events, "\n") != peer.stream->events ||
        count_of(&cuts_server.answers, "HTTP/1.1 ") != peer.stream->answers)
        return blame(&peer, 0, "not what it is known to give");
    cuts_server_end();
    return true;
}

static bool run(struct random *random, uint64_t number)
{
    struct cut cuts[SEGMENTS_MAX];
    struct peer peer;
    unsigned stream = random_below(random, STREAMS);
    if (!open_peer(&peer, random, stream))
        return blame(&peer, number, "no connection");
    unsigned count = draw_cuts(random, peer.len, cuts);
    shuffle(random, cuts, count, random_chance(random, 500) ? random_below(random, 6) : count);
    uint32_t turns = random_below(random, 1001); /* in a thousand segments */
    for (unsigned i = 0; i < count; i++) {
        say_data(&peer, cuts[i]);
        if (random_chance(random, turns))
            cuts_server_turn();
    }
    if (!complete(&peer))
        return blame(&peer, number, "it does not come to an end");
    if (!same(&cuts_server.events, &wanted[stream].events))
        return blame(&peer, number, "other events");
    if (!same(&cuts_server.answers, &wanted[stream].answers))
        return blame(&peer, number, "other answers");
    cuts_server_end();
    return true;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    struct random random = {.state = 1};
    uint64_t count = 10000, done = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option != 'n' && option != 's') {
            fprintf(stderr, "usage: %s [--count N] [--seed N]\n", argv[0]);
            return 2;
        }
        *(option == 'n' ? &count : &random.state) = strtoull(optarg, NULL, 10);
    }
    cuts_server_start();
    bool good = true;
    for (unsigned i = 0; good && i < STREAMS; i++)
        good = learn(&random, i);
    while (good && done < count)
        good = run(&random, done++);
    printf("{\"cuts\":%lu,\"segments\":%lu,\"resent\":%lu,\"violations\":%d}\n",
           (unsigned long)done, (unsigned long)segments_sent, (unsigned long)resent, !good);
    return !good || !done;
}
