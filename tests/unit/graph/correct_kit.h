/* correct_kit.h - what the tests of corrections share: a host with a hunt of each kind, and
 * corrections in one line, each held against what was foretold of it.
 *
 * Memory:  static, and the fixture's.  Threads: one.
 */
#pragma once

#include "dataplane/base/record.h"
#include "graph/mix.h"
#include "tests/unit/graph/fixture.h"

#define HOUR (3600 * NS_PER_S)

static struct fixture *f;
static struct host host;
static struct outcome out[STATE_OUTCOMES_MAX];
static struct conf_hunt *trail;
static uint64_t now_ns, next_id;

static const char graph[] = "p\tq\t1\nq\tp\t1\nq\tz\t1\n";

static inline int open(void **state)
{
    (void)state;
    f = fixture_open();
    host = host_open(small_limits);
    const char *catalog = fixture_catalog(f, graph);
    trail = fixture_trail(f, "trail", catalog, "p", "z");
    trail->min_step_ns = 0;
    fixture_basket(f, "basket", catalog)->threshold = 1u << 15;
    struct conf_hunt *tiles = &f->conf.hunts[f->conf.hunt_count++];
    *tiles = (struct conf_hunt){.name = "tiles",
                                .kind = CONF_TILES,
                                .types = 2,
                                .tiles = 100,
                                .ends_ms = INT64_MAX,
                                .live = 2,
                                .period_ns = 60 * NS_PER_S,
                                .map_ttl_ns = HOUR};
    fixture_build(f);
    now_ns = T0;
    next_id = 1000;
    return 0;
}

static inline int close_all(void **state)
{
    (void)state;
    host_close(&host);
    fixture_close(f);
    return 0;
}

static inline struct correction make(enum correction_kind kind, const char *user, const char *hunt,
                                     const char *tile)
{
    struct correction c = {.id = {++next_id, 7}, .kind = (uint8_t)kind, .receive_ns = now_ns};
    strcpy(c.user, user);
    strcpy(c.hunt, hunt);
    strcpy(c.tile, tile ? tile : "");
    strcpy(c.reason, "a test");
    strcpy(c.ref, "T-1");
    strcpy(c.by, "uid 0");
    uint64_t owner =
        tile ? hash64(&f->key, tile, strlen(tile)) : hash128(&f->key, user, strlen(user)).hi;
    c.partition = event_partition(owner, host.limits.partition_count);
    return c;
}

static inline struct correction undo_of(const struct correction *undone)
{
    struct correction c = *undone;
    c.id[0] = ++next_id;
    c.kind = CORRECTION_undo;
    c.receive_ns = now_ns;
    memcpy(c.undo, undone->id, sizeof c.undo);
    return c;
}

/* try_first holds what is foretold against what happens. */
static inline struct verdict correct(const struct correction *c)
{
    struct outcome foretold;
    uint64_t before = state_hash(host.state, c->partition);
    struct verdict would = state_try_correction(host.state, f->rules, c, &foretold);
    assert_true(state_hash(host.state, c->partition) == before);
    struct verdict v = state_correct(host.state, f->rules, c, out);
    assert_int_equal(would.result, v.result);
    assert_int_equal(would.reason, v.reason);
    if (v.result == RESULT_ACCEPTED) {
        assert_int_equal(foretold.kind, out->kind);
        assert_int_equal(foretold.refusal, out->refusal);
        assert_memory_equal(foretold.award_id, out->award_id, sizeof out->award_id);
    }
    return v;
}

static inline struct correction expect(struct correction c, enum outcome_kind kind,
                                       enum refusal refusal)
{
    uint64_t seq = state_seq(host.state, c.partition);
    struct verdict v = correct(&c);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    assert_string_equal(outcome_kind_name(out->kind), outcome_kind_name(kind));
    assert_string_equal(refusal_name(out->refusal), refusal_name(refusal));
    assert_true(v.seq == seq + 1 && state_seq(host.state, c.partition) == seq + 2);
    assert_int_equal(v.outcome_count, 1);
    return c;
}

static inline struct correction grant(const char *user)
{
    return expect(make(CORRECTION_grant, user, "trail", NULL), OUTCOME_granted, REFUSAL_none);
}

static inline struct correction revoke(const char *user)
{
    return expect(make(CORRECTION_revoke, user, "trail", NULL), OUTCOME_revoked, REFUSAL_none);
}

static inline struct correction refused(struct correction c, enum refusal refusal)
{
    return expect(c, OUTCOME_correction_refused, refusal);
}

/* sees returns the trail's outcome of an event. */
static inline const struct outcome *sees(const char *user, const char *item)
{
    struct verdict v = apply(&host, f, view(f, ++next_id, user, item, now_ns), out);
    assert_int_equal(v.result, RESULT_ACCEPTED);
    return &out[0];
}

static inline void win(const char *user, uint64_t award_id[2])
{
    sees(user, "p");
    sees(user, "q");
    assert_int_equal(sees(user, "z")->kind, OUTCOME_award);
    memcpy(award_id, out->award_id, sizeof out->award_id);
}

static inline bool is_out(const char *user)
{
    return sees(user, "p")->flags & OUTCOME_DONE;
}

static inline void tile_name_of(uint32_t index, uint64_t at_ns, char name[TILES_NAME_LEN + 1])
{
    const struct rules_hunt *hunt = &f->rules->hunts[2];
    tiles_name(&hunt->tiles_key, (struct tile){at_ns / hunt->period_ns, index}, name);
}
