/* rules.c - compiling a configuration's types, hunts and catalogs. */
#include "graph/rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/event.h"
#include "dataplane/base/outcome.h"
#include "graph/claims.h"
#include "graph/mix.h"
#include "graph/progress.h"

static_assert(CONF_HUNTS_MAX <= 64 && CONF_TYPES_MAX <= 64, "bit masks of 64");
static_assert(RULES_TYPE_SLOTS >= 2 * CONF_TYPES_MAX, "probing ends at an empty slot");

/* One rules_build. */
struct build {
    const struct conf *conf;
    struct rules *rules;
    struct items *items;
    struct diag_list *diags;
    const char *catalog_file[CONF_HUNTS_MAX]; /* of rules->catalogs */
    bool failed;
};

static void fault(struct build *build, struct conf_place place, const char *code, const char *what,
                  const char *name, const char *rest)
{
    struct diag at = {.line = place.line, .column = place.column, .length = 1};
    snprintf(at.file, sizeof at.file, "%s", build->conf->file);
    diag_add(build->diags, &at, code, "%s '%s' %s", what, name, rest);
    build->failed = true;
}

static void build_type(struct build *build, uint32_t index)
{
    const struct conf_type *from = &build->conf->events.types[index];
    uint64_t key = hash64(&build->rules->key, from->name, strlen(from->name));
    struct rules_type *type = &build->rules->types[rules_type_slot(build->rules, key)];
    if (type->key || !key) {
        fault(build, from->place, "conflict", "type", from->name, "is given twice");
        return;
    }
    *type = (struct rules_type){
        .key = key,
        .require = (uint8_t)((from->require_item ? EVENT_HAS_ITEM : 0) |
                             (from->require_tile ? EVENT_HAS_TILE : 0)),
        .forbid = (uint8_t)((from->forbid_item ? EVENT_HAS_ITEM : 0) |
                            (from->forbid_tile ? EVENT_HAS_TILE : 0)),
        .strict = from->strict,
    };
    if (schema_build(from, &build->rules->key, &type->schema) < 0)
        fault(build, from->place, "unreadable", "type", from->name, "does not fit in memory");
    for (uint32_t i = 0; i < build->conf->hunt_count; i++)
        if (build->conf->hunts[i].types >> index & 1)
            type->hunts |= 1ull << i;
}

/* catalog_of loads a hunt's catalog, each file once. */
static const struct catalog *catalog_of(struct build *build, const struct conf_hunt *hunt)
{
    struct rules *rules = build->rules;
    for (uint32_t i = 0; i < rules->catalog_count; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set with the count */
        if (!strcmp(build->catalog_file[i], hunt->catalog))
            return rules->catalogs[i];
    struct catalog *catalog = catalog_load(hunt->catalog, build->items, &rules->key, build->diags);
    /* One that failed is kept too, so that its faults are told once. */
    build->failed |= !catalog;
    build->catalog_file[rules->catalog_count] = hunt->catalog;
    rules->catalogs[rules->catalog_count++] = catalog;
    return catalog;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x == y ? 0 : x < y ? -1 : 1;
}

/* node_ids turns names into sorted ids, each once.  Returns NULL when there are none, or no
 * memory. */
static uint32_t *node_ids(struct build *build, const struct conf_hunt *from,
                          const struct catalog *catalog, const char *what,
                          char (*names)[CONF_NAME_MAX + 1], uint32_t name_count, uint32_t *count)
{
    *count = 0;
    if (!name_count)
        return NULL;
    uint32_t *ids = calloc(name_count, sizeof *ids);
    if (!ids) {
        fault(build, from->place, "unreadable", "hunt", from->name, "does not fit in memory");
        return NULL;
    }
    for (uint32_t i = 0; i < name_count; i++) {
        uint64_t key = hash64(&build->rules->key, names[i], strlen(names[i]));
        uint32_t id = catalog_find(catalog, key);
        if (id == ITEM_NONE)
            fault(build, from->place, "bad_value", what, names[i],
                  "is not in the hunt's catalog; name an item that the catalog lists");
        else
            ids[(*count)++] = id;
    }
    qsort(ids, *count, sizeof *ids, by_id);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (!kept || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    *count = kept;
    return ids;
}

static void build_variants(const struct conf_hunt *from, struct rules_hunt *hunt)
{
    uint64_t sum = 0;
    hunt->variant_count = from->variant_count;
    for (uint32_t i = 0; i < from->variant_count; i++) {
        const struct conf_variant *variant = &from->variants[i];
        sum += variant->weight;
        hunt->variants[i] = (struct rules_variant){
            .tag = conf_variant_tag(variant->name),
            .weight_end = sum,
        };
        memcpy(hunt->variants[i].name, variant->name, sizeof variant->name);
        memcpy(hunt->variants[i].reward, variant->reward, sizeof variant->reward);
    }
    assert(sum || !from->variant_count);
}

static void build_tiles(struct rules *rules, const struct conf_hunt *from, uint32_t index)
{
    struct rules_hunt *hunt = &rules->hunts[index];
    assert(from->tiles && from->tiles <= TILES_MAP_MAX && from->live && from->period_ns &&
           from->map_ttl_ns <= CLAIMS_KEEP_MAX && from->map_ttl_ns >= CONF_MAP_TTL_MIN_NS &&
           from->live * from->period_ns <= CONF_MAP_TTL_MIN_NS);
    rules->tile_hunts |= 1ull << index;
    hunt->tiles = from->tiles;
    hunt->live = from->live;
    hunt->period_ns = from->period_ns;
    hunt->map_ttl_ns = from->map_ttl_ns;
    tiles_key_init(&hunt->tiles_key, *from->seed ? from->seed : from->name, from->period_ns);
    hunt->series = mix64(hunt->key) ^ hunt->tiles_key.mark;
}

static void build_hunt(struct build *build, uint32_t index)
{
    const struct conf_hunt *from = &build->conf->hunts[index];
    struct rules_hunt *hunt = &build->rules->hunts[index];
    assert(from->kind == CONF_TRAIL ? from->max_depth < OUTCOME_ITEMS_MAX
                                    : from->max_depth <= 4 && from->recent <= 16 &&
                                          from->basket_items <= 16 && from->decay <= 1u << 16);
    assert(from->kind != CONF_BASKET || from->budget <= CONF_EVENT_EDGES_MAX);
    *hunt = (struct rules_hunt){
        .key = hash64(&build->rules->key, from->name, strlen(from->name)),
        .kind = from->kind,
        .once = from->once,
        .cooldown_ns = from->cooldown_ns,
        .starts_ms = from->starts_ms,
        .ends_ms = from->ends_ms,
        .max_depth = from->max_depth,
        .max_fanout = from->max_fanout,
        .budget = from->budget,
        .min_step_ns = from->min_step_ns,
        .recent = from->recent,
        .basket_items = from->basket_items,
        .threshold = from->threshold,
        .decay = from->decay,
        .ttl_ns = from->ttl_ns,
    };
    hunt->mark = progress_mark(hunt->key + (uint64_t)hunt->kind);
    memcpy(hunt->name, from->name, sizeof hunt->name);
    hunt->name_len = (uint32_t)strlen(from->name);
    build_variants(from, hunt);
    if (rules_find_hunt(build->rules, hunt->key) >= 0) {
        fault(build, from->place, "conflict", "hunt", from->name, "is given twice");
        return;
    }
    build->rules->hunt_count = index + 1;
    if (from->kind == CONF_TILES) {
        build_tiles(build->rules, from, index);
        return;
    }
    hunt->catalog = catalog_of(build, from);
    if (!hunt->catalog || from->kind != CONF_TRAIL)
        return;
    hunt->start = node_ids(build, from, hunt->catalog, "start", from->start, from->start_count,
                           &hunt->start_count);
    hunt->treasure = node_ids(build, from, hunt->catalog, "treasure", from->treasure,
                              from->treasure_count, &hunt->treasure_count);
}

struct rules *rules_build(const struct conf *conf, uint32_t version, const struct hash_key *key,
                          struct items *items, struct diag_list *diags)
{
    struct rules *rules = calloc(1, sizeof *rules);
    struct build build = {.conf = conf, .rules = rules, .items = items, .diags = diags};
    if (!rules) {
        fault(&build, (struct conf_place){0}, "unreadable", "version", "",
              "does not fit in memory");
        return NULL;
    }
    rules->version = version;
    rules->limits = (struct event_limits){.event_bytes = conf->limits.event_bytes,
                                          .event_depth = conf->limits.event_depth};
    rules->dedupe_shorten = conf->events.dedupe_policy == CONF_SHORTEN;
    rules->dedupe_window_ns = conf->events.dedupe_window_ns;
    rules->skew_tolerance_ns = conf->events.skew_tolerance_ns;
    rules->skew_reject_ns = conf->events.skew_reject_ns;
    rules->lateness_ns = conf->events.lateness_ns;
    rules->user_ttl_ns = conf->limits.user_ttl_ns;
    rules->key = *key;
    rules->items = items;
    for (uint32_t i = 0; i < conf->hunt_count; i++)
        build_hunt(&build, i);
    for (uint32_t i = 0; i < conf->events.type_count; i++)
        build_type(&build, i);
    if (build.failed) {
        rules_free(rules);
        return NULL;
    }
    return rules;
}

void rules_free(struct rules *rules)
{
    if (!rules)
        return;
    for (uint32_t i = 0; i < CONF_HUNTS_MAX; i++) {
        free(rules->hunts[i].start);
        free(rules->hunts[i].treasure);
    }
    for (uint32_t i = 0; i < RULES_TYPE_SLOTS; i++)
        schema_free(rules->types[i].schema);
    for (uint32_t i = 0; i < rules->catalog_count; i++)
        catalog_free(rules->catalogs[i]);
    free(rules);
}

int rules_find_hunt(const struct rules *rules, uint64_t hunt_key)
{
    for (uint32_t i = 0; i < rules->hunt_count; i++)
        if (rules->hunts[i].key == hunt_key)
            return (int)i;
    return -1;
}

int rules_variant_of(const struct rules_hunt *hunt, uint16_t tag)
{
    for (uint32_t i = 0; i < hunt->variant_count; i++)
        if (hunt->variants[i].tag == tag)
            return (int)i;
    return -1;
}

uint32_t rules_assign(const struct rules *rules, const struct rules_hunt *hunt,
                      struct hash128 user_key)
{
    const uint64_t words[] = {user_key.lo, user_key.hi, hunt->key};
    uint64_t sum = hunt->variants[hunt->variant_count - 1].weight_end;
    uint64_t point =
        (uint64_t)((unsigned __int128)hash64(&rules->key, words, sizeof words) * sum >> 64);
    uint32_t i = 0;
    while (hunt->variants[i].weight_end <= point)
        i++;
    return i;
}
