/* test_walk.c - walks computed by hand, and random ones against the obvious way to do it. */
#include "tests/unit/graph/fixture.h"

#include "graph/mix.h"
#include "graph/walk.h"

static struct walk *walk;

static struct walk_result run(const struct fixture *f, const char *sources)
{
    struct walk_result result;
    uint32_t ids[WALK_SOURCES_MAX], count = 0;
    char name[65];
    for (int used; sscanf(sources, " %64s%n", name, &used) == 1; sources += used)
        ids[count++] = fixture_item(f, name);
    walk_run(walk, &f->rules->hunts[0], ids, count, &result);
    return result;
}

/* a -> b 1.0, c 0.5;  b -> d 1.0;  c -> d 1.0, a 0.5;  x -> c 1.0 */
static const char small[] = "a\tb\t2\na\tc\t1\nb\td\t1\nc\td\t2\nc\ta\t1\nx\tc\t3\n";

static void energy_decays_by_hop_and_adds_up(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, small));
    hunt->basket_items = 4;
    fixture_build(f);
    struct walk_result r = run(f, "a");
    /* Hop 0: b 0.5, c 0.25.  Hop 1: b gives d 0.25; c gives d 0.125, a 0.0625. */
    uint32_t b = 32768, c = 32768u * 32768 / 65535;
    uint32_t d = 16384 + (c >> 1), a = (uint32_t)((uint64_t)(c >> 1) * 32768 / 65535);
    assert_int_equal(r.edge_count, 5);
    assert_false(r.stopped);
    assert_int_equal(r.best_count, 4);
    assert_int_equal(r.best[0], fixture_item(f, "b"));
    assert_int_equal(r.best[1], fixture_item(f, "d"));
    assert_int_equal(r.best[2], fixture_item(f, "c"));
    assert_int_equal(r.best[3], fixture_item(f, "a"));
    assert_int_equal(r.sum, a + b + c + d);
    fixture_close(f);
}

static void one_hop_does_not_pass_on(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, small));
    hunt->basket_items = 4;
    hunt->max_depth = 1;
    fixture_build(f);
    struct walk_result r = run(f, "a");
    assert_int_equal(r.edge_count, 2);
    assert_int_equal(r.best_count, 2);
    fixture_close(f);
}

static void sources_score_only_by_what_flows_into_them(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, small));
    hunt->max_depth = 1;
    hunt->basket_items = 4;
    fixture_build(f);
    struct walk_result r = run(f, "a x c");
    /* c: 0.25 from a and 0.5 from x; d 0.5 from c, b 0.5 from a: a tie, so the lower id; a 0.25. */
    assert_int_equal(r.best_count, 4);
    assert_int_equal(r.best[0], fixture_item(f, "c"));
    assert_int_equal(r.best[1], fixture_item(f, "b"));
    assert_int_equal(r.best[2], fixture_item(f, "d"));
    assert_int_equal(r.best[3], fixture_item(f, "a"));
    r = run(f, "x");
    assert_int_equal(r.best_count, 1);
    assert_int_equal(r.sum, 32768);
    fixture_close(f);
}

static void the_budget_stops_a_walk_and_is_never_exceeded(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, small));
    for (uint32_t budget = 1; budget <= 6; budget++) {
        hunt->budget = budget;
        fixture_build(f);
        struct walk_result r = run(f, "a");
        assert_int_equal(r.edge_count, budget < 5 ? budget : 5);
        assert_int_equal(r.stopped, budget < 5);
    }
    fixture_close(f);
}

static void only_the_strongest_edges_count(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, small));
    hunt->max_fanout = 1;
    hunt->basket_items = 4;
    fixture_build(f);
    struct walk_result r = run(f, "a");
    assert_int_equal(r.edge_count, 2);
    assert_int_equal(r.best[0], fixture_item(f, "b"));
    assert_int_equal(r.best[1], fixture_item(f, "d"));
    assert_int_equal(r.best_count, 2);
    fixture_close(f);
}

static void what_is_below_the_floor_is_not_expanded(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    struct conf_hunt *hunt =
        fixture_basket(f, "h", fixture_catalog(f, "a\tb\t1\nb\tc\t1\nc\td\t1\n"));
    hunt->max_depth = 4;
    hunt->basket_items = 4;
    hunt->decay = WALK_ONE / 16; /* b 1/16, c 1/256: just enough, d 1/4096 */
    fixture_build(f);
    assert_int_equal(run(f, "a").edge_count, 3);
    hunt->decay--;
    fixture_build(f);
    assert_int_equal(run(f, "a").edge_count, 2);
    fixture_close(f);
}

/* ---- the obvious way ---- */

#define NODES 120

struct plain {
    uint64_t score[NODES];
    bool expanded[NODES];
    uint32_t entry_energy[8192], entry_item[8192], entry_hop[8192];
    uint32_t entry_count;
};

static int take_best(struct plain *p)
{
    int best = -1;
    for (uint32_t i = 0; i < p->entry_count; i++) {
        if (p->expanded[p->entry_item[i]])
            continue;
        if (best < 0 || p->entry_energy[i] > p->entry_energy[best] ||
            (p->entry_energy[i] == p->entry_energy[best] &&
             (p->entry_item[i] < p->entry_item[best] ||
              (p->entry_item[i] == p->entry_item[best] && p->entry_hop[i] < p->entry_hop[best]))))
            best = (int)i;
    }
    return best;
}

static void queue(struct plain *p, uint32_t item, uint32_t energy, uint32_t hop)
{
    p->entry_item[p->entry_count] = item;
    p->entry_energy[p->entry_count] = energy;
    p->entry_hop[p->entry_count++] = hop;
}

static void plain_walk(const struct rules_hunt *h, const uint32_t *sources, uint32_t count,
                       struct walk_result *r)
{
    struct plain *p = calloc(1, sizeof *p);
    *r = (struct walk_result){0};
    for (uint32_t i = 0; i < count; i++)
        queue(p, sources[i], 65536, 0);
    for (int at; !r->stopped && (at = take_best(p)) >= 0;) {
        const struct catalog_edge *edges;
        uint32_t n = catalog_edges(h->catalog, p->entry_item[at], &edges);
        p->expanded[p->entry_item[at]] = true;
        for (uint32_t e = 0; e < n && e < h->max_fanout; e++) {
            if (r->edge_count == h->budget) {
                r->stopped = true;
                break;
            }
            r->edge_count++;
            uint64_t share =
                ((uint64_t)p->entry_energy[at] * h->decay >> 16) * edges[e].strength / 65535;
            p->score[edges[e].to] += share;
            if (!p->expanded[edges[e].to] && p->entry_hop[at] + 1 < h->max_depth && share >= 256)
                queue(p, edges[e].to, (uint32_t)share, p->entry_hop[at] + 1);
        }
    }
    while (r->best_count < h->basket_items) {
        int best = -1;
        for (int i = 0; i < NODES; i++)
            if (p->score[i] && (best < 0 || p->score[i] > p->score[best]))
                best = i;
        if (best < 0)
            break;
        r->sum += (uint32_t)p->score[best];
        r->best[r->best_count++] = (uint32_t)best;
        p->score[best] = 0;
    }
    free(p);
}

static void random_walks_agree_with_the_obvious_way(void **state)
{
    (void)state;
    /* With the last one, only strong edges bring more than the floor. */
    static const uint32_t decays[] = {WALK_ONE, 40000, 600};
    uint64_t seed = 1;
    uint32_t stopped = 0;
    for (int graph = 0; graph < 40; graph++) {
        struct fixture *f = fixture_open();
        char text[16384], name[8];
        size_t at = 0;
        for (uint32_t i = 0; i < NODES; i++)
            items_add(f->items, name, (uint32_t)sprintf(name, "n%u", i));
        for (int e = 0; e < 1200; e++) {
            uint64_t r = mix64(++seed);
            at += (size_t)sprintf(text + at, "n%u\tn%u\t%u\n", (uint32_t)(r % NODES),
                                  (uint32_t)(r >> 20) % NODES, 1 + (uint32_t)(r >> 50) % 4);
        }
        struct conf_hunt *hunt = fixture_basket(f, "h", fixture_catalog(f, text));
        hunt->max_depth = 1 + graph % 4;
        hunt->basket_items = 1 + graph % 16;
        hunt->decay = decays[graph % 3];
        hunt->budget = graph % 5 ? 150 : WALK_BUDGET_MAX;
        fixture_build(f);
        for (int i = 0; i < 50; i++) {
            uint32_t sources[12], count = 1 + (uint32_t)(mix64(++seed) % 12);
            for (uint32_t s = 0; s < count; s++)
                sources[s] = (uint32_t)(mix64(seed) + s * 7) % NODES;
            struct walk_result got, want;
            walk_run(walk, &f->rules->hunts[0], sources, count, &got);
            plain_walk(&f->rules->hunts[0], sources, count, &want);
            assert_memory_equal(&got, &want, sizeof got);
            stopped += got.stopped;
        }
        fixture_close(f);
    }
    assert_true(stopped > 100);
}

static void generations_that_come_round_do_not_mix_walks(void **state)
{
    (void)state;
    struct fixture *f = fixture_open();
    fixture_basket(f, "h", fixture_catalog(f, small));
    fixture_build(f);
    struct walk_result before = run(f, "a");
    walk->table.generation = UINT32_MAX - 1;
    for (int i = 0; i < 4; i++) {
        struct walk_result r = run(f, "a");
        assert_memory_equal(&r, &before, sizeof r);
    }
    fixture_close(f);
}

static int make_walk(void **state)
{
    (void)state;
    walk = calloc(1, sizeof *walk);
    return walk ? 0 : -1;
}

static int free_walk(void **state)
{
    (void)state;
    free(walk);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energy_decays_by_hop_and_adds_up),
        cmocka_unit_test(one_hop_does_not_pass_on),
        cmocka_unit_test(sources_score_only_by_what_flows_into_them),
        cmocka_unit_test(the_budget_stops_a_walk_and_is_never_exceeded),
        cmocka_unit_test(only_the_strongest_edges_count),
        cmocka_unit_test(what_is_below_the_floor_is_not_expanded),
        cmocka_unit_test(random_walks_agree_with_the_obvious_way),
        cmocka_unit_test(generations_that_come_round_do_not_mix_walks),
    };
    return cmocka_run_group_tests(tests, make_walk, free_walk);
}
