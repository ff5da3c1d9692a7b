/* host.c - rules and states of a configuration. */
#include "tests/model/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_state(struct host *host, uint32_t shard)
{
    const struct conf *conf = host->conf;
    struct state_limits limits = {
        .partition_count = conf->partitions,
        .shard_count = host->shard_count,
        .shard = shard,
        .dedupe_capacity = conf->events.dedupe_capacity,
        .users = conf->limits.users,
        .claims = conf->limits.claims,
        .corrections = conf->limits.corrections,
        .dedupe_window_ns = conf->events.dedupe_window_ns,
    };
    size_t bytes = arena_round(state_footprint(&limits), 4096);
    struct arena arena;
    /* From the kernel, and so zero without being touched: most of it never is. */
    void *memory = calloc(1, bytes + 4096);
    if (!memory)
        return -1;
    arena_init(&arena, (void *)arena_round((size_t)memory, 4096), bytes);
    host->memory[shard] = memory;
    host->states[shard] = state_init(&arena, &limits);
    arena_seal(&arena);
    return 0;
}

static void close_states(struct host *host)
{
    for (uint32_t s = 0; s < host->shard_count; s++) {
        free(host->memory[s]);
        host->memory[s] = NULL;
    }
}

void host_reset(struct host *host)
{
    close_states(host);
    for (uint32_t s = 0; s < host->shard_count; s++) {
        if (open_state(host, s)) {
            fprintf(stderr, "error: no memory for a state\n");
            exit(1);
        }
    }
}

/* Whether states made for one configuration serve another, as for a reload. */
static bool same_sizes(const struct conf *a, const struct conf *b)
{
    return a->partitions == b->partitions &&
           a->events.dedupe_capacity == b->events.dedupe_capacity &&
           a->events.dedupe_window_ns == b->events.dedupe_window_ns &&
           a->limits.users == b->limits.users && a->limits.claims == b->limits.claims &&
           a->limits.corrections == b->limits.corrections && a->limits.items == b->limits.items;
}

int host_load(struct host *host, const char *file)
{
    struct diag_list diags = {0};
    struct rules *rules = NULL;
    struct conf *conf = conf_load_file(file, &diags);
    if (conf && !host->items)
        host->items = items_new(conf->limits.items);
    if (conf && host->conf && !same_sizes(conf, host->conf))
        fprintf(stderr, "error: %s needs a restart\n", file);
    else if (conf && host->items)
        rules = rules_build(conf, ++host->version, &host->key, host->items, &diags);
    diag_print(&diags, stderr);
    diag_list_fini(&diags);
    if (!rules) {
        conf_free(conf);
        return -1;
    }
    rules_free(host->rules);
    conf_free(host->conf);
    host->rules = rules;
    host->conf = conf;
    return 0;
}

int host_open(struct host *host, const char *file, uint32_t shard_count)
{
    static const uint8_t seed[HASH_SEED_BYTES] = "model";
    *host = (struct host){.shard_count = shard_count};
    hash_key_init(&host->key, seed);
    if (host_load(host, file)) {
        host_close(host);
        return -1;
    }
    host_reset(host);
    return 0;
}

void host_close(struct host *host)
{
    close_states(host);
    rules_free(host->rules);
    items_free(host->items);
    conf_free(host->conf);
}

struct state *host_state(const struct host *host, uint32_t partition)
{
    return host->states[partition % host->shard_count];
}

struct verdict host_apply(struct host *host, uint64_t receive_ns, const uint8_t *bytes,
                          uint32_t len, struct event *event, struct outcome out[STATE_OUTCOMES_MAX])
{
    *event = (struct event){0};
    enum reason reason = event_parse(&host->rules->limits, &host->key, bytes, len, event);
    uint64_t owner = hash64(&host->key, bytes, len);
    if (reason == REASON_none)
        owner = event->flags & EVENT_HAS_TILE ? event->tile_key : event->user_key.hi;
    event->receive_ns = receive_ns;
    event->partition = event_partition(owner, host->conf->partitions);
    return state_apply(host_state(host, event->partition), host->rules, event, out);
}

static bool used_elsewhere(const struct host *host, const struct correction *correction)
{
    for (uint32_t s = 0; s < host->shard_count; s++) {
        struct correction found;
        if (state_find_correction(host->states[s], correction->id, &found) &&
            found.partition != correction->partition)
            return true;
    }
    return false;
}

struct verdict host_correct(struct host *host, struct correction *correction, struct outcome *out)
{
    const char *user = correction->user, *tile = correction->tile;
    uint64_t owner = tile[0] ? hash64(&host->key, tile, strlen(tile))
                             : hash128(&host->key, user, strlen(user)).hi;
    correction->partition = event_partition(owner, host->conf->partitions);
    struct verdict v = {.result = RESULT_DUPLICATE};
    *out = (struct outcome){
        .kind = OUTCOME_refusal, .refusal = REFUSAL_conflict, .hunt = OUTCOME_NO_HUNT};
    if (!used_elsewhere(host, correction))
        v = state_correct(host_state(host, correction->partition), host->rules, correction, out);
    v.outcome_count = v.result == RESULT_ACCEPTED || v.result == RESULT_DUPLICATE;
    return v;
}
