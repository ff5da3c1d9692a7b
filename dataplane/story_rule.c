/* story_rule.c - verdicts to keys, keys to lines. */
#include "dataplane/story_rule.h"

#include <stdio.h>
#include <string.h>

#include "conf/locate.h"

json_t *rule_at(struct rule_book *book, const struct conf *conf, uint32_t version, const char *path)
{
    char name[CONF_PATH_MAX + 16];
    struct diag place;
    bool given;
    snprintf(name, sizeof name, "%u %s", version, path);
    if (!book->places)
        book->places = json_object();
    json_t *known = json_object_get(book->places, name);
    if (known)
        return json_incref(known);
    conf_locate(conf, path, &place, &given);
    const char *text = place.source + strspn(place.source, " ");
    const char *key = strrchr(path, '/');
    json_t *rule = json_pack("{s:s, s:s, s:i, s:b}", "key", key ? key + 1 : path, "path", path,
                             "line", (int)place.line, "given", (int)given);
    json_object_set_new(rule, "file", json_string(place.file));
    json_object_set_new(rule, "text", json_string(text));
    json_object_set(book->places, name, rule);
    return rule;
}

const char *rule_type(const struct conf *conf, const struct rules *rules, const struct event *event)
{
    for (uint32_t i = 0; i < conf->events.type_count; i++) {
        const char *name = conf->events.types[i].name;
        if (hash64(&rules->key, name, strlen(name)) == event->type_key)
            return name;
    }
    return NULL;
}

static const char *key_of_refusal(const struct rules_hunt *hunt, unsigned refusal, int64_t time_ms)
{
    switch (refusal) {
    case REFUSAL_window:
        return time_ms < hunt->starts_ms ? "starts" : "ends";
    case REFUSAL_too_fast:
        return "min_step";
    case REFUSAL_max_depth:
        return "max_depth";
    case REFUSAL_already_won:
        return "once";
    case REFUSAL_cooldown:
        return "cooldown";
    case REFUSAL_taken:
    case REFUSAL_unknown_tile:
        return "tiles";
    case REFUSAL_expired:
        return "live";
    case REFUSAL_early:
        return "period";
    default:
        return "name";
    }
}

static const char *key_of_visit(const struct rules_hunt *hunt, const struct outcome *outcome)
{
    if (outcome->flags & OUTCOME_DONE)
        return hunt->once ? "once" : "cooldown";
    if (outcome->flags & OUTCOME_ITEM_UNKNOWN)
        return "catalog";
    if (outcome->flags & OUTCOME_STOPPED)
        return "budget";
    if (hunt->kind == CONF_BASKET)
        return "threshold";
    bool at_start = outcome->flags & OUTCOME_STEP ? outcome->depth == 1 : outcome->depth == 0;
    return at_start ? "start" : "catalog";
}

static const char *key_of_outcome(const struct rules_hunt *hunt, const struct outcome *outcome,
                                  int64_t time_ms)
{
    switch (outcome->kind) {
    case OUTCOME_claim_granted:
        return "tiles";
    case OUTCOME_refusal:
    case OUTCOME_claim_refused:
        return key_of_refusal(hunt, outcome->refusal, time_ms);
    case OUTCOME_award:
        return hunt->kind == CONF_BASKET ? "threshold" : "treasure";
    case OUTCOME_visit:
        return key_of_visit(hunt, outcome);
    default:
        return "name";
    }
}

json_t *rule_of_outcome(struct rule_book *book, const struct conf *conf, const struct rules *rules,
                        const struct event *event, const struct outcome *outcome, int64_t time_ms)
{
    char path[CONF_PATH_MAX];
    const char *type = rule_type(conf, rules, event);
    if (outcome->kind == OUTCOME_late)
        return rule_at(book, conf, rules->version, "events/lateness");
    if (outcome->kind == OUTCOME_duplicate)
        return rule_at(book, conf, rules->version, "events/dedupe/window");
    if (outcome->hunt < rules->hunt_count) {
        const struct rules_hunt *hunt = &rules->hunts[outcome->hunt];
        snprintf(path, sizeof path, "hunts/%s/%s", hunt->name,
                 key_of_outcome(hunt, outcome, time_ms));
    } else {
        snprintf(path, sizeof path, "events/types/%s", type ? type : "");
    }
    return rule_at(book, conf, rules->version, path);
}

json_t *rule_of_reason(struct rule_book *book, const struct conf *conf, const struct rules *rules,
                       const struct event *event, enum reason reason)
{
    char path[CONF_PATH_MAX];
    const char *type = rule_type(conf, rules, event), *key = NULL;
    switch (reason) {
    case REASON_too_large:
        return rule_at(book, conf, rules->version, "limits/event_bytes");
    case REASON_depth:
        return rule_at(book, conf, rules->version, "limits/event_depth");
    case REASON_future:
        return rule_at(book, conf, rules->version, "events/skew_reject");
    case REASON_type_unknown:
        return rule_at(book, conf, rules->version, "events/types");
    case REASON_hunt_unknown:
        return rule_at(book, conf, rules->version, "hunts");
    case REASON_item_required:
    case REASON_tile_required:
        key = "require";
        break;
    case REASON_item_forbidden:
    case REASON_tile_forbidden:
        key = "forbid";
        break;
    case REASON_key_unknown:
        key = "strict";
        break;
    case REASON_data_required:
    case REASON_data_type:
    case REASON_data_range:
    case REASON_data_length:
    case REASON_data_value:
        key = "data";
        break;
    case REASON_data_unknown:
        key = "strict_data";
        break;
    default:
        return NULL;
    }
    snprintf(path, sizeof path, "events/types/%s/%s", type ? type : "", key);
    return rule_at(book, conf, rules->version, path);
}
