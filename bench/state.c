/* state.c - trove-state: what the state alone takes, on one core, with tables well beyond the
 * caches.
 *
 *   trove-state CORE [SCALE [PART]]     one JSON object a line; SCALE divides the tables' sizes;
 *                                       PART: claims, dedupe, users, walks or worst alone
 *
 * Events are made outside the measured time, in bursts as a shard takes them: prefetched, then
 * applied.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/release.h"
#include "bench/state_bed.h"
#include "conf/conf.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/histogram.h"
#include "graph/dedupe.h"
#include "graph/mix.h"
#include "graph/state.h"

static struct outcome outcomes[STATE_OUTCOMES_MAX];
static uint64_t scale = 1;

static void figure(const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"state\",\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"peer\":null,"
           "\"at\":null,\"runs\":1,\"min\":%.3f,\"max\":%.3f}\n",
           name, value, unit, value, value);
    fflush(stdout);
}

static double per_second(uint64_t count, uint64_t took_ns)
{
    return (double)count * NS_PER_S / (double)took_ns;
}

static void bench_claims(struct state_bed *bed, const char *catalog)
{
    (void)catalog;
    uint64_t count = 16000000 / scale / STATE_BED_BURST * STATE_BED_BURST, took_ns = 0, edges = 0;
    struct conf_hunt *hunt = state_bed_conf(bed, CONF_TILES);
    hunt->tiles = TILES_MAP_MAX;
    hunt->live = 1;
    hunt->period_ns = NS_PER_S;
    hunt->map_ttl_ns = 6 * (3600 * NS_PER_S);
    state_bed_open(bed, (struct state_limits){.dedupe_capacity = 4000000, .claims = count});
    for (uint64_t n = 0; n < count; n += STATE_BED_BURST) {
        uint64_t now_ns = STATE_BED_T0 + n / TILES_MAP_MAX * NS_PER_S;
        for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
            struct event *event = state_bed_event(bed, i, n + i, now_ns);
            struct tile tile = {now_ns / NS_PER_S, (uint32_t)((n + i) % TILES_MAP_MAX)};
            state_bed_tile(bed, event, i, tile);
        }
        uint64_t burst_ns = state_bed_apply(bed, OUTCOME_claim_granted, &edges);
        took_ns += burst_ns;
        histogram_record(&bed->apply, burst_ns);
    }
    figure("claims_per_s", per_second(count, took_ns), "1/s");
    figure("claim_us_p50", (double)histogram_percentile(&bed->apply, 50) / 1000, "us");
    figure("claim_us_p99", (double)histogram_percentile(&bed->apply, 99) / 1000, "us");
    state_bed_close(bed);
}

static void bench_dedupe(struct state_bed *bed, const char *catalog)
{
    (void)catalog;
    (void)state_bed_conf(bed, CONF_TILES); /* for its key */
    static struct dedupe dedupe;
    struct arena arena;
    uint64_t count = 100000000 / scale / STATE_BED_BURST * STATE_BED_BURST, took_ns = 0, first;
    uint32_t lines = dedupe_line_count((uint32_t)count, 1), refused = 0;
    state_bed_need(!arena_open(&arena, (size_t)lines * sizeof(struct dedupe_line) + 64, -1, false),
                   "not enough memory for the ids");
    dedupe_init(&dedupe, &arena, (uint32_t)count, lines, 900 * NS_PER_S);
    for (uint64_t n = 0; n < count; n += STATE_BED_BURST) {
        struct hash128 keys[STATE_BED_BURST];
        struct dedupe_path path;
        uint64_t now_ns = STATE_BED_T0 + n * 8;
        for (uint32_t i = 0; i < STATE_BED_BURST; i++)
            keys[i] = hash128(&bed->key, &(uint64_t){n + i}, 8);
        uint64_t start_ns = clock_monotonic_ns();
        for (uint32_t i = 0; i < STATE_BED_BURST; i++)
            dedupe_prefetch(&dedupe, keys[i]);
        for (uint32_t i = 0; i < STATE_BED_BURST; i++)
            dedupe_prefetch_other(&dedupe, keys[i]);
        for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
            if (dedupe_find(&dedupe, keys[i], now_ns, &first) ||
                !dedupe_plan(&dedupe, keys[i], now_ns, &path))
                refused++;
            else
                dedupe_insert(&dedupe, keys[i], now_ns, n + i + 1, &path);
        }
        took_ns += clock_monotonic_ns() - start_ns;
    }
    state_bed_need(!refused, "the ids did not fit");
    figure("dedupe_ids", (double)count, "1");
    figure("dedupe_inserts_per_s", per_second(count, took_ns), "1/s");
    figure("dedupe_bytes_per_id", (double)arena.used / (double)count, "B");
    arena_close(&arena);
}

static void bench_users(struct state_bed *bed, const char *catalog)
{
    uint64_t users = 10000000 / scale / STATE_BED_BURST * STATE_BED_BURST, took_ns = 0, edges = 0;
    static char start[1][CONF_NAME_MAX + 1] = {"n0"}, treasure[1][CONF_NAME_MAX + 1] = {"n19999"};
    struct conf_hunt *hunt = state_bed_conf(bed, CONF_TRAIL);
    hunt->start = start;
    hunt->treasure = treasure;
    hunt->start_count = hunt->treasure_count = 1;
    hunt->max_depth = 16;
    hunt->max_fanout = 32;
    hunt->budget = 2000;
    snprintf(hunt->catalog, sizeof hunt->catalog, "%s", catalog);
    struct state_limits limits = {.dedupe_capacity = 4000000, .users = users};
    state_bed_open(bed, limits);
    for (uint64_t n = 0; n < 2 * users; n += STATE_BED_BURST) {
        for (uint32_t i = 0; i < STATE_BED_BURST; i++)
            state_bed_item(bed, state_bed_event(bed, i, (n + i) % users, STATE_BED_T0 + n * 1000),
                           (uint32_t)(n / users));
        uint64_t burst_ns = state_bed_apply(bed, OUTCOME_visit, &edges);
        took_ns += n < users ? 0 : burst_ns;
    }
    struct state_usage usage;
    state_usage(bed->state, &usage);
    state_bed_need(usage.users_used == users, "not every user is on the trail");
    figure("users", (double)users, "1");
    figure("user_updates_per_s", per_second(users, took_ns), "1/s");
    limits.partition_count = 256;
    limits.shard_count = 1;
    limits.dedupe_window_ns = NS_PER_S;
    size_t all = state_footprint(&limits);
    limits.users = 0;
    figure("user_bytes", (double)(all - state_footprint(&limits)) / (double)users, "B");
    state_bed_close(bed);
}

static void bench_walks(struct state_bed *bed, const char *catalog)
{
    uint64_t count = 2000000 / scale / STATE_BED_BURST * STATE_BED_BURST, took_ns = 0, edges = 0;
    state_bed_walker(state_bed_conf(bed, CONF_BASKET), catalog);
    state_bed_open(bed, (struct state_limits){.dedupe_capacity = 4000000, .users = 200000});
    for (uint64_t n = 0; n < count; n += STATE_BED_BURST) {
        for (uint32_t i = 0; i < STATE_BED_BURST; i++)
            state_bed_item(bed,
                           state_bed_event(bed, i, mix64(n + i) % 100000, STATE_BED_T0 + n * 1000),
                           (uint32_t)(mix64(~(n + i)) % STATE_BED_NODES));
        took_ns += state_bed_apply(bed, OUTCOME_visit, &edges);
    }
    figure("walks_per_s", per_second(count, took_ns), "1/s");
    figure("walk_edges", (double)edges / (double)count, "1");
    state_bed_close(bed);
}

/* ---- the dearest events that a configuration allows ---- */

#define WORST_USERS 1000u
#define WORST_STEPS 40u /* of each user, of which the last WORST_TAKEN are measured */
#define WORST_TAKEN 20u

/* One kind of dear event. */
struct worst {
    const char *name;
    enum conf_hunt_kind kind;
    uint32_t hunts;   /* that listen */
    bool begin;       /* every event's user is new, and the room full of users who are forgotten */
    uint64_t step_ns; /* between two events */
    uint64_t users, claims;
};

static void worst_basket(struct conf_hunt *hunt, const char *catalog, uint32_t hunts)
{
    state_bed_walker(hunt, catalog);
    hunt->recent = hunt->basket_items = 16;
    hunt->decay = 1u << 16;
    hunt->max_depth = 4;
    hunt->max_fanout = hunts > 1 ? 1 : 1024; /* many nodes, or the heaviest */
    hunt->budget = CONF_EVENT_EDGES_MAX / hunts;
}

static void worst_trail(struct conf_hunt *hunt, const char *catalog, uint32_t hunts)
{
    static char start[1][CONF_NAME_MAX + 1] = {"n0"}, treasure[1][CONF_NAME_MAX + 1] = {"n19999"};
    uint32_t budget = CONF_EVENT_EDGES_MAX * CONF_TRAIL_EDGES / hunts;
    hunt->start = start;
    hunt->treasure = treasure;
    hunt->start_count = hunt->treasure_count = 1;
    hunt->max_depth = 16;
    hunt->max_fanout = 1024;
    hunt->budget = budget < 4096 ? budget : 4096;
    snprintf(hunt->catalog, sizeof hunt->catalog, "%s", catalog);
}

/* One tile is in every hunt's map; after an hour each grant takes dead ones back. */
static void worst_tiles(struct conf_hunt *hunt)
{
    hunt->tiles = TILES_MAP_MAX;
    hunt->live = 1;
    hunt->period_ns = NS_PER_S;
    hunt->map_ttl_ns = CONF_MAP_TTL_MIN_NS;
    strcpy(hunt->seed, "one for all");
}

static void worst_open(struct state_bed *bed, const struct worst *w, const char *catalog)
{
    struct conf_hunt first = *state_bed_conf(bed, w->kind);
    if (w->kind == CONF_BASKET)
        worst_basket(&first, catalog, w->hunts);
    else if (w->kind == CONF_TRAIL)
        worst_trail(&first, catalog, w->hunts);
    else
        worst_tiles(&first);
    bed->conf.hunt_count = w->hunts;
    for (uint32_t i = 0; i < w->hunts; i++) {
        bed->conf.hunts[i] = first;
        snprintf(bed->conf.hunts[i].name, sizeof first.name, "hunt%u", i);
    }
    if (w->begin)
        bed->conf.limits.user_ttl_ns = NS_PER_S;
    state_bed_open(bed, (struct state_limits){
                            .dedupe_capacity = 1000000, .users = w->users, .claims = w->claims});
}

static void worst_event(struct state_bed *bed, const struct worst *w, uint32_t n)
{
    uint32_t user = w->begin ? n : n % WORST_USERS, step = n / WORST_USERS;
    uint64_t now_ns = STATE_BED_T0 + n * w->step_ns;
    struct event *event = state_bed_event(bed, 0, user, now_ns);
    if (w->kind == CONF_TILES)
        state_bed_tile(bed, event, 0, (struct tile){now_ns / NS_PER_S, n});
    else if (w->kind == CONF_BASKET)
        state_bed_item(bed, event, (uint32_t)(mix64(n) % STATE_BED_NODES));
    else if (w->begin)
        state_bed_item(bed, event, 0);
    else /* along the trail, then to where no edge leads */
        state_bed_item(bed, event,
                       step < 17 ? step : 100 + (uint32_t)(mix64(n) % (STATE_BED_NODES / 2)));
}

static const struct {
    const char *name;
    double percentile;
} worst_shown[] = {{"p50", 50}, {"p99", 99}, {"max", 100}};

#define WORST_SHOWN (sizeof worst_shown / sizeof worst_shown[0])

/* worst_run prints how long single events take.  Every hunt listens to every event, every budget is
 * as high as conf allows, the state is full.  Nothing was prefetched.  What the machine takes from
 * the core meanwhile counts as well. */
static void worst_run(struct state_bed *bed, const struct worst *w, const char *catalog,
                      double dearest[WORST_SHOWN])
{
    char name[64];
    uint64_t edges = 0, taken = 0;
    worst_open(bed, w, catalog);
    for (uint32_t n = 0; n < WORST_USERS * WORST_STEPS; n++) {
        worst_event(bed, w, n);
        uint64_t start_ns = clock_monotonic_ns();
        struct verdict verdict = state_apply(bed->state, bed->rules, &bed->events[0], outcomes);
        uint64_t took_ns = clock_monotonic_ns() - start_ns;
        state_bed_need(verdict.outcome_count == w->hunts, "an event was not decided as planned");
        if (n < WORST_USERS * (WORST_STEPS - WORST_TAKEN))
            continue;
        histogram_record(&bed->apply, took_ns);
        taken++;
        for (uint32_t i = 0; i < w->hunts; i++)
            edges += outcomes[i].edge_count;
    }
    snprintf(name, sizeof name, "apply_worst_edges_%s", w->name);
    figure(name, (double)edges / (double)taken, "1");
    for (size_t i = 0; i < WORST_SHOWN; i++) {
        double us = (double)histogram_percentile(&bed->apply, worst_shown[i].percentile) / 1000;
        snprintf(name, sizeof name, "apply_worst_us_%s_%s", worst_shown[i].name, w->name);
        figure(name, us, "us");
        dearest[i] = us > dearest[i] ? us : dearest[i];
    }
    state_bed_close(bed);
}

static void bench_worst(struct state_bed *bed, const char *catalog)
{
    static const uint64_t users = 8ull * WORST_USERS * CONF_HUNTS_MAX;
    static const struct worst all[] = {
        {"basket", CONF_BASKET, 1, false, NS_PER_MS, users, 1000},
        {"baskets", CONF_BASKET, CONF_EVENT_EDGES_MAX / CONF_WALK_EDGES_MIN, false, NS_PER_MS,
         users, 1000},
        {"trail", CONF_TRAIL, 1, false, NS_PER_MS, users, 1000},
        {"trails", CONF_TRAIL, CONF_HUNTS_MAX, false, NS_PER_MS, users, 1000},
        {"begin", CONF_TRAIL, CONF_HUNTS_MAX, true, NS_PER_S, 512ull * CONF_HUNTS_MAX, 1000},
        {"tiles", CONF_TILES, CONF_HUNTS_MAX, false, NS_PER_S, 1000, 7400ull * CONF_HUNTS_MAX},
    };
    double dearest[WORST_SHOWN] = {0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        worst_run(bed, &all[i], catalog, dearest);
    for (size_t i = 0; i < WORST_SHOWN; i++) {
        char name[64];
        snprintf(name, sizeof name, "apply_us_%s", worst_shown[i].name);
        figure(name, dearest[i], "us");
    }
}

static const struct {
    const char *name;
    void (*run)(struct state_bed *bed, const char *catalog);
} parts[] = {{"claims", bench_claims},
             {"dedupe", bench_dedupe},
             {"users", bench_users},
             {"walks", bench_walks},
             {"worst", bench_worst}};

int main(int argc, char **argv)
{
    static struct state_bed bed;
    char catalog[CONF_PATH_MAX];
    char *end = NULL;
    unsigned long core = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    if (argc > 2)
        scale = strtoull(argv[2], NULL, 10);
    if (argc < 2 || argc > 4 || *end || core >= CPU_SETSIZE || !scale || scale > 1000) {
        fputs("usage: trove-state CORE [SCALE [PART]]\n", stderr);
        return 2;
    }
    release_need();
    state_bed_pin(core);
    state_bed_catalog(catalog, STATE_BED_NODES, STATE_BED_EDGES);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (argc < 4 || strcmp(argv[3], parts[i].name) == 0)
            parts[i].run(&bed, catalog);
    unlink(catalog);
    return 0;
}
