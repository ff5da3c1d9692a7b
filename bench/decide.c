/* decide.c - trove-decide: what an event costs the shard part, from its ring to the answer: the
 * decision, and the records that the journal gets of it.
 *
 *   trove-decide [--rounds N]   one JSON object: nanoseconds an event, of every round
 *   trove-decide --once         one round, whose polls callgrind can count by
 *                               --toggle-collect=counted_poll
 *
 * Events are trove-blast's, of four views to a purchase, by 100,000 users: views are for a trail,
 * purchases for a basket with the walks of a shop, as in the benchmarks of the daemon.  The journal
 * gives each block back at once.  Rounds that do not count bring memory, branches and users to
 * where they stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/blast_builder.h"
#include "bench/release.h"
#include "bench/state_bed.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/segment.h"
#include "graph/shard.h"

#define ROUND_EVENTS 8192
#define ROUNDS       15
#define ROUNDS_MAX   1000
#define ROUNDS_FIRST 24
#define KNOWN_IDS    4000000
#define USERS        100000
#define NODES        200
#define EDGES        5
#define RING_SLOTS   64
#define BLOCKS       16
#define TEXT_BYTES   256

static struct state_bed bed;
static struct shard shard;
static struct event_ring events;
static struct answer_ring answers;
static struct block_ring filled, spare;
static struct segment_mark mark;
static struct block blocks[BLOCKS];
static struct arena arena;
static struct blast_builder builder;
static struct blast_profile profile;
static struct blast_pacer pacer;
static uint8_t (*texts)[TEXT_BYTES + BLAST_DATAGRAM_MAX + BLAST_SLACK];
static struct event *parsed;

static void init_rules(const char *catalog)
{
    static char start[1][CONF_NAME_MAX + 1] = {"n0"}, treasure[1][CONF_NAME_MAX + 1] = {"n199"};
    struct conf_hunt *basket = state_bed_conf(&bed, CONF_BASKET), *trail = &bed.conf.hunts[1];
    state_bed_walker(basket, catalog);
    basket->threshold = 2u << 16;
    *trail = *basket;
    trail->kind = CONF_TRAIL;
    strcpy(bed.conf.events.types[0].name, "purchase");
    bed.conf.events.types[1] = bed.conf.events.types[0];
    strcpy(bed.conf.events.types[1].name, "view");
    bed.conf.events.type_count = bed.conf.hunt_count = 2;
    strcpy(trail->name, "trail");
    trail->types = 2;
    trail->max_depth = 8;
    trail->start = start;
    trail->treasure = treasure;
    trail->start_count = trail->treasure_count = 1;
    state_bed_open(&bed,
                   (struct state_limits){.dedupe_capacity = KNOWN_IDS, .users = 2ull * USERS});
}

static void init_shard(void)
{
    static struct event_ring *sources[] = {&events};
    static struct answer_ring *back[] = {&answers};
    size_t need = event_ring_footprint(RING_SLOTS) + answer_ring_footprint(RING_SLOTS) +
                  2 * block_ring_footprint(2 * BLOCKS) + BLOCKS * block_footprint();
    state_bed_need(!arena_open(&arena, need, -1, false), "not enough memory");
    event_ring_init(&events, &arena, RING_SLOTS);
    answer_ring_init(&answers, &arena, RING_SLOTS);
    block_ring_init(&filled, &arena, 2 * BLOCKS);
    block_ring_init(&spare, &arena, 2 * BLOCKS);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        block_init(&blocks[i], &arena);
        block_ring_push_burst(&spare, &(struct block_ref){&blocks[i]}, 1);
    }
    const struct shard_wiring wiring = {
        .source_count = 1,
        .sources = sources,
        .answers = back,
        .to_journal = &filled,
        .from_journal = &spare,
        .mark = &mark,
        .next_ordinal = 1,
        .group_commit_ns = NS_PER_MS,
    };
    shard_init(&shard, bed.state, bed.rules, &wiring);
}

static void init_builder(const char *catalog)
{
    char fault[256] = "";
    blast_profile_init(&profile);
    profile.users = USERS;
    profile.catalog = catalog;
    profile.zipf = 1.0;
    profile.event_bytes = 170;
    profile.duplicates = UINT32_MAX / 100;
    state_bed_need(!blast_profile_types(&profile, "view:80,purchase:20"), "types");
    state_bed_need(!blast_pacer_parse(&pacer, "1M") &&
                       !blast_pacer_limit(&pacer, (uint64_t)ROUND_EVENTS * 2 * ROUNDS_MAX, 0),
                   "pacer");
    state_bed_need(!blast_builder_init(&builder, &profile, &pacer, fault, sizeof fault), fault);
    builder.source.start_real_ns = STATE_BED_T0;
    texts = calloc(ROUND_EVENTS, sizeof *texts);
    parsed = calloc(ROUND_EVENTS, sizeof *parsed);
    state_bed_need(texts && parsed, "not enough memory");
}

/* make_round fills in the events of a round, as an rx part hands them on. */
static void make_round(void)
{
    uint64_t now_ns = clock_monotonic_ns();
    static const struct event_limits limits = {.event_bytes = 16384, .event_depth = 16};
    for (uint32_t i = 0; i < ROUND_EVENTS; i++) {
        struct event *event = &parsed[i];
        uint64_t due_ns;
        state_bed_need(builder.source.due(&builder.source, &due_ns), "trove-blast's plan is over");
        uint32_t len = builder.source.build(&builder.source, due_ns, texts[i]);
        builder.source.settle(&builder.source, 1);
        enum reason reason = event_parse(&limits, &bed.key, texts[i], len, event);
        state_bed_need(reason == REASON_none, "an event is none");
        event->receive_ns = STATE_BED_T0 + due_ns;
        event->wire_ns = now_ns;
        event->partition = event_partition(event->user_key.hi, 256);
    }
}

/* counted_poll is a name of its own for callgrind. */
unsigned counted_poll(uint64_t now_ns);
__attribute__((noinline)) unsigned counted_poll(uint64_t now_ns)
{
    return shard_poll(&shard, now_ns, SHARD_BURST) + 1; /* no tail call: callgrind misses its end */
}

/* give_back is the journal: what it was given is durable, and free again. */
static void give_back(void)
{
    struct block_ref ref;
    while (block_ring_pop_burst(&filled, &ref, 1)) {
        uint64_t last = ref.block->first_ordinal + ref.block->record_count - 1;
        atomic_store_explicit(&mark.ordinal, last, memory_order_release);
        block_ring_push_burst(&spare, &ref, 1);
    }
}

static unsigned plain_poll(uint64_t now_ns)
{
    return shard_poll(&shard, now_ns, SHARD_BURST);
}

/* run_round decides ROUND_EVENTS.  Returns the time of the polls alone. */
static uint64_t run_round(unsigned (*poll)(uint64_t now_ns))
{
    struct answer said[SHARD_BURST];
    uint64_t took_ns = 0;
    make_round();
    for (uint32_t at = 0; at < ROUND_EVENTS; at += SHARD_BURST) {
        event_ring_push_burst(&events, parsed + at, SHARD_BURST);
        uint64_t start_ns = clock_monotonic_ns();
        poll(start_ns);
        took_ns += clock_monotonic_ns() - start_ns;
        state_bed_need(answer_ring_pop_burst(&answers, said, SHARD_BURST) == SHARD_BURST,
                       "an event was not answered");
        give_back();
    }
    return took_ns;
}

int main(int argc, char **argv)
{
    char catalog[CONF_PATH_MAX];
    bool once = argc == 2 && !strcmp(argv[1], "--once");
    bool rounds = argc == 3 && !strcmp(argv[1], "--rounds");
    uint32_t count = rounds ? (uint32_t)strtoul(argv[2], NULL, 10) : ROUNDS;
    if ((argc != 1 && !once && !rounds) || !count || count > ROUNDS_MAX) {
        fprintf(stderr, "usage: trove-decide [--once | --rounds N], at most %d\n", ROUNDS_MAX);
        return 2;
    }
    release_need();
    state_bed_catalog(catalog, NODES, EDGES);
    init_rules(catalog);
    state_clear(bed.state); /* every page is there */
    init_shard();
    init_builder(catalog);
    unlink(catalog);
    for (uint32_t i = 0; i < ROUNDS_FIRST; i++)
        (void)run_round(plain_poll);
    if (once)
        count = 1;
    printf("{\"events\":%u,\"ns\":[", count * ROUND_EVENTS);
    for (uint32_t i = 0; i < count; i++)
        printf("%s%.1f", i ? "," : "", (double)run_round(counted_poll) / ROUND_EVENTS);
    const struct shard_counters *c = &shard.counters;
    printf("],\"accepted\":%llu,\"duplicate\":%llu,\"bytes\":%.0f}\n",
           (unsigned long long)c->accepted, (unsigned long long)c->duplicate,
           (double)c->record_bytes / (double)c->accepted);
    return 0;
}
