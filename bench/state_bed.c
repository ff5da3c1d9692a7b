/* state_bed.c - the bed that benchmarks of the state stand on. */
#include "bench/state_bed.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/clock.h"
#include "graph/mix.h"

static struct outcome outcomes[STATE_OUTCOMES_MAX];

void state_bed_need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}

void state_bed_pin(unsigned long core)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET(core, &cores);
    state_bed_need(!sched_setaffinity(0, sizeof cores, &cores), "there is no such core");
}

void state_bed_catalog(char path[CONF_PATH_MAX], uint32_t nodes, uint32_t edges)
{
    snprintf(path, CONF_PATH_MAX, "/tmp/trove-state-XXXXXX");
    int fd = mkstemp(path);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    state_bed_need(out, "cannot write a catalog to /tmp");
    for (uint32_t n = 0; n < nodes; n++)
        for (uint32_t e = 0; e < edges; e++)
            fprintf(out, "n%u\tn%u\t%u\n", n,
                    e ? (uint32_t)(mix64((uint64_t)n * edges + e) % nodes) : (n + 1) % nodes,
                    e ? 1 + e % 7 : 100);
    fclose(out);
}

struct conf_hunt *state_bed_conf(struct state_bed *bed, enum conf_hunt_kind kind)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "bench";
    struct conf *conf = &bed->conf;
    memset(bed, 0, sizeof *bed);
    hash_key_init(&bed->key, seed);
    conf->events.dedupe_window_ns = NS_PER_S;
    conf->events.skew_tolerance_ns = conf->events.skew_reject_ns = 3600 * NS_PER_S;
    conf->events.lateness_ns = NS_PER_S;
    conf->events.type_count = conf->hunt_count = 1;
    strcpy(conf->events.types[0].name, "event");
    conf->limits.user_ttl_ns = 24 * (3600 * NS_PER_S);
    struct conf_hunt *hunt = &conf->hunts[0];
    *hunt = (struct conf_hunt){
        .name = "hunt", .kind = kind, .types = 1, .ends_ms = INT64_MAX, .once = true};
    return hunt;
}

void state_bed_open(struct state_bed *bed, struct state_limits limits)
{
    struct diag_list diags = {0};
    limits.partition_count = 256;
    limits.shard_count = 1;
    limits.dedupe_window_ns = bed->conf.events.dedupe_window_ns;
    bed->items = items_new(1000000);
    bed->rules = bed->items ? rules_build(&bed->conf, 1, &bed->key, bed->items, &diags) : NULL;
    diag_print(&diags, stderr);
    diag_list_fini(&diags);
    state_bed_need(bed->rules, "the rules cannot be built");
    state_bed_need(!arena_open(&bed->arena, state_footprint(&limits), -1, false),
                   "not enough memory");
    bed->state = state_init(&bed->arena, &limits);
}

void state_bed_close(struct state_bed *bed)
{
    arena_close(&bed->arena);
    rules_free(bed->rules);
    items_free(bed->items);
}

struct event *state_bed_event(struct state_bed *bed, uint32_t at, uint64_t user, uint64_t now_ns)
{
    struct event *event = &bed->events[at];
    uint64_t id = ++bed->next_id;
    *event = (struct event){
        .user_key = hash128(&bed->key, &user, sizeof user),
        .id = {id, ~id},
        .time_ms = (int64_t)(now_ns / NS_PER_MS),
        .receive_ns = now_ns,
        .type_key = hash64(&bed->key, "event", 5),
    };
    event->partition = event_partition(event->user_key.hi, 256);
    return event;
}

void state_bed_item(const struct state_bed *bed, struct event *event, uint32_t node)
{
    char name[16];
    int len = snprintf(name, sizeof name, "n%u", node);
    event->item_key = hash64(&bed->key, name, (size_t)len);
    event->flags = EVENT_HAS_ITEM;
}

void state_bed_tile(struct state_bed *bed, struct event *event, uint32_t at, struct tile tile)
{
    tiles_name(&bed->rules->hunts[0].tiles_key, tile, bed->names[at]);
    event->bytes = (const uint8_t *)bed->names[at];
    event->tile = (struct span){.len = TILES_NAME_LEN};
    event->tile_key = hash64(&bed->key, bed->names[at], TILES_NAME_LEN);
    event->flags = EVENT_HAS_TILE;
    event->partition = event_partition(event->tile_key, 256);
}

void state_bed_walker(struct conf_hunt *hunt, const char *catalog)
{
    hunt->recent = 8;
    hunt->ttl_ns = 3600 * NS_PER_S;
    hunt->basket_items = 3;
    hunt->threshold = 1024u << 16;
    hunt->decay = 1u << 15;
    hunt->max_depth = 2;
    hunt->max_fanout = 8;
    hunt->budget = 256;
    snprintf(hunt->catalog, sizeof hunt->catalog, "%s", catalog);
}

uint64_t state_bed_apply(struct state_bed *bed, enum outcome_kind expected, uint64_t *edges)
{
    struct hash128 identities[STATE_BURST_MAX];
    uint64_t start_ns = clock_monotonic_ns(), strange = 0;
    state_prefetch(bed->state, bed->rules, bed->events, STATE_BED_BURST, identities);
    for (uint32_t i = 0; i < STATE_BED_BURST; i++) {
        struct verdict verdict;
        state_apply_identified(bed->state, bed->rules, &bed->events[i], identities[i], &verdict,
                               outcomes);
        strange += verdict.result != RESULT_ACCEPTED ||
                   (expected != OUTCOME_KIND_COUNT && outcomes[0].kind != expected);
        *edges += outcomes[0].edge_count;
    }
    uint64_t took_ns = clock_monotonic_ns() - start_ns;
    state_bed_need(!strange, "an event was not decided as planned");
    return took_ns;
}
