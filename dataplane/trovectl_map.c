/* trovectl_map.c - `hunt map`: the tiles of a hunt's map at a time, from a configuration file
 * alone.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "dataplane/base/clock.h"
#include "dataplane/base/text.h"
#include "dataplane/trovectl.h"
#include "graph/tiles.h"

static const struct conf_hunt *find_hunt(const struct conf *conf, const char *name)
{
    const struct conf_hunt *found = NULL;
    for (uint32_t i = 0; i < conf->hunt_count; i++) {
        const struct conf_hunt *hunt = &conf->hunts[i];
        if (hunt->kind != CONF_TILES || (name && strcmp(hunt->name, name) != 0))
            continue;
        if (found)
            return NULL; /* which one? */
        found = hunt;
    }
    return found;
}

static json_t *map_of(const struct conf_hunt *hunt, uint64_t at_ns, uint32_t limit)
{
    struct tiles_key key;
    char name[TILES_NAME_LEN + 1], begins[TEXT_TIME_LEN + 1];
    uint64_t period = at_ns / hunt->period_ns;
    uint32_t count = hunt->tiles < limit ? hunt->tiles : limit;
    json_t *tiles = json_array();
    tiles_key_init(&key, *hunt->seed ? hunt->seed : hunt->name, hunt->period_ns);
    text_time_format((int64_t)(period * hunt->period_ns / NS_PER_MS), begins);
    for (uint32_t i = 0; i < count; i++) {
        tiles_name(&key, (struct tile){.period = period, .index = i}, name);
        json_array_append_new(tiles, json_string(name));
    }
    return json_pack("{s:s, s:I, s:s, s:i, s:i, s:o}", "hunt", hunt->name, "period",
                     (json_int_t)period, "begins", begins, "live", (int)hunt->live, "count",
                     (int)hunt->tiles, "tiles", tiles);
}

static void print_map(const struct trovectl *ctl, const json_t *map)
{
    const json_t *tile, *tiles = json_object_get(map, "tiles");
    size_t i;
    json_array_foreach(tiles, i, tile) fprintf(ctl->out, "%s\n", json_string_value(tile));
    fprintf(ctl->err, "# %s  map %llu  begins %s  %zu of %llu tiles\n", field_text(map, "hunt"),
            (unsigned long long)field_count(map, "period"), field_text(map, "begins"),
            json_array_size(tiles), (unsigned long long)field_count(map, "count"));
}

static int show(struct trovectl *ctl, const struct conf *conf)
{
    int64_t at_ms = (int64_t)(clock_realtime_ns() / NS_PER_MS);
    const struct conf_hunt *hunt = find_hunt(conf, ctl->hunt);
    if (!hunt)
        return trovectl_fail(ctl, TROVECTL_FAILED, "hunt_not_found", "trovectl conf check FILE",
                             ctl->hunt ? "%s has no tiles hunt '%.64s'"
                                       : "%s has no tiles hunt, or several: say --hunt NAME",
                             ctl->file, ctl->hunt);
    if (ctl->at && text_time_parse((const uint8_t *)ctl->at, strlen(ctl->at), &at_ms))
        return trovectl_fail(ctl, TROVECTL_USAGE, "usage", "trovectl help",
                             "--at is a time such as 2026-11-20T12:00:00Z, not '%.64s'", ctl->at);
    unsigned long long limit = ctl->limit ? strtoull(ctl->limit, NULL, 10) : 10;
    json_t *map = map_of(hunt, (uint64_t)at_ms * NS_PER_MS,
                         limit < TILES_MAP_MAX ? (uint32_t)limit : TILES_MAP_MAX);
    if (ctl->json)
        trovectl_print_json(map, ctl->out);
    else
        print_map(ctl, map);
    json_decref(map);
    return TROVECTL_OK;
}

int trovectl_hunt_map(struct trovectl *ctl)
{
    struct diag_list diags = {0};
    struct conf *conf = conf_load_file(ctl->file, &diags);
    int code;
    if (conf) {
        code = show(ctl, conf);
    } else {
        diag_print(&diags, ctl->err);
        code = trovectl_fail(ctl, TROVECTL_FAILED, "config_invalid", "trovectl conf check FILE",
                             "%s cannot be used", ctl->file);
    }
    conf_free(conf);
    diag_list_fini(&diags);
    return code;
}
