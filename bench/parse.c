/* parse.c - trove-parse: what it takes to parse an event, beside another parser in the same run.
 *
 *   trove-parse [--rounds N]   one JSON object a line for each set of events and parser:
 *                              nanoseconds an event, of every round
 *   trove-parse --once SET     parses a set once with event_parse, for callgrind to count
 *   --scan NAME                before these: avx512, avx2 or portable instead of the best there is
 *
 * A round parses every set with every parser, one after the other and PASSES times each, so that
 * what the machine does to one it does to all.  The first pass brings texts and branches in; of the
 * others the fastest counts, since a core that is taken away is nobody's time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/parse_events.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/event.h"
#include "dataplane/base/event_scan.h"
#ifdef TROVE_SIMDJSON
#include "bench/parse_peer.h"
#endif

#define ROUNDS_MAX 1000
#define PASSES     4
#define SETS       (PARSE_ORDERS * PARSE_KINDS)

static const struct event_limits limits = {.event_bytes = 16384, .event_depth = 8};
static struct hash_key key;
static struct parse_events sets[SETS]; /* of each order, all kinds */

struct parser {
    const char *name;
    const char *checks; /* what it looks at: all that event_parse does, or what it is asked for */
    int (*parse)(const struct hash_key *key, const uint8_t *bytes, uint32_t len,
                 struct event *event);
};

static int parse_own(const struct hash_key *with, const uint8_t *bytes, uint32_t len,
                     struct event *event)
{
    return (int)event_parse(&limits, with, bytes, len, event);
}

static const struct parser parsers[] = {
    {"trove", "all", parse_own},
#ifdef TROVE_SIMDJSON
    {"simdjson", "extract", peer_extract},
    {"simdjson", "iterate", peer_iterate},
    {"simdjson", "all", peer_check},
#endif
};

#define PARSERS (sizeof parsers / sizeof *parsers)

static double found[SETS][PARSERS][ROUNDS_MAX];

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "error: %s%s\n", what, which);
    exit(1);
}

/* parse_set returns the time that PARSE_EVENTS events take. */
static uint64_t parse_set(const struct parser *parser, const struct parse_events *set)
{
    struct event event;
    int faults = 0;
    uint64_t start_ns = clock_monotonic_ns();
    for (uint32_t i = 0; i < PARSE_EVENTS; i++) {
        faults |= parser->parse(&key, set->texts[i].bytes, set->texts[i].len, &event);
        __asm__ volatile("" : : "r"(&event) : "memory"); /* the result is wanted */
    }
    uint64_t took_ns = clock_monotonic_ns() - start_ns;
    if (faults)
        fail("an event was not accepted by ", parser->name);
    return took_ns;
}

/* same_result compares what two parsers made of an event. */
static bool same_result(const struct event *a, const struct event *b)
{
    return a->id[0] == b->id[0] && a->id[1] == b->id[1] && a->time_ms == b->time_ms &&
           a->user_key.lo == b->user_key.lo && a->user_key.hi == b->user_key.hi &&
           a->type_key == b->type_key && a->item_key == b->item_key && a->hunt_key == b->hunt_key;
}

/* Those that check all must agree, else they do not do the same work. */
static void compare(const struct parse_events *set)
{
    for (uint32_t i = 0; i < PARSE_EVENTS; i++) {
        struct event own, other;
        const struct parse_text *text = &set->texts[i];
        if (parse_own(&key, text->bytes, text->len, &own))
            fail("not accepted: ", (const char *)text->bytes);
        for (size_t p = 1; p < PARSERS; p++) {
            if (strcmp(parsers[p].checks, "all") != 0)
                continue;
            if (parsers[p].parse(&key, text->bytes, text->len, &other) ||
                !same_result(&own, &other))
                fail("read in another way by the other: ", (const char *)text->bytes);
        }
    }
}

static void make_sets(void)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "bench";
    hash_key_init(&key, seed);
    for (uint32_t s = 0; s < SETS; s++)
        parse_events_make(&sets[s], s % PARSE_KINDS, s / PARSE_KINDS);
}

static void print(uint32_t s, uint32_t p, uint32_t rounds)
{
    printf("{\"events\":\"%s\",\"order\":\"%s\",\"bytes\":%.1f,\"parser\":\"%s\",\"checks\":\"%s\","
           "\"ns\":[",
           parse_kind_names[s % PARSE_KINDS], parse_order_names[s / PARSE_KINDS],
           (double)sets[s].bytes / PARSE_EVENTS, parsers[p].name, parsers[p].checks);
    for (uint32_t r = 0; r < rounds; r++)
        printf("%s%.2f", r ? "," : "", found[s][p][r]);
    printf("]}\n");
}

static double fastest(const struct parser *parser, const struct parse_events *set)
{
    uint64_t least = UINT64_MAX;
    parse_set(parser, set);
    for (uint32_t pass = 1; pass < PASSES; pass++) {
        uint64_t took = parse_set(parser, set);
        least = took < least ? took : least;
    }
    return (double)least / PARSE_EVENTS;
}

static void measure(uint32_t rounds)
{
    for (uint32_t r = 0; r < rounds; r++)
        for (uint32_t s = 0; s < SETS; s++)
            for (uint32_t p = 0; p < PARSERS; p++)
                found[s][p][r] = fastest(&parsers[p], &sets[s]);
    for (uint32_t s = 0; s < SETS; s++)
        for (uint32_t p = 0; p < PARSERS; p++)
            print(s, p, rounds);
}

static void once(const char *name)
{
    for (uint32_t s = 0; s < PARSE_KINDS; s++)
        if (!strcmp(name, parse_kind_names[s])) {
            parse_set(&parsers[0], &sets[s]);
            return;
        }
    fail("no such set of events: ", name);
}

static void use_scan(const char *name)
{
    for (const struct event_scan *scan = event_scans; scan->name; scan++)
        if (!strcmp(name, scan->name) && scan->runs()) {
            event_scan_use(scan);
            return;
        }
    fail("this processor or build has no scan called ", name);
}

int main(int argc, char **argv)
{
    uint32_t rounds = 51;
    make_sets();
    if (argc >= 3 && !strcmp(argv[1], "--scan")) {
        use_scan(argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (argc == 3 && !strcmp(argv[1], "--once")) {
        once(argv[2]);
        return 0;
    }
    if (argc == 3 && !strcmp(argv[1], "--rounds"))
        rounds = (uint32_t)strtoul(argv[2], NULL, 10);
    else if (argc != 1)
        fail("usage: trove-parse [--scan NAME] [--rounds N | --once SET]", "");
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("rounds are at least 1 and at most 1000", "");
    for (uint32_t s = 0; s < SETS; s++)
        compare(&sets[s]);
    measure(rounds);
    return 0;
}
