/* story_rule.h - which key of the configuration decided a verdict, and where it stands.
 *
 * Memory:  the book owns the places that it has looked up.  Threads: one.
 */
#pragma once

#include <jansson.h>

#include "graph/state.h"

/* Places already found: looking one up reads the whole configuration. */
struct rule_book {
    json_t *places; /* "version path" to its place */
};

/* rule_of_outcome and rule_of_reason return {key, file, line, text, given}, a new reference, for
 * what decided an outcome or a rejection; NULL when no key did, but the grammar. */
json_t *rule_of_outcome(struct rule_book *book, const struct conf *conf, const struct rules *rules,
                        const struct event *event, const struct outcome *outcome, int64_t time_ms);
json_t *rule_of_reason(struct rule_book *book, const struct conf *conf, const struct rules *rules,
                       const struct event *event, enum reason reason);

/* rule_at returns the place of a path, as conf_locate has them. */
json_t *rule_at(struct rule_book *book, const struct conf *conf, uint32_t version,
                const char *path);

/* rule_type returns the configured name of an event's type, NULL when there is none. */
const char *rule_type(const struct conf *conf, const struct rules *rules,
                      const struct event *event);
