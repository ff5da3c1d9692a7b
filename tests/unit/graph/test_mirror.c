/* test_mirror.c - a partition copied while events flow is the partition; what a copy says, taken
 * into another state, goes on as the first one did; what is no image is refused. */
#include "tests/unit/graph/fixture.h"

#include <errno.h>

#include "graph/image.h"
#include "graph/mirror.h"

#define OPS       40000u
#define PARTS     16u
#define HOUR      (3600 * NS_PER_S)
#define IMAGE_MAX (8u << 20)

static const char graph[] = "p\tq\t1\nq\tp\t1\np\tx\t1\nx\ty\t1\ny\tz\t1\nq\tz\t1\n";

/* What was done, to be done once more in another state. */
struct op {
    bool is_correction;
    uint64_t seq; /* of the partition before it */
    struct event event;
    struct correction correction;
    char tile[TILES_NAME_LEN + 1]; /* that the event names */
};

struct world {
    struct fixture *f;
    struct host host;
    struct arena arena;
    void *memory;
    struct mirror mirror;
    uint64_t random, now_ns, ids;
    struct op *ops;
    uint32_t op_count;
    uint64_t corrected[64][2]; /* to be undone */
    uint32_t corrected_count;
    uint8_t *image[PARTS];
    uint32_t image_len[PARTS];
    uint32_t copies;
    char tile[TILES_NAME_LEN + 1];
};

static struct world world;

static void world_open(struct world *w, uint64_t seed, bool shorten)
{
    memset(w, 0, sizeof *w);
    w->random = seed * 0x9e3779b97f4a7c15ull;
    w->now_ns = T0;
    w->f = fixture_open();
    const char *catalog = fixture_catalog(w->f, graph);
    fixture_trail(w->f, "trail", catalog, "p", "z")->min_step_ns = 0;
    struct conf_hunt *basket = fixture_basket(w->f, "basket", catalog);
    basket->once = false;
    basket->cooldown_ns = 60 * NS_PER_S;
    w->f->conf.hunts[w->f->conf.hunt_count++] = (struct conf_hunt){.name = "tiles",
                                                                   .kind = CONF_TILES,
                                                                   .types = 2,
                                                                   .tiles = 1000,
                                                                   .ends_ms = INT64_MAX,
                                                                   .live = 2,
                                                                   .period_ns = 60 * NS_PER_S,
                                                                   .map_ttl_ns = HOUR};
    if (shorten)
        w->f->conf.events.dedupe_policy = CONF_SHORTEN;
    w->f->conf.limits.user_ttl_ns = HOUR;
    fixture_build(w->f);
    w->host = host_open(small_limits);
    size_t bytes = arena_round(mirror_footprint(&small_limits), 4096);
    w->memory = aligned_alloc(4096, bytes);
    arena_init(&w->arena, w->memory, bytes);
    mirror_init(&w->mirror, &w->arena, &small_limits);
    w->ops = calloc(OPS, sizeof *w->ops);
    for (uint32_t p = 0; p < PARTS; p++)
        w->image[p] = calloc(1, IMAGE_MAX);
}

static void world_close(struct world *w)
{
    host_close(&w->host);
    free(w->memory);
    free(w->ops);
    for (uint32_t p = 0; p < PARTS; p++)
        free(w->image[p]);
    fixture_close(w->f);
}

static uint64_t draw(struct world *w, uint64_t below)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random % below;
}

/* ---- what happens ---- */

static void name_tile(struct world *w)
{
    const struct rules_hunt *hunt = &w->f->rules->hunts[2];
    struct tile tile = {.period = w->now_ns / hunt->period_ns, .index = (uint32_t)draw(w, 40)};
    tiles_name(&hunt->tiles_key, tile, w->tile);
}

static struct event some_event(struct world *w)
{
    static const char *const items[] = {"p", "q", "x", "y", "z", "nowhere"};
    char user[16];
    snprintf(user, sizeof user, "u%u", (unsigned)draw(w, 300));
    uint64_t id = draw(w, 8) ? ++w->ids : 1 + draw(w, w->ids + 1);
    struct event event = view(w->f, id, user, items[draw(w, 6)], w->now_ns);
    event.partition = event_partition(event.user_key.hi, PARTS);
    if (draw(w, 4))
        return event;
    name_tile(w);
    event.type_key = hash64(&w->f->key, "note", 4);
    event.flags = EVENT_HAS_TILE;
    event.bytes = (const uint8_t *)w->tile;
    event.tile.len = TILES_NAME_LEN;
    event.len = TILES_NAME_LEN;
    event.partition = event_partition(hash64(&w->f->key, w->tile, TILES_NAME_LEN), PARTS);
    return event;
}

static struct correction some_correction(struct world *w)
{
    struct correction c = {.id = {++w->ids, 7}, .receive_ns = w->now_ns, .kind = draw(w, 3) & 3};
    uint64_t owner;
    snprintf(c.user, sizeof c.user, "u%u", (unsigned)draw(w, 300));
    snprintf(c.hunt, sizeof c.hunt, "%s", draw(w, 2) ? "trail" : "tiles");
    snprintf(c.reason, sizeof c.reason, "a test");
    snprintf(c.by, sizeof c.by, "uid 0");
    struct correction undone;
    uint32_t which = (uint32_t)draw(w, 64);
    if (c.kind == CORRECTION_undo && which < w->corrected_count &&
        state_find_correction(w->host.state, w->corrected[which], &undone)) {
        memcpy(c.undo, w->corrected[which], sizeof c.undo);
        memcpy(c.user, undone.user, sizeof c.user);
        memcpy(c.hunt, undone.hunt, sizeof c.hunt);
        memcpy(c.tile, undone.tile, sizeof c.tile);
    } else if (c.hunt[1] == 'i') {
        name_tile(w);
        memcpy(c.tile, w->tile, sizeof w->tile);
    }
    owner = c.tile[0] ? hash64(&w->f->key, c.tile, strlen(c.tile))
                      : hash128(&w->f->key, c.user, strlen(c.user)).hi;
    c.partition = event_partition(owner, PARTS);
    w->corrected_count += w->corrected_count < 64;
    memcpy(w->corrected[draw(w, w->corrected_count)], c.id, sizeof c.id);
    return c;
}

static struct verdict redo(struct world *w, struct state *state, struct op *op)
{
    struct outcome out[STATE_OUTCOMES_MAX];
    return op->is_correction ? state_correct(state, w->f->rules, &op->correction, out)
                             : state_apply(state, w->f->rules, &op->event, out);
}

/* Now and then nothing comes for long. */
static void some_op(struct world *w)
{
    struct op *op = &w->ops[w->op_count];
    w->now_ns += draw(w, 2000) ? draw(w, NS_PER_S) : draw(w, 3 * HOUR);
    op->is_correction = draw(w, 50) == 0;
    if (op->is_correction)
        op->correction = some_correction(w);
    else
        op->event = some_event(w);
    uint32_t p = op->is_correction ? op->correction.partition : op->event.partition;
    op->seq = state_seq(w->host.state, p);
    struct verdict v = redo(w, w->host.state, op);
    memcpy(op->tile, w->tile, sizeof w->tile); /* an event's bytes hold for one call */
    w->op_count += v.result == RESULT_ACCEPTED;
}

/* ---- copies ---- */

static void keep_image(struct world *w, uint32_t p)
{
    struct image image;
    image_begin(&image, w->mirror.state, p);
    w->image_len[p] = 0;
    for (uint32_t bytes; (bytes = image_next(&image, w->image[p] + w->image_len[p]));) {
        assert_true(bytes <= IMAGE_CHUNK_MAX);
        w->image_len[p] += bytes;
        assert_true(w->image_len[p] < IMAGE_MAX - IMAGE_CHUNK_MAX);
    }
}

static void poll(struct world *w)
{
    if (mirror_poll(&w->mirror, w->host.state, 1, 1) && mirror_done(&w->mirror)) {
        uint32_t p = w->mirror.id;
        assert_true(state_hash(w->mirror.state, p) == state_hash(w->host.state, p));
        assert_true(state_seq(w->mirror.state, p) == state_seq(w->host.state, p));
        keep_image(w, p);
        w->copies++;
    }
    if (mirror_done(&w->mirror))
        mirror_ask(&w->mirror, (uint32_t)draw(w, PARTS));
}

static int load_image(struct world *w, struct state *state, uint32_t p)
{
    uint32_t at = 0;
    while (at < w->image_len[p]) {
        int rc = image_load(state, p, items_count(w->f->items), true, w->image[p] + at,
                            w->image_len[p] - at);
        if (rc < 0)
            return rc;
        at += (uint32_t)rc;
    }
    return 0;
}

/* ---- tests ---- */

static void a_copy_made_while_events_flow_is_the_partition(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        world_open(&world, seed, seed % 2);
        while (world.op_count < OPS) {
            some_op(&world);
            poll(&world);
        }
        assert_true(world.copies > 500);
        world_close(&world);
    }
}

/* Each partition from its own image, then the rest of what happened to it. */
static void what_an_image_was_loaded_into_goes_on_as_the_first(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 14; seed++) {
        struct world *w = &world;
        uint64_t seq[PARTS];
        world_open(w, seed, seed % 2);
        while (w->op_count < OPS) {
            some_op(w);
            poll(w);
        }
        struct host other = host_open(small_limits);
        for (uint32_t p = 0; p < PARTS; p++) {
            assert_true(w->image_len[p] > 0);
            assert_int_equal(load_image(w, other.state, p), 0);
            seq[p] = state_seq(other.state, p);
            assert_true(seq[p] > 0);
        }
        uint32_t again = 0;
        for (uint32_t i = 0; i < w->op_count; i++) {
            struct op *op = &w->ops[i];
            uint32_t p = op->is_correction ? op->correction.partition : op->event.partition;
            op->event.bytes = (const uint8_t *)op->tile;
            if (op->seq < seq[p])
                continue;
            /* Between those that were accepted, others had taken numbers. */
            state_pass(other.state, p, op->seq, 0);
            assert_int_equal(redo(w, other.state, op).result, RESULT_ACCEPTED);
            again++;
        }
        assert_true(again > 100 && again < w->op_count / 2);
        for (uint32_t p = 0; p < PARTS; p++) {
            state_pass(w->host.state, p, state_seq(w->host.state, p), w->now_ns);
            state_pass(other.state, p, state_seq(w->host.state, p), w->now_ns);
            assert_true(state_hash(other.state, p) == state_hash(w->host.state, p));
        }
        host_close(&other);
        world_close(w);
    }
}

static void an_image_fits_where_there_is_more_room_and_not_where_there_is_less(void **state)
{
    (void)state;
    struct state_limits more = small_limits, less = small_limits, ids = small_limits;
    world_open(&world, 21, false);
    while (world.op_count < OPS / 2) {
        some_op(&world);
        poll(&world);
    }
    more.users = more.claims = more.corrections = 16000;
    more.shard_count = 4;
    less.users = 16;
    ids.dedupe_window_ns = 600 * NS_PER_S;
    struct host a = host_open(more), b = host_open(less), c = host_open(ids);
    for (uint32_t p = 0; p < PARTS; p += 4) {
        assert_int_equal(load_image(&world, a.state, p), 0);
        assert_int_equal(load_image(&world, b.state, p), -ENOSPC);
        assert_int_equal(load_image(&world, c.state, p), -ESTALE);
    }
    state_clear(a.state);
    struct host empty = host_open(more);
    assert_true(host_hash(&a) == host_hash(&empty));
    host_close(&a);
    host_close(&b);
    host_close(&c);
    host_close(&empty);
    world_close(&world);
}

/* Whatever bytes there are, a refusal or a load, and never anything out of bounds. */
static void what_is_no_image_is_refused(void **state)
{
    (void)state;
    world_open(&world, 31, false);
    while (world.op_count < OPS / 4) {
        some_op(&world);
        poll(&world);
    }
    uint32_t refused = 0;
    struct host other = host_open(small_limits);
    for (uint32_t i = 0; i < 300; i++) {
        uint32_t p = i % PARTS, at = (uint32_t)draw(&world, world.image_len[p] & ~7u);
        uint8_t was = world.image[p][at];
        world.image[p][at] = (uint8_t)draw(&world, 256);
        state_clear(other.state);
        refused += load_image(&world, other.state, p) != 0 ||
                   state_hash(other.state, p) != state_hash(world.host.state, p);
        world.image[p][at] = was;
    }
    assert_true(refused > 100);
    uint64_t words[2] = {0};
    for (uint32_t len = 0; len < sizeof words; len++)
        assert_int_equal(image_load(other.state, 0, 1, true, (const uint8_t *)words, len),
                         -EBADMSG);
    host_close(&other);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_made_while_events_flow_is_the_partition),
        cmocka_unit_test(what_an_image_was_loaded_into_goes_on_as_the_first),
        cmocka_unit_test(an_image_fits_where_there_is_more_room_and_not_where_there_is_less),
        cmocka_unit_test(what_is_no_image_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
