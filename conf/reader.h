/* reader.h - from a YAML tree to a struct conf along the table of keys, collecting every fault.
 *
 * Memory:  borrows all it points at.  Threads: one.
 */
#pragma once

#include "conf/key.h"

struct reader {
    struct conf *conf;
    const struct yaml *yaml;
    struct diag_list *diags;
    char dir[CONF_PATH_MAX]; /* the configuration file's directory, absolute */
    struct diag place;       /* of reader_at */
    char quoted[64];         /* of reader_quote */
};

/* reader_run reads the whole document. */
void reader_run(struct reader *reader);

/* reader_at returns where a node stands, for diag_add; good until the next call. */
const struct diag *reader_at(struct reader *reader, const struct yaml_node *node);

/* reader_quote returns a node's value for a message, shortened; good until the next call. */
const char *reader_quote(struct reader *reader, const struct yaml_node *node);

#define READER_NEAR_MAX 2 /* edits between an unknown name and one that was meant */

/* reader_distance returns Levenshtein's distance of two words, or anything over READER_NEAR_MAX. */
unsigned reader_distance(const char *a, const char *b);

/* reader_kinds returns the kind of element that a mapping says it is: KEY_TRAIL and so on, or 0. */
unsigned reader_kinds(const struct key_set *set, const struct yaml_node *map);

/* reader_check_key reports a key that the set has not, or not for this kind of element. */
void reader_check_key(struct reader *reader, const struct key_set *set, unsigned kinds,
                      const struct yaml_node *name);

/* reader_report says what a value has to be; fault NULL: another YAML kind. */
void reader_report(struct reader *reader, const struct key *key, const struct yaml_node *node,
                   const struct key_fault *fault);

/* reader_anchor makes a relative path absolute against dir; node is where the path was written,
 * NULL for a default. */
void reader_anchor(struct reader *reader, const struct yaml_node *node, const char *dir,
                   char path[CONF_PATH_MAX]);
