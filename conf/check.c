/* check.c - what a table of single keys cannot say. */
#include "conf/check.h"

#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/value.h"

/* "12h (line 14)" or "15m (the default)" */
static void say_time(char *out, size_t room, uint64_t ns, const struct yaml_node *node)
{
    char text[32] = "";
    FILE *stream = fmemopen(text, sizeof text - 1, "w");
    if (stream) {
        value_print_time(stream, ns);
        fclose(stream);
    }
    if (node)
        snprintf(out, room, "%s (line %u)", text, node->line);
    else
        snprintf(out, room, "%s (the default)", text);
}

void check_type(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf_type *type = base;
    if ((type->require_item && type->forbid_item) || (type->require_tile && type->forbid_tile))
        diag_add(r->diags, reader_at(r, yaml_find(map, "forbid")), "conflict",
                 "event type '%s' both requires and forbids '%s'; keep one", type->name,
                 type->require_item && type->forbid_item ? "item" : "tile");
}

void check_events(struct reader *r, const struct yaml_node *map, void *base)
{
    const struct conf *conf = base;
    const struct yaml_node *window = yaml_find(yaml_find(map, "dedupe"), "window");
    const struct yaml_node *lateness = yaml_find(map, "lateness");
    const struct yaml_node *reject = yaml_find(map, "skew_reject");
    const struct yaml_node *tolerance = yaml_find(map, "skew_tolerance");
    char one[64], other[64];
    /* A time that could not be read is 0, and has been complained about. */
    if (conf->events.dedupe_window_ns && conf->events.dedupe_window_ns < conf->events.lateness_ns) {
        say_time(one, sizeof one, conf->events.dedupe_window_ns, window);
        say_time(other, sizeof other, conf->events.lateness_ns, lateness);
        diag_add(r->diags, reader_at(r, window ? window : lateness), "conflict",
                 "dedupe.window, %s, must not be shorter than lateness, %s, or an event could "
                 "count twice; raise the window or lower lateness",
                 one, other);
    }
    if (conf->events.skew_reject_ns &&
        conf->events.skew_reject_ns < conf->events.skew_tolerance_ns) {
        say_time(one, sizeof one, conf->events.skew_reject_ns, reject);
        say_time(other, sizeof other, conf->events.skew_tolerance_ns, tolerance);
        diag_add(r->diags, reader_at(r, reject ? reject : tolerance), "conflict",
                 "skew_reject, %s, must not be shorter than skew_tolerance, %s", one, other);
    }
}

static void check_trail(struct reader *r, const struct yaml_node *map, const struct conf_hunt *hunt)
{
    for (uint32_t i = 0; i < hunt->start_count; i++)
        for (uint32_t j = 0; j < hunt->treasure_count; j++)
            if (hunt->start[i][0] && strcmp(hunt->start[i], hunt->treasure[j]) == 0)
                diag_add(r->diags, reader_at(r, yaml_find(map, "treasure")), "conflict",
                         "'%s' is both a start and a treasure of hunt '%s', so nobody would have "
                         "to walk; remove it from one",
                         hunt->start[i], hunt->name);
}

static void check_variants(struct reader *r, const struct yaml_node *map,
                           const struct conf_hunt *hunt)
{
    const struct yaml_node *node = yaml_find(map, "variants");
    uint64_t sum = 0;
    for (uint32_t i = 0; i < hunt->variant_count; i++) {
        sum += hunt->variants[i].weight;
        for (uint32_t j = 0; j < i; j++)
            if (conf_variant_tag(hunt->variants[i].name) ==
                conf_variant_tag(hunt->variants[j].name))
                diag_add(r->diags, reader_at(r, node), "conflict",
                         "the names '%s' and '%s' fall together in what is kept of a variant; "
                         "change one of them",
                         hunt->variants[j].name, hunt->variants[i].name);
    }
    if (hunt->variant_count && !sum)
        diag_add(r->diags, reader_at(r, node), "conflict",
                 "every variant of hunt '%s' has the weight 0; give at least one of them more",
                 hunt->name);
}

/* An event with a tile is judged by tiles hunts alone, and they judge no other. */
static void check_listens(struct reader *r, const struct yaml_node *map,
                          const struct conf_hunt *hunt)
{
    bool tiles = hunt->kind == CONF_TILES;
    const struct yaml_node *types = yaml_find(map, "types");
    for (uint32_t i = 0; i < r->conf->events.type_count; i++) {
        const struct conf_type *type = &r->conf->events.types[i];
        if ((hunt->types >> i & 1) && !(tiles ? type->forbid_tile : type->require_tile))
            return;
    }
    if (hunt->types)
        diag_add(r->diags, reader_at(r, types ? types : yaml_find(map, "kind")), "conflict",
                 "hunt '%s' listens to no event type that may come %s a tile; add one under types",
                 hunt->name, tiles ? "with" : "without");
}

static void check_tiles(struct reader *r, const struct yaml_node *map, const struct conf_hunt *hunt)
{
    if (hunt->period_ns && hunt->live > CONF_MAP_TTL_MIN_NS / hunt->period_ns)
        diag_add(r->diags, reader_at(r, yaml_find(map, yaml_find(map, "live") ? "live" : "period")),
                 "conflict",
                 "a map can be claimed for at most 1h, and live times period is longer; lower one");
}

void check_hunt(struct reader *r, const struct yaml_node *map, void *base)
{
    struct conf_hunt *hunt = base;
    const struct yaml_node *once = yaml_find(map, "once");
    const struct yaml_node *cooldown = yaml_find(map, "cooldown");
    reader_anchor(r, yaml_find(map, "catalog"), r->dir, hunt->catalog);
    if (once && cooldown && hunt->once)
        diag_add(r->diags, reader_at(r, cooldown), "conflict",
                 "with once: true on line %u there is nothing to cool down from; remove one",
                 once->line);
    if (once && !cooldown && strcmp(once->text, "false") == 0)
        diag_add(r->diags, reader_at(r, once), "missing_key",
                 "once: false needs a cooldown; add one, such as cooldown: 24h");
    if (cooldown)
        hunt->once = false;
    if (hunt->ends_ms && hunt->ends_ms <= hunt->starts_ms)
        diag_add(r->diags, reader_at(r, yaml_find(map, "ends")), "conflict",
                 "hunt '%s' ends before it starts; ends must be later than starts", hunt->name);
    check_variants(r, map, hunt);
    check_trail(r, map, hunt);
    check_listens(r, map, hunt);
    check_tiles(r, map, hunt);
}

static void check_ports(struct reader *r, const struct yaml_node *map, const struct conf *conf)
{
    const struct yaml_node *list = yaml_find(map, "ports");
    const struct yaml_node *node = list ? list->first : NULL;
    for (uint32_t i = 0; i < conf->port_count && node; i++, node = node->next)
        for (uint32_t j = 0; j < i && conf->ports[i].device[0]; j++)
            if (strcmp(conf->ports[i].device, conf->ports[j].device) == 0)
                diag_add(r->diags, reader_at(r, yaml_find(node, "device")), "conflict",
                         "the port on line %u has the same device; give each port its own",
                         conf->ports[j].place.line);
}

static void check_lcores(struct reader *r, const struct yaml_node *map, const struct conf *conf)
{
    bool rx = false, shard = false;
    for (uint32_t i = 0; i < conf->lcore_count; i++) {
        rx |= conf->lcores[i].rx;
        shard |= conf->lcores[i].shard;
    }
    if (conf->lcore_count && (!rx || !shard))
        diag_add(r->diags, reader_at(r, yaml_find(map, "lcores")), "conflict",
                 "no core runs %s; at least one core must run rx and one shard",
                 rx ? "shard" : "rx");
}

static void check_http(struct reader *r, const struct yaml_node *node, const struct conf *conf)
{
    struct conf_endpoint endpoint;
    if (!node || node->broken || strcmp(conf->management.http, "none") == 0)
        return;
    if (conf_endpoint_parse(conf->management.http, &endpoint) || !endpoint.port)
        diag_add(r->diags, reader_at(r, node), "bad_value",
                 "http must be an IPv4 address and a port such as 127.0.0.1:9470, [IPv6]:PORT, or "
                 "none, not %s",
                 reader_quote(r, node));
}

static void anchor_sink(struct reader *r, const struct yaml_node *node, const char *dir,
                        struct conf_sink *sink)
{
    const struct {
        const char *key;
        char *path;
    } paths[] = {
        {"path", sink->path},
        {"directory", sink->directory},
        {"password_file", sink->password_file},
        {"token_file", sink->token_file},
        {"credentials", sink->credentials},
        {"secret_file", sink->secret_file},
        {"ca_file", sink->tls.ca_file},
        {"cert_file", sink->tls.cert_file},
        {"key_file", sink->tls.key_file},
    };
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
        if (yaml_find(node, paths[i].key))
            reader_anchor(r, yaml_find(node, paths[i].key), dir, paths[i].path);
}

static void check_paths(struct reader *r, const struct yaml_node *map, struct conf *conf)
{
    const struct yaml_node *dir = yaml_find(map, "data_dir");
    const struct yaml_node *socket = yaml_find(yaml_find(map, "management"), "socket");
    if (conf->data_dir[0] == 0)
        return;
    if (conf->data_dir[0] != '/') {
        diag_add(r->diags, reader_at(r, dir), "bad_value",
                 "data_dir must be an absolute path such as /var/lib/trove, not %s",
                 reader_quote(r, dir));
        return;
    }
    reader_anchor(r, socket ? socket : dir, conf->data_dir, conf->management.socket);
    size_t len = strlen(conf->management.socket);
    size_t room = sizeof((struct sockaddr_un *)NULL)->sun_path;
    if (len >= room)
        diag_add(r->diags, reader_at(r, socket ? socket : dir), "out_of_range",
                 "the path of a Unix socket has at most %zu bytes, and management.socket has %zu; "
                 "use a shorter one",
                 room - 1, len);
    check_http(r, yaml_find(yaml_find(map, "management"), "http"), conf);
    const struct yaml_node *list = yaml_find(map, "sinks");
    const struct yaml_node *node = list ? list->first : NULL;
    for (uint32_t i = 0; i < conf->sink_count && node; i++, node = node->next)
        anchor_sink(r, node, conf->data_dir, &conf->sinks[i]);
}

static void check_sinks(struct reader *r, const struct yaml_node *map, const struct conf *conf)
{
    const struct yaml_node *list = yaml_find(map, "sinks");
    const struct yaml_node *node = list ? list->first : NULL;
    for (uint32_t i = 0; i < conf->sink_count && node; i++, node = node->next)
        for (uint32_t j = 0; j < i && conf->sinks[i].path[0]; j++)
            if (strcmp(conf->sinks[i].path, conf->sinks[j].path) == 0)
                diag_add(r->diags, reader_at(r, yaml_find(node, "path")), "conflict",
                         "the sink on line %u writes to the same file; give each its own",
                         conf->sinks[j].place.line);
}

static uint32_t weight_of(const struct conf_hunt *hunt)
{
    if (hunt->kind == CONF_TILES)
        return 0;
    if (hunt->kind == CONF_BASKET)
        return hunt->budget;
    return (hunt->budget + CONF_TRAIL_EDGES - 1) / CONF_TRAIL_EDGES;
}

/* Every event is bounded, whatever listens to it: the budgets of a type's hunts are added up, and
 * the first one that is too much is told. */
static void check_budgets(struct reader *r, const struct yaml_node *map, const struct conf *conf)
{
    const struct yaml_node *list = yaml_find(map, "hunts");
    bool told = false;
    for (uint32_t type = 0; type < conf->events.type_count && !told; type++) {
        const struct yaml_node *node = list ? list->first : NULL;
        uint32_t sum = 0;
        for (uint32_t i = 0; i < conf->hunt_count && node && !told; i++, node = node->next) {
            const struct conf_hunt *hunt = &conf->hunts[i];
            const struct yaml_node *budget = yaml_find(node, "budget");
            if (!(hunt->types >> type & 1))
                continue;
            sum += weight_of(hunt);
            told = sum > CONF_EVENT_EDGES_MAX;
            if (told)
                diag_add(r->diags, reader_at(r, budget ? budget : yaml_find(node, "name")),
                         "conflict",
                         "with hunt '%s' the budgets of hunts that listen to '%s' come to %u, and "
                         "one event may visit at most %u edges (of a trail's, each %u count as "
                         "one); lower a budget, or have a hunt listen to other types",
                         hunt->name, conf->events.types[type].name, sum, CONF_EVENT_EDGES_MAX,
                         CONF_TRAIL_EDGES);
        }
    }
}

/* A name that outcomes carry: what the host calls itself, when that is one. */
static void set_host(struct conf *conf)
{
    char name[sizeof conf->host] = "";
    if (gethostname(name, sizeof name - 1) < 0 ||
        !value_name_valid(name, strlen(name), CONF_NAME_MAX))
        snprintf(name, sizeof name, "localhost");
    memcpy(conf->host, name, sizeof name);
}

/* What recovery needs must not go: a checkpoint stands for it, and ids of one window are found in
 * the journal when their table has changed. */
static void check_retention(struct reader *r, const struct yaml_node *map, const struct conf *conf)
{
    const struct yaml_node *journal = yaml_find(map, "journal");
    const struct yaml_node *retain = yaml_find(journal, "retain");
    bool any =
        conf->journal.retain_ns || conf->journal.retain_bytes || conf->journal.min_free_bytes;
    char one[64], other[64];
    if (any && !conf->journal.checkpoint_ns)
        diag_add(r->diags, reader_at(r, yaml_find(journal, "checkpoint")), "conflict",
                 "journal.checkpoint is 0s, so nothing of the journal can be removed; set it to "
                 "30s, or remove retain, retain_bytes and min_free_disk");
    if (!conf->journal.retain_ns || !conf->events.dedupe_window_ns ||
        conf->journal.retain_ns >= conf->events.dedupe_window_ns)
        return;
    say_time(one, sizeof one, conf->journal.retain_ns, retain);
    say_time(other, sizeof other, conf->events.dedupe_window_ns,
             yaml_find(yaml_find(yaml_find(map, "events"), "dedupe"), "window"));
    diag_add(r->diags, reader_at(r, retain), "conflict",
             "journal.retain, %s, must not be shorter than events.dedupe.window, %s", one, other);
}

void check_root(struct reader *r, const struct yaml_node *map, void *base)
{
    struct conf *conf = base;
    if (!yaml_find(map, "host"))
        set_host(conf);
    check_ports(r, map, conf);
    check_lcores(r, map, conf);
    check_paths(r, map, conf);
    check_sinks(r, map, conf);
    check_budgets(r, map, conf);
    check_retention(r, map, conf);
    check_http_event(r, map, conf);
}
