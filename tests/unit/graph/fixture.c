/* fixture.c - configurations, hosts and events for the tests of graph. */
#include "tests/unit/graph/fixture.h"

#include <stdio.h>
#include <unistd.h>

const struct state_limits small_limits = {
    .partition_count = 16,
    .shard_count = 1,
    .dedupe_capacity = 1600,
    .users = 1600,
    .claims = 1600,
    .corrections = 1600,
    .dedupe_window_ns = 900 * NS_PER_S,
};

struct fixture *fixture_open(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    static const uint8_t seed[HASH_SEED_BYTES] = "graph";
    assert_non_null(f);
    hash_key_init(&f->key, seed);
    f->items = items_new(100000);
    struct conf *conf = &f->conf;
    snprintf(conf->file, sizeof conf->file, "trove.yaml");
    conf->events.dedupe_window_ns = small_limits.dedupe_window_ns;
    conf->events.skew_tolerance_ns = 5 * NS_PER_S;
    conf->events.skew_reject_ns = 86400 * NS_PER_S;
    conf->events.lateness_ns = 900 * NS_PER_S;
    conf->events.type_count = 3;
    conf->events.types[0] =
        (struct conf_type){.name = "view", .require_item = true, .forbid_tile = true};
    conf->events.types[1] = (struct conf_type){.name = "note"};
    conf->events.types[2] = (struct conf_type){
        .name = "strict", .strict = true, .require_tile = true, .forbid_item = true};
    conf->limits.event_bytes = 1400;
    conf->limits.event_depth = 32;
    conf->limits.user_ttl_ns = 6 * 3600 * NS_PER_S;
    return f;
}

void fixture_close(struct fixture *f)
{
    rules_free(f->rules);
    items_free(f->items);
    diag_list_fini(&f->diags);
    for (int i = 0; i < f->file_count; i++)
        unlink(f->files[i]);
    free(f);
}

const char *fixture_catalog(struct fixture *f, const char *text)
{
    char *name = f->files[f->file_count++];
    strcpy(name, "/tmp/trove-catalog-XXXXXX");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return name;
}

static struct conf_hunt *add_hunt(struct fixture *f, const char *name, const char *catalog)
{
    struct conf_hunt *hunt = &f->conf.hunts[f->conf.hunt_count++];
    *hunt =
        (struct conf_hunt){.types = 1, .ends_ms = INT64_MAX, .once = true, .place = {.line = 7}};
    snprintf(hunt->name, sizeof hunt->name, "%s", name);
    snprintf(hunt->catalog, sizeof hunt->catalog, "%s", catalog);
    return hunt;
}

static uint32_t split(const char *list, char (*names)[CONF_NAME_MAX + 1])
{
    uint32_t count = 0;
    int used;
    for (; sscanf(list, " %64s%n", names[count], &used) == 1; list += used)
        count++;
    return count;
}

struct conf_hunt *fixture_trail(struct fixture *f, const char *name, const char *catalog,
                                const char *start, const char *treasure)
{
    uint32_t index = f->conf.hunt_count;
    struct conf_hunt *hunt = add_hunt(f, name, catalog);
    hunt->kind = CONF_TRAIL;
    hunt->start = f->names[2 * index];
    hunt->treasure = f->names[2 * index + 1];
    hunt->start_count = split(start, hunt->start);
    hunt->treasure_count = split(treasure, hunt->treasure);
    hunt->max_depth = 8;
    hunt->min_step_ns = NS_PER_S;
    hunt->max_fanout = 32;
    hunt->budget = 2000;
    return hunt;
}

struct conf_hunt *fixture_basket(struct fixture *f, const char *name, const char *catalog)
{
    struct conf_hunt *hunt = add_hunt(f, name, catalog);
    hunt->kind = CONF_BASKET;
    hunt->recent = 4;
    hunt->ttl_ns = 1800 * NS_PER_S;
    hunt->basket_items = 2;
    hunt->threshold = 1u << 16;
    hunt->decay = 1u << 15;
    hunt->max_depth = 2;
    hunt->max_fanout = 8;
    hunt->budget = 256;
    return hunt;
}

const struct rules *fixture_build(struct fixture *f)
{
    rules_free(f->rules);
    f->rules = rules_build(&f->conf, 1, &f->key, f->items, &f->diags);
    if (!f->rules)
        diag_print(&f->diags, stderr);
    assert_non_null(f->rules);
    return f->rules;
}

uint32_t fixture_item(const struct fixture *f, const char *name)
{
    return items_find(f->items, name, (uint32_t)strlen(name));
}

struct host host_open(struct state_limits limits)
{
    struct host host = {.limits = limits};
    size_t bytes = state_footprint(&limits);
    host.memory = aligned_alloc(4096, arena_round(bytes, 4096));
    assert_non_null(host.memory);
    arena_init(&host.arena, host.memory, bytes);
    host.state = state_init(&host.arena, &limits);
    arena_seal(&host.arena);
    return host;
}

void host_close(struct host *host)
{
    free(host->memory);
}

uint64_t host_hash(const struct host *host)
{
    uint64_t sum = 0;
    const struct state_limits *limits = &host->limits;
    for (uint32_t p = limits->shard; p < limits->partition_count; p += limits->shard_count)
        sum += state_hash(host->state, p) * (2 * p + 1);
    return sum;
}

struct event view(const struct fixture *f, uint64_t id, const char *user, const char *item,
                  uint64_t receive_ns)
{
    return (struct event){
        .user_key = hash128(&f->key, user, strlen(user)),
        .id = {id, ~id},
        .time_ms = (int64_t)(receive_ns / NS_PER_MS),
        .receive_ns = receive_ns,
        .type_key = hash64(&f->key, "view", 4),
        .item_key = item ? hash64(&f->key, item, strlen(item)) : 0,
        .flags = item ? EVENT_HAS_ITEM : 0,
    };
}

struct verdict apply(struct host *host, const struct fixture *f, struct event event,
                     struct outcome out[STATE_OUTCOMES_MAX])
{
    event.partition = event_partition(event.user_key.hi, host->limits.partition_count);
    return state_apply(host->state, f->rules, &event, out);
}
