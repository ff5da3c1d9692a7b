/* test_claims.c - several rx parts and seven shards: claims of one tile, all received in the same
 * millisecond or not, have one winner, and what is counted adds up.
 */
#include "tests/unit/graph/fixture.h"

#include "dataplane/base/segment.h"
#include "dataplane/rx.h"
#include "graph/shard.h"

#define SOURCES 3
#define SHARDS  7
#define SLOTS   256
#define BLOCKS  4
#define ARENA   (64u << 20)
#define CLAIMS  60000u

/* A port whose next frame is always there, made on the way. */
struct port {
    struct packet packets[SLOTS * SHARDS];
    uint8_t frames[SLOTS * SHARDS][512];
    struct packet *idle[SLOTS * SHARDS];
    uint32_t idle_count, sent, source;
};

static struct fixture *f;
static struct arena arena;
static struct port ports[SOURCES];
static struct rx rx[SOURCES];
static struct shard shards[SHARDS];
static struct event_ring events[SOURCES][SHARDS];
static struct answer_ring answers[SOURCES][SHARDS];
static struct block_ring filled[SHARDS], empty[SHARDS];
static struct block blocks[SHARDS][BLOCKS];
static struct segment_mark marks[SHARDS];
static struct host hosts[SHARDS];
static char tile[TILES_NAME_LEN + 1];

static uint32_t datagram(uint8_t *f42, uint32_t number)
{
    static const uint8_t head[] = {2,   0,    0, 0, 0,   1, 2, 0, 0,    0,    0,  2, 8,
                                   0,   0x45, 0, 0, 0,   0, 0, 0, 0,    64,   17, 0, 0,
                                   192, 0,    2, 2, 192, 0, 2, 1, 0x9c, 0x40, 27, 89};
    memset(f42, 0, 42);
    memcpy(f42, head, sizeof head);
    int len = sprintf((char *)f42 + 42,
                      "{\"id\":\"00000000-0000-4000-8000-%012x\",\"time\":%llu,\"user\":\"u-%u\","
                      "\"type\":\"note\",\"tile\":\"%s\"}",
                      number, (unsigned long long)(clock_realtime_ns() / NS_PER_MS), number, tile);
    f42[16] = (uint8_t)((28 + len) >> 8);
    f42[17] = (uint8_t)(28 + len);
    f42[38] = (uint8_t)((8 + len) >> 8);
    f42[39] = (uint8_t)(8 + len);
    return 42 + (uint32_t)len;
}

static uint32_t port_receive(void *arg, struct packet **packets, uint32_t count)
{
    struct port *port = arg;
    uint32_t n = 0;
    /* Only as many as the shard that owns the tile has room for. */
    for (; n < count && port->idle_count > sizeof port->idle / sizeof *port->idle - SLOTS / 2 &&
           port->sent < CLAIMS / SOURCES;
         n++) {
        struct packet *packet = packets[n] = port->idle[--port->idle_count];
        packet->len = datagram(packet->frame, port->sent++ * SOURCES + port->source + 1);
        packet->offload = NET_IP_CHECKED | NET_L4_CHECKED;
    }
    return n;
}

static uint32_t port_transmit(void *arg, struct packet **packets, uint32_t count)
{
    (void)arg, (void)packets;
    return count;
}

static void port_release(void *arg, struct packet **packets, uint32_t count)
{
    struct port *port = arg;
    for (uint32_t i = 0; i < count; i++)
        port->idle[port->idle_count++] = packets[i];
}

static void make_shard(uint32_t s)
{
    struct event_ring *sources[SOURCES];
    struct answer_ring *back[SOURCES];
    struct state_limits limits = small_limits;
    limits.shard_count = SHARDS;
    limits.shard = s;
    limits.dedupe_capacity = (uint64_t)CLAIMS * limits.partition_count;
    hosts[s] = host_open(limits);
    for (uint32_t r = 0; r < SOURCES; r++) {
        event_ring_init(sources[r] = &events[r][s], &arena, SLOTS);
        answer_ring_init(back[r] = &answers[r][s], &arena, SLOTS);
    }
    block_ring_init(&filled[s], &arena, 8);
    block_ring_init(&empty[s], &arena, 8);
    for (uint32_t b = 0; b < BLOCKS; b++) {
        block_init(&blocks[s][b], &arena);
        block_ring_push_burst(&empty[s], &(struct block_ref){.block = &blocks[s][b]}, 1);
    }
    struct shard_wiring wiring = {.index = s,
                                  .source_count = SOURCES,
                                  .sources = sources,
                                  .answers = back,
                                  .to_journal = &filled[s],
                                  .from_journal = &empty[s],
                                  .mark = &marks[s],
                                  .next_ordinal = 1};
    shard_init(&shards[s], hosts[s].state, f->rules, &wiring);
}

static void make_rx(uint32_t r)
{
    struct event_ring *to_shard[SHARDS];
    struct answer_ring *back[SHARDS];
    struct port *port = &ports[r];
    *port = (struct port){.source = r};
    for (uint32_t i = 0; i < SLOTS * SHARDS; i++) {
        port->packets[i].frame = port->frames[i];
        port->idle[port->idle_count++] = &port->packets[i];
    }
    for (uint32_t s = 0; s < SHARDS; s++) {
        to_shard[s] = &events[r][s];
        back[s] = &answers[r][s];
    }
    struct rx_wiring wiring = {
        .port = {port_receive, port_transmit, port_release, NULL, port},
        .net = {.mac = {2, 0, 0, 0, 0, 1},
                .udp_port = 7001,
                .max_datagram = 1400,
                .addr_count = 1,
                .addrs = {{.family = 4, .bytes = {192, 0, 2, 1}}}},
        .settings = {.limits = {.event_bytes = 1400, .event_depth = 16}},
        .key = &f->key,
        .partition_count = small_limits.partition_count,
        .shard_count = SHARDS,
        .ring_slots = SLOTS,
        .local_shard = -1,
        .to_shard = to_shard,
        .answers = back,
    };
    rx_init(&rx[r], &arena, &wiring);
}

static void add_hunt(void)
{
    struct conf_hunt *hunt = &f->conf.hunts[f->conf.hunt_count++];
    *hunt = (struct conf_hunt){.name = "tiles",
                               .kind = CONF_TILES,
                               .types = 2,
                               .ends_ms = INT64_MAX,
                               .tiles = 10,
                               .live = 2,
                               .period_ns = 1800 * NS_PER_S,
                               .map_ttl_ns = 21600 * NS_PER_S};
    fixture_build(f);
    uint64_t period = clock_realtime_ns() / hunt->period_ns;
    tiles_name(&f->rules->hunts[0].tiles_key, (struct tile){period, 3}, tile);
}

/* The journal of a shard: what is filled is durable at once. */
static void journal(uint32_t s)
{
    struct block_ref ref;
    while (block_ring_pop_burst(&filled[s], &ref, 1)) {
        atomic_store(&marks[s].ordinal, ref.block->first_ordinal + ref.block->record_count - 1);
        block_ring_push_burst(&empty[s], &ref, 1);
    }
}

static void claims_of_one_tile_from_everywhere_have_one_winner(void **state)
{
    (void)state;
    f = fixture_open();
    add_hunt();
    arena_init(&arena, aligned_alloc(4096, ARENA), ARENA);
    for (uint32_t s = 0; s < SHARDS; s++)
        make_shard(s);
    for (uint32_t r = 0; r < SOURCES; r++)
        make_rx(r);
    uint64_t answered = 0, lost = 0;
    for (unsigned turn = 0; answered < CLAIMS && turn < 1000000; turn++) {
        answered = lost = 0;
        for (uint32_t r = 0; r < SOURCES; r++) {
            rx_poll(&rx[r], true);
            answered += rx[r].counters.answered;
            lost += rx[r].counters.lost[LOST_ring_full];
        }
        for (uint32_t s = 0; s < SHARDS; s++) {
            shard_poll(&shards[s], clock_monotonic_ns(), 64);
            journal(s);
        }
    }
    assert_int_equal(answered, CLAIMS);
    assert_int_equal(lost, 0);
    uint64_t granted = 0, taken = 0, busy = 0;
    for (uint32_t s = 0; s < SHARDS; s++) {
        const struct shard_counters *c = &shards[s].counters;
        granted += c->outcomes[OUTCOME_claim_granted];
        taken += c->refusals[REFUSAL_taken];
        busy += c->accepted != 0;
        host_close(&hosts[s]);
    }
    assert_int_equal(granted, 1);
    assert_int_equal(taken, CLAIMS - 1);
    assert_int_equal(busy, 1);
    free(arena.base);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_of_one_tile_from_everywhere_have_one_winner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
