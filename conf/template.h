/* template.h - templates of hunts: keys that are written once and belong to every hunt that names
 * them.
 *
 * A hunt is joined with its template before it is read, value by value as they stand in the file:
 * so each fault is told where the value stands, be that the template or the hunt, and nothing
 * behind the reader knows that there are templates.
 *
 * Memory:  what template_join returns is the caller's to free.  Threads: the reader's.
 */
#pragma once

#include "conf/reader.h"

/* template_check reports what is wrong with the mapping of templates, used or not. */
void template_check(struct reader *reader, const struct key *key, const struct yaml_node *map);

/* template_join makes *whole the mapping of a hunt: its own keys, then those of its template that
 * it does not give itself.  A template that does not exist is reported.  Returns what the joined
 * mapping's entries lie in, to be freed when it is read; NULL without a template. */
struct yaml_node *template_join(struct reader *reader, const struct yaml_node *hunt,
                                struct yaml_node *whole);
